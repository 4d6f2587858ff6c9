#!/usr/bin/env python3
"""sipp's default scenarios through the edge and the relay, over UDP, TCP and TLS
behind a wrapper, and from a TLS gateway to a secured phone. Research sip.md
section 6.3, command 4."""

import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.ports import free_ports  # noqa: E402
from tests.harness.process import Process  # noqa: E402

CALLS = 30


class SippTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.demo.start_services()
        cls.demo.provision()

    def start(self, name, command):
        process = Process(name, command, self.cluster.path('log', name + '.log')).start()
        self.addCleanup(process.stop)
        return process

    def sipp(self, *arguments, calls, scenario='uac'):
        """Runs a caller to its end; how many calls succeeded."""
        done = subprocess.run(
            ['sipp', '-sn', scenario, '-m', str(calls), '-nostdin', '-timeout', '60s', *arguments],
            capture_output=True, text=True, errors='replace', timeout=90, cwd=self.cluster.folder)
        counts = re.findall(r'Successful call\s*\|\s*\d+\s*\|\s*(\d+)', done.stdout)
        self.assertTrue(counts, done.stdout[-2000:] + done.stderr[-2000:])
        return int(counts[-1])

    def peers(self, transport):
        """The caller's and the called's address; each calls by its own."""
        caller, called = (f'{self.cluster.network}.{host}' for host in (21, 22))
        plans.apply(self.cluster, f'sipp-{transport}', plans.manifest(
            plans.two_peers(caller, called, transport),
            *(piece for digit, host in ((7, 25), (6, 26)) for piece in (
                plans.peer(f'side{digit}', f'{self.cluster.network}.{host}', 5070, transport),
                plans.route(f'side{digit}', digit, f'side{digit}')))))
        self.demo.wait_snapshot()
        return caller, called

    def clear_calls(self, transport, kind):
        """The scenarios that call, and third party call control; `branchc` is below."""
        caller, called = self.peers(transport)
        edge = f'{self.cluster.host("signaling_edge")}:5060'
        self.start(f'uas-{transport}',
                   ['sipp', '-sn', 'uas', '-i', called, '-p', '5070', '-t', kind, '-nostdin'])
        before = self.ended()
        self.assertEqual(self.sipp('-s', '85551234', '-i', caller, '-p', '5065', '-t', kind, '-r', '10', '-d', '500',
                                   edge, calls=CALLS), CALLS)
        self.assertEqual(self.sipp('-s', '85551234', '-i', caller, '-p', '5066', '-t', kind, edge, calls=5,
                                   scenario='regexp'), 5)
        self.cluster.wait_for(lambda: self.ended() == before + CALLS + 5, 'every call ended by itself', 10)
        self.third_party(caller, kind, edge)

    def third_party(self, caller, kind, edge, sides_kind=None):
        """RFC 3725 flow I: the controller asks A without an offer, gives B what A
        has offered, and A what B has answered; both legs are calls by the edge."""
        # sipp listens for its other half at all addresses of the machine.
        commands = f'{caller}:{free_ports(1)[0]}'
        before = self.ended()
        sides = [self.start(f'{name}-{edge}', [
            'sipp', '-sn', name, '-i', f'{self.cluster.network}.{host}', '-p', '5070', '-t', sides_kind or kind,
            '-m', '1', '-nostdin', '-timeout', '20s']) for name, host in (('3pcc-A', 25), ('3pcc-B', 26))]
        for name, number, port in (('3pcc-C-B', '6', 5068), ('3pcc-C-A', '7', 5067)):
            sides.append(self.start(f'{name}-{edge}', [
                'sipp', '-sn', name, '-3pcc', commands, '-s', f'{number}5551234', '-i', caller, '-p', str(port),
                '-t', kind, '-m', '1', '-nostdin', '-timeout', '20s', edge]))
            time.sleep(0.3)
        self.cluster.wait_for(lambda: all(each.exit_code() is not None for each in sides), 'all four are done', 20)
        self.assertEqual([each.exit_code() for each in sides], [0] * 4)
        self.cluster.wait_for(lambda: self.ended() == before + 2, 'both calls ended by themselves', 5)

    def test_who_registers_without_a_password(self):
        """`branchc` is a user of no domain here, without a password."""
        caller, _ = self.peers('UDP')
        self.assertEqual(self.sipp('-i', caller, '-p', '5065', '-t', 'u1', f'{self.cluster.host("signaling_edge")}:5060',
                                   calls=1, scenario='branchc'), 0)
        self.assertEqual([r for r in self.cluster.items('registrations') if 'ua1' in r.get('contact', '')], [])

    def ended(self):
        calls = [c for c in self.cluster.cli('calls', '-o', 'json').get('calls', [])
                 if c.get('reason') == 'NORMAL_CLEARING']
        return len(calls)

    def test_calls_over_udp(self):
        self.clear_calls('UDP', 'u1')

    def test_calls_over_tcp(self):
        self.clear_calls('TCP', 't1')

    def test_a_call_with_recorded_media(self):
        """uac_pcap: G.711 and RFC 4733 events from a file, through the relay."""
        caller, called = self.peers('UDP')
        os.symlink('/usr/share/sip-tester', self.cluster.path('pcap'))
        self.start('uas-pcap', ['sipp', '-sn', 'uas', '-i', called, '-p', '5070', '-t', 'u1', '-nostdin'])
        self.assertEqual(self.sipp('-s', '85551234', '-i', caller, '-mi', caller, '-p', '5065', '-t', 'u1',
                                   f'{self.cluster.host("signaling_edge")}:5060', calls=1, scenario='uac_pcap'), 1)
        heard = self.cluster.wait_for(
            lambda: max((int(leg.get('statistics', {}).get('packetsReceived', 0)) for call in self.cluster.items('calls')
                         for leg in call['legs']), default=0), 'the relay tells what it heard', 10)
        self.assertGreater(heard, 200)

    def test_calls_over_tls(self):
        """Each connection a handshake of its own: socat makes them."""
        plans.apply(self.cluster, 'gateway', plans.GATEWAY)
        _, called = self.peers('UDP')
        self.start('uas-tls', ['sipp', '-sn', 'uas', '-i', called, '-p', '5070', '-t', 'u1', '-nostdin'])
        gateway = self.tls_gateway()
        before = self.ended()
        for scenario, kind, calls in (('uac', 't1', 10), ('uac', 'tn', 10), ('regexp', 't1', 5)):
            self.assertEqual(self.sipp('-s', '85551234', '-i', gateway, '-p', '5069', '-t', kind, '-r', '10', '-d', '300',
                                       '-max_socket', '100', f'{gateway}:5060', calls=calls, scenario=scenario), calls)
        self.cluster.wait_for(lambda: self.ended() == before + 25, 'every call ended by itself', 10)
        self.third_party(gateway, 't1', f'{gateway}:5060', sides_kind='u1')

    def test_called_over_tls(self):
        """The edge connects, and demands the certificate of a server."""
        caller, _ = self.peers('UDP')
        pki, address = self.cluster.pki, f'{self.cluster.network}.27'
        plans.apply(self.cluster, 'other', plans.manifest(
            plans.GATEWAY, plans.tls_peer('other', 'somebody.else.test', address=address),
            plans.route('other', 5, 'other')))
        self.demo.wait_snapshot()
        self.start('other-server', [
            'socat', f'OPENSSL-LISTEN:5061,bind={address},reuseaddr,fork,cert={pki}/wrong_name.pem,'
            f'key={pki}/wrong_name.key,cafile={pki}/sip-ca.pem', f'TCP:{address}:5080'])
        self.start('uas-other', ['sipp', '-sn', 'uas', '-i', address, '-p', '5080', '-t', 't1', '-nostdin'])
        time.sleep(0.5)
        before = self.ended()
        self.assertEqual(self.sipp('-s', '55551234', '-i', caller, '-p', '5065', '-t', 'u1', '-r', '10', '-d', '300',
                                   f'{self.cluster.host("signaling_edge")}:5060', calls=10), 10)
        self.cluster.wait_for(lambda: self.ended() == before + 10, 'every call ended by itself', 10)

    def tls_gateway(self):
        """Where TCP becomes mutual TLS to the edge, as the demo's gateway."""
        pki, gateway = self.cluster.pki, f'{self.cluster.network}.23'
        self.start('gateway-client', [
            'socat', f'TCP-LISTEN:5060,bind={gateway},reuseaddr,fork',
            f'OPENSSL:{self.cluster.host("signaling_edge")}:5061,cert={pki}/gateway.pem,key={pki}/gateway.key,'
            f'cafile={pki}/sip-ca.pem,commonname=edge.demo.sallyport.test'])
        time.sleep(0.5)
        return gateway

    def test_a_tls_gateway_calls_a_secured_phone(self):
        """CUC, UM-97: RTP from the gateway, SRTP to the phone, which rings."""
        self.demo.enroll()
        self.demo.start_user_agents()
        gateway = self.tls_gateway()
        before = self.ended()
        # The default scenario sends no CANCEL: the phone is told to answer.
        caller = subprocess.Popen(
            ['sipp', '-sn', 'uac', '-s', '1001', '-i', gateway, '-p', '5069', '-t', 't1', '-m', '1',
             '-d', '2000', '-nostdin', '-timeout', '30s', f'{gateway}:5060'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.cluster.folder)
        try:
            self.demo.phone.wait_event('CALL_INCOMING', 'the phone rings')
            self.demo.phone.command('accept')
            self.assertEqual(caller.wait(40), 0)
        finally:
            caller.kill()
        self.cluster.wait_for(lambda: self.ended() == before + 1, 'the call ended', 10)
        call = [c for c in self.cluster.items('calls') if len(c.get('legs', [])) == 2
                and c['legs'][0].get('peer', '').endswith('/peers/gateway')][-1]
        self.assertEqual(call['legs'][0]['mediaProtocol'], 'MEDIA_PROTOCOL_RTP')
        self.assertEqual(call['legs'][1]['mediaProtocol'], 'MEDIA_PROTOCOL_SDES_SRTP')
        self.assertEqual(call['legs'][0]['identity'], 'gw.demo.sallyport.test')


if __name__ == '__main__':
    main()
