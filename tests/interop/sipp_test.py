#!/usr/bin/env python3
"""sipp's default scenarios through the edge and the relay: UDP, TCP, and from
a TLS gateway to a secured phone. Research sip.md section 6.3, command 4."""

import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
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

    def sipp(self, *arguments, calls):
        """Runs a caller to its end; how many calls succeeded."""
        done = subprocess.run(
            ['sipp', '-sn', 'uac', '-m', str(calls), '-nostdin', '-timeout', '60s', *arguments],
            capture_output=True, text=True, errors='replace', timeout=90, cwd=self.cluster.folder)
        counts = re.findall(r'Successful call\s*\|\s*\d+\s*\|\s*(\d+)', done.stdout)
        self.assertTrue(counts, done.stdout[-2000:] + done.stderr[-2000:])
        return int(counts[-1])

    def clear_calls(self, transport, kind):
        caller = f'{self.cluster.network}.21'
        called = f'{self.cluster.network}.22'
        plans.apply(self.cluster, f'sipp-{transport}', plans.two_peers(caller, called, transport))
        self.demo.wait_snapshot()
        before = self.ended()
        self.start(f'uas-{transport}',
                   ['sipp', '-sn', 'uas', '-i', called, '-p', '5070', '-t', kind, '-nostdin'])
        edge = self.cluster.host('signaling_edge')
        succeeded = self.sipp('-s', '85551234', '-i', caller, '-p', '5065', '-t', kind,
                              '-r', '10', '-d', '500', f'{edge}:5060', calls=CALLS)
        self.assertEqual(succeeded, CALLS)
        self.cluster.wait_for(lambda: self.ended() == before + CALLS,
                              'every call ended by itself', 10)

    def ended(self):
        calls = [c for c in self.cluster.cli('calls', '-o', 'json').get('calls', [])
                 if c.get('reason') == 'NORMAL_CLEARING']
        return len(calls)

    def test_calls_over_udp(self):
        self.clear_calls('UDP', 'u1')

    def test_calls_over_tcp(self):
        self.clear_calls('TCP', 't1')

    def test_a_tls_gateway_calls_a_secured_phone(self):
        """CUC, UM-97: RTP from the gateway, SRTP to the phone, which rings."""
        self.demo.enroll()
        self.demo.start_user_agents()
        pki = self.cluster.pki
        edge = self.cluster.host('signaling_edge')
        gateway = f'{self.cluster.network}.23'
        self.start('gateway-client', [
            'socat', f'TCP-LISTEN:5060,bind={gateway},reuseaddr,fork',
            f'OPENSSL:{edge}:5061,cert={pki}/gateway.pem,key={pki}/gateway.key,'
            f'cafile={pki}/sip-ca.pem,commonname=edge.demo.sallyport.test'])
        time.sleep(0.5)
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
