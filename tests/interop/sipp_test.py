#!/usr/bin/env python3
"""sipp's default scenarios through the edge and the relay, over UDP, TCP and TLS
behind a wrapper, and from a TLS gateway to a secured phone. Research sip.md
section 6.3, command 4."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import DemoCase, lane, main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.peers import Baresip, accepts  # noqa: E402
from tests.harness.ports import free_ports  # noqa: E402
from tests.harness.process import Process  # noqa: E402

CALLS = 30
# Whom `branchc` registers, at the domain that it names.
BRANCH = f'''kind: Tenant
name: tenants/default
spec:
  domains: [{DOMAIN}, nnl.cym, ca.cym.com]
  cluster_security_mode: CLUSTER_SECURITY_MODE_MIXED
---
kind: User
name: tenants/default/users/ua1
spec:
  username: ua1
  domain: nnl.cym
  password: a-password-of-ua1
  digest_algorithm: DIGEST_ALGORITHM_MD5
  dial_plan: tenants/default/dialPlans/gateway
'''

# The same with a phone, whose certificate is all the proof that a profile without digest asks for.
DEVICE, STRING = 'SEP00112233AABB', '4712471247'
PHONE = f'''kind: Phone
name: tenants/default/phones/branch
spec:
  device_name: {DEVICE}
  dial_plan: gateway
  owner_user: tenants/default/users/ua1
'''
ENROLLMENT = f'''kind: Enrollment
name: tenants/default/enrollments/branch
spec:
  device_name: {DEVICE}
  operation: CERTIFICATE_OPERATION_INSTALL_UPGRADE
  authentication_mode: AUTHENTICATION_MODE_AUTHENTICATION_STRING
  authentication_string: "{STRING}"
  key_order: KEY_ORDER_EC_ONLY
  ec_key_size: 256
'''
ENCRYPTED = '''kind: PhoneSecurityProfile
name: tenants/default/phoneSecurityProfiles/encrypted
spec:
  device_security_mode: DEVICE_SECURITY_MODE_ENCRYPTED
'''


class Parties:
    """Who calls and who is called in one test: addresses of their own, and a
    digit of their own in the numbers that lead there."""

    def __init__(self, network, name, digit, transport='UDP'):
        self.name, self.digit, self.transport = name, digit, transport
        self.caller, self.called, self.side_a, self.side_b = (f'{network}.{10 * digit + i}' for i in (30, 31, 32, 33))

    def number(self, kind):
        return f'{kind}{self.digit}5551234'

    def manifest(self):
        def reached(what, kind, address, peer_kind='IP_PBX'):
            name = f'{what}-{self.name}'
            return plans.manifest(plans.peer(name, address, 5070, self.transport, peer_kind),
                                  plans.route(name, f'{kind}{self.digit}', name))
        return plans.manifest(plans.peer(f'caller-{self.name}', self.caller, 5065, self.transport),
                              reached('called', 8, self.called, 'IP_GATEWAY'),
                              reached('a', 7, self.side_a), reached('b', 6, self.side_b))


class SippTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.demo.start_services()
        cls.demo.provision()
        network, pki = cls.cluster.network, cls.cluster.pki
        cls.edge = cls.cluster.host('signaling_edge')
        cls.parties = {name: Parties(network, name, digit, transport) for digit, (name, transport) in enumerate((
            ('udp', 'UDP'), ('tcp', 'TCP'), ('media', 'UDP'), ('tls', 'UDP'), ('outward', 'UDP'), ('unknown', 'UDP')))}
        cls.other = f'{network}.27'
        plans.apply(cls.cluster, 'parties', plans.manifest(
            BRANCH, plans.CLEAR, plans.GATEWAY, plans.tls_peer('other', 'somebody.else.test', address=cls.other),
            plans.route('other', 5, 'other'), *(each.manifest() for each in cls.parties.values())))
        cls.demo.wait_snapshot()
        # Where TCP becomes mutual TLS to the edge, as the demo's gateway.
        cls.gateway = f'{network}.23'
        cls.cluster.processes['gateway-client'] = wrapper = Process('gateway-client', [
            'socat', f'TCP-LISTEN:5060,bind={cls.gateway},reuseaddr,fork',
            f'OPENSSL:{cls.edge}:5061,cert={pki}/gateway.pem,key={pki}/gateway.key,'
            f'cafile={pki}/sip-ca.pem,commonname=edge.demo.sallyport.test'],
            cls.cluster.path('log', 'gateway-client.log')).start()
        wrapper.wait_for(lambda: accepts(cls.gateway, 5060), 'the wrapper listens')

    @classmethod
    def tearDownClass(cls):
        cls.cluster.processes['gateway-client'].stop()
        super().tearDownClass()

    def start(self, name, command):
        process = Process(name, command, self.cluster.path('log', name + '.log')).start()
        self.addCleanup(process.stop)
        return process

    def answer(self, name, address, port=5070, kind='u1'):
        return self.start(f'uas-{name}', ['sipp', '-sn', 'uas', '-i', address, '-p', str(port), '-t', kind, '-nostdin'])

    def sipp(self, *arguments, calls, scenario='uac'):
        """Runs a caller to its end; how many calls succeeded."""
        done = subprocess.run(
            ['sipp', '-sn', scenario, '-m', str(calls), '-nostdin', '-timeout', '60s', *arguments],
            capture_output=True, text=True, errors='replace', timeout=90, cwd=self.cluster.folder)
        counts = re.findall(r'Successful call\s*\|\s*\d+\s*\|\s*(\d+)', done.stdout)
        self.assertTrue(counts, done.stdout[-2000:] + done.stderr[-2000:])
        return int(counts[-1])

    def calls_to(self, *peers):
        """Those whose far side is one of the peers."""
        return [c for c in self.cluster.items('calls', '--limit', '1000')
                if len(c.get('legs', [])) == 2 and c['legs'][1].get('peer', '').rpartition('/')[2] in peers]

    def ended(self, *peers):
        return len([c for c in self.calls_to(*peers) if c.get('reason') == 'NORMAL_CLEARING'])

    def wait_ended(self, count, *peers):
        self.cluster.wait_for(lambda: self.ended(*peers) == count, f'{count} calls ended by themselves', 10)

    def clear_calls(self, name, kind):
        """The scenarios that call, and third party call control; `branchc` is below."""
        parties, edge = self.parties[name], f'{self.edge}:5060'
        self.answer(name, parties.called, kind=kind)
        self.assertEqual(self.sipp('-s', parties.number(8), '-i', parties.caller, '-p', '5065', '-t', kind, '-r', '10',
                                   '-d', '500', edge, calls=CALLS), CALLS)
        self.assertEqual(self.sipp('-s', parties.number(8), '-i', parties.caller, '-p', '5066', '-t', kind, edge,
                                   calls=5, scenario='regexp'), 5)
        self.wait_ended(CALLS + 5, f'called-{name}')
        self.third_party(parties, parties.caller, kind, edge, kind)

    def third_party(self, parties, controller, kind, edge, sides_kind):
        """RFC 3725 flow I: the controller asks A without an offer, gives B what A
        has offered, and A what B has answered; both legs are calls by the edge."""
        # sipp listens for its other half at all addresses of the machine.
        port = free_ports(1)[0]
        sides = [self.start(f'{name}-{parties.name}', [
            'sipp', '-sn', name, '-i', address, '-p', '5070', '-t', sides_kind, '-m', '1', '-nostdin',
            '-timeout', '20s']) for name, address in (('3pcc-A', parties.side_a), ('3pcc-B', parties.side_b))]
        for name, number, own in (('3pcc-C-B', 6, 5068), ('3pcc-C-A', 7, 5067)):
            sides.append(self.start(f'{name}-{parties.name}', [
                'sipp', '-sn', name, '-3pcc', f'{controller}:{port}', '-s', parties.number(number), '-i', controller,
                '-p', str(own), '-t', kind, '-m', '1', '-nostdin', '-timeout', '20s', edge]))
            sides[-1].wait_for(lambda: name != '3pcc-C-B' or listens(port), 'the other half listens', 5)
        self.cluster.wait_for(lambda: all(each.exit_code() is not None for each in sides), 'all four are done', 20)
        self.assertEqual([each.exit_code() for each in sides], [0] * 4)
        self.wait_ended(2, f'a-{parties.name}', f'b-{parties.name}')

    def test_who_registers_without_a_password(self):
        """`branchc` from the address of a peer, which does not register (403)."""
        self.assertEqual(self.sipp('-i', self.parties['unknown'].caller, '-p', '5065', '-t', 'u1', f'{self.edge}:5060',
                                   calls=1, scenario='branchc'), 0)
        self.assertEqual([r for r in self.cluster.items('registrations') if 'ua1' in r.get('contact', '')], [])

    def test_a_phones_certificate(self):
        """`branchc` behind a wrapper that has a phone's LSC: it is asked for the password of its user (401), and has none,
        until the phone has a profile that wants no digest; then it registers and calls. `branchs` is nothing for an edge:
        it wants a REGISTER first, and the INVITE with its Call-ID, and an edge is a registrar, which registers nowhere. CCE-51."""
        plans.apply(self.cluster, 'phone', plans.manifest(PHONE, ENROLLMENT, plans.user(
            'ua2', 'ca.cym.com', 'a-password-of-ua2', number='2002', digest_algorithm='DIGEST_ALGORITHM_MD5')))
        key, lsc = self.cluster.path('branch.key'), self.cluster.path('branch.pem')
        self.cluster.cli('enroll', '--server', f'{self.cluster.host("capf")}:3804',
                         '--ca', self.cluster.path('data', 'capf-ca.pem'), '--device', DEVICE, '--auth-string', STRING,
                         '--key-out', key, '--cert-out', lsc)
        self.demo.wait_snapshot()
        host = f'{self.cluster.network}.28'
        wrapper = self.start('branch-client', [
            'socat', f'TCP-LISTEN:5060,bind={host},reuseaddr,fork',
            f'OPENSSL:{self.edge}:5061,cert={lsc},key={key},cafile={self.cluster.pki}/sip-ca.pem,'
            'commonname=edge.demo.sallyport.test'])
        wrapper.wait_for(lambda: accepts(host, 5060), 'the wrapper listens')
        said = self.cluster.path('log', 'branchc-errors.log')
        branchc = ['-i', host, '-p', '5065', '-t', 't1', '-trace_err', '-error_file', said, f'{host}:5060']
        self.assertEqual(self.sipp(*branchc, calls=1, scenario='branchc'), 0)
        with open(said, encoding='utf-8', errors='replace') as f:
            self.assertIn('SIP/2.0 401 ', f.read())
        self.assertEqual([r for r in self.cluster.items('registrations') if r.get('user', '').endswith('/ua1')], [])

        plans.apply(self.cluster, 'encrypted', plans.manifest(
            ENCRYPTED, PHONE + '  phone_security_profile: encrypted\n'))
        self.demo.wait_snapshot()
        ua2 = Baresip(self.cluster.folder, 'ua2', '<sip:ua2@ca.cym.com;transport=udp>;auth_pass=a-password-of-ua2;'
                      f'outbound="sip:{self.edge}:5060;transport=udp";regint=60;answermode=auto')
        self.addCleanup(ua2.stop)
        ua2.start().wait_registered()
        self.assertEqual(self.sipp(*branchc, calls=1, scenario='branchc'), 1)
        calls = [c for c in self.cluster.items('calls', '--limit', '1000')
                 if c['legs'][0].get('authentication') == 'AUTHENTICATION_METHOD_LSC']
        self.assertEqual([(c['reason'], c['legs'][0]['phone']) for c in calls],
                         [('NORMAL_CLEARING', 'tenants/default/phones/branch')])

    def enroll(self):
        if not os.path.exists(self.cluster.path('phone-identity', 'both.pem')):
            self.demo.enroll()

    def test_calls_over_udp(self):
        self.clear_calls('udp', 'u1')

    def test_calls_over_tcp(self):
        self.clear_calls('tcp', 't1')

    def test_a_call_with_recorded_media(self):
        """uac_pcap: G.711 and RFC 4733 events from a file, through the relay."""
        parties = self.parties['media']
        os.symlink('/usr/share/sip-tester', self.cluster.path('pcap'))
        self.answer('pcap', parties.called)
        self.assertEqual(self.sipp('-s', parties.number(8), '-i', parties.caller, '-mi', parties.caller, '-p', '5065',
                                   '-t', 'u1', f'{self.edge}:5060', calls=1, scenario='uac_pcap'), 1)
        heard = self.cluster.wait_for(
            lambda: max((int(leg.get('statistics', {}).get('packetsReceived', 0))
                         for call in self.calls_to('called-media') for leg in call['legs']), default=0),
            'the relay tells what it heard', 10)
        self.assertGreater(heard, 200)

    def test_calls_over_tls(self):
        """Each connection a handshake of its own: socat makes them."""
        parties, edge = self.parties['tls'], f'{self.gateway}:5060'
        self.answer('tls', parties.called)
        for scenario, kind, calls in (('uac', 't1', 10), ('uac', 'tn', 10), ('regexp', 't1', 5)):
            self.assertEqual(self.sipp('-s', parties.number(8), '-i', self.gateway, '-p', '5069', '-t', kind, '-r', '10',
                                       '-d', '300', '-max_socket', '100', edge, calls=calls, scenario=scenario), calls)
        self.wait_ended(25, 'called-tls')
        self.third_party(parties, self.gateway, 't1', edge, 'u1')

    def test_by_another_transport_than_the_trunks(self):
        """A trunk whose profile has UDP alone: by TCP its address is no proof (403)."""
        address = f'{self.cluster.network}.29'
        plans.apply(self.cluster, 'udp-only', plans.manifest(
            plans.profile('udp-only').replace('[TRANSPORT_TCP, TRANSPORT_UDP]', '[TRANSPORT_UDP]'),
            plans.peer('udp-only', address, 5065, trunk_security_profile='udp-only')))
        self.demo.wait_snapshot()
        parties = self.parties['outward']
        self.answer('udp-only', parties.called)
        for kind, succeed in (('u1', 3), ('t1', 0)):
            self.assertEqual(self.sipp('-s', parties.number(8), '-i', address, '-p', '5065', '-t', kind,
                                       f'{self.edge}:5060', calls=3), succeed)
        refused = [r for r in self.cluster.items('refusals', '--parent', 'tenants/-') if r['reason'] == 'TRANSPORT_NOT_ALLOWED']
        self.assertTrue(refused)
        self.assertEqual({r['sipStatus'] for r in refused}, {403})

    def test_called_over_tls(self):
        """The edge connects, and demands the certificate of a server."""
        pki = self.cluster.pki
        server = self.start('other-server', [
            'socat', f'OPENSSL-LISTEN:5061,bind={self.other},reuseaddr,fork,cert={pki}/wrong_name.pem,'
            f'key={pki}/wrong_name.key,cafile={pki}/sip-ca.pem', f'TCP:{self.other}:5080'])
        self.answer('other', self.other, 5080, 't1')
        for port in (5061, 5080):
            server.wait_for(lambda: accepts(self.other, port), f'port {port} is open')
        self.assertEqual(self.sipp('-s', '55551234', '-i', self.parties['outward'].caller, '-p', '5065', '-t', 'u1',
                                   '-r', '10', '-d', '300', f'{self.edge}:5060', calls=10), 10)
        self.wait_ended(10, 'other')

    @lane('phone')
    def test_a_tls_gateway_calls_a_secured_phone(self):
        """CUC, UM-97: RTP from the gateway, SRTP to the phone, which rings while the plan changes."""
        self.enroll()
        self.demo.start_user_agents()
        # The default scenario sends no CANCEL: the phone is told to answer.
        caller = subprocess.Popen(
            ['sipp', '-sn', 'uac', '-s', '1001', '-i', self.gateway, '-p', '5072', '-t', 't1', '-m', '1',
             '-d', '2000', '-nostdin', '-timeout', '30s', f'{self.gateway}:5060'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.cluster.folder)
        try:
            self.demo.phone.wait_event('CALL_INCOMING', 'the phone rings')
            # Its answer gets there all the same, whichever loop has its connection.
            plans.apply(self.cluster, 'ringing', ENCRYPTED.replace('/encrypted', '/while-it-rings'))
            self.demo.wait_snapshot()
            self.demo.phone.command('accept')
            self.assertEqual(caller.wait(40), 0)
        finally:
            caller.kill()
        # A phone is no peer.
        call = self.cluster.wait_for(
            lambda: [c for c in self.calls_to('') if c.get('reason') == 'NORMAL_CLEARING'], 'the call ended', 10)[-1]
        self.assertTrue(call['legs'][0]['peer'].endswith('/peers/gateway'), call)
        self.assertEqual(call['legs'][0]['mediaProtocol'], 'MEDIA_PROTOCOL_RTP')
        self.assertEqual(call['legs'][1]['mediaProtocol'], 'MEDIA_PROTOCOL_SDES_SRTP')
        self.assertEqual(call['legs'][0]['identity'], 'gw.demo.sallyport.test')


def listens(port):
    """Whether somebody on this machine does, at any address; by TCP."""
    with open('/proc/net/tcp', encoding='ascii') as f:
        return any(line.split()[1].endswith(f':{port:04X}') and line.split()[3] == '0A' for line in f)


if __name__ == '__main__':
    main(side_by_side=True)
