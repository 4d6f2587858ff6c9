#!/usr/bin/env python3
"""What `sallyport test-connectivity`, `readiness` and `threats` find out about
peers that are right, wrong, in clear, or gone: through the edge's own
connections, against servers that others wrote (UM-02, UM-09 to UM-16, UM-89,
UM-108).
"""

import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.getcwd())

from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, EDGE_NAME  # noqa: E402
from tests.harness.peers import MutualTlsWrapper, SipAnswerer  # noqa: E402
from tests.harness.plans import apply  # noqa: E402


class ConnectivityTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.demo.start_services()
        cls.demo.provision()

    def setUp(self):
        self.gateway = (self.cluster.host('gateway'), 5061)
        self.parts = []

    def tearDown(self):
        for part in reversed(self.parts):
            part.stop()

    def run_server(self, certificate='gateway', client_name=EDGE_NAME, status='200 OK'):
        """A SIP server behind stunnel, at the gateway's address."""
        answerer = SipAnswerer(('127.0.0.1', 0), status)
        self.parts.append(answerer)
        pki = self.cluster.pki
        wrapper = MutualTlsWrapper(
            self.cluster.path('gw-' + self._testMethodName), 'tls', self.gateway, answerer.address[1],
            f'{pki}/{certificate}.pem', f'{pki}/{certificate}.key', f'{pki}/sip-ca.pem',
            client_name=client_name)
        wrapper.start()
        self.parts.append(wrapper)

    def check(self, *options, peer='gateway', works=None):
        """The answer of test-connectivity, and the steps as {step: (ok, detail)}."""
        done = self.cluster.cli('test-connectivity', peer, *options, '-o', 'json', check=False)
        if not done.stdout:
            self.fail(done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(done.returncode == 0, bool(answer.get('succeeded')), done.stderr)
        if works is not None:
            self.assertEqual(bool(answer.get('succeeded')), works, answer)
        return answer, {s['step']: (s.get('succeeded', False), s.get('detail', '')) for s in answer.get('steps', [])}

    def test_a_peer_as_it_should_be(self):
        self.run_server()
        answer, steps = self.check('--secured', works=True)
        self.assertEqual(list(steps), ['resolve', 'connect', 'handshake', 'identity', 'options'])
        self.assertIn('TLSv1.', steps['handshake'][1])
        self.assertIn(f'gw.{DOMAIN}', steps['identity'][1])
        self.assertIn('200', steps['options'][1])
        self.assertEqual(answer['edge'], 'signaling_edge-0')
        # By name, and by an edge that nobody knows.
        self.check('--secured', '--edge', 'signaling_edge-0', works=True)
        unknown = self.cluster.cli('test-connectivity', 'gateway', '--edge', 'nobody', check=False)
        self.assertIn('EDGE_NOT_FOUND', unknown.stderr)

        # CCE-01, CCE-02: each has the other's certificate.
        self.assertRegex(self.cluster.cli('verify', 'certificates', 'gateway'), r'gateway +yes +yes')
        # CCE-57: no call was placed, and the checks' connections are over.
        self.cluster.wait_for(lambda: not self.cluster.items('connections'), 'no connection stays', 10)

        # UM-02: now that mutual TLS was seen, all five steps are done.
        readiness = self.cluster.cli('readiness', 'gateway', '-o', 'json')
        self.assertEqual([s.get('done', False) for s in readiness['steps']], [True] * 5, readiness)
        self.assertTrue(readiness['ready'])
        text = self.cluster.cli('readiness', 'gateway')
        self.assertIn('All five securing steps are done.', text)

    def test_the_wrong_kind_of_test(self):
        """UM-108: -Secured:false for a secured server is a transport mismatch."""
        self.run_server()
        answer, steps = self.check('--clear', works=False)
        self.assertEqual(answer['reason'], 'TRANSPORT_MISMATCH')
        self.assertEqual(list(steps), ['transport'])

    def test_srtp_is_not_asked_of_a_sip_secured_plan(self):
        answer, _ = self.check('--secured', '--media-secured', works=False)
        self.assertEqual(answer['reason'], 'SECURITY_MODE_SRTP_NOT_ALLOWED')

    def test_a_wrong_certificate(self):
        """UM-14: a valid certificate of the right root, for another name."""
        self.run_server(certificate='wrong_name')
        answer, steps = self.check(works=False)
        self.assertEqual(answer['reason'], 'PEER_IDENTITY_MISMATCH')
        self.assertTrue(steps['handshake'][0])
        self.assertIn('somebody.else.test', steps['identity'][1])
        self.assertIn(f'gw.{DOMAIN}', steps['identity'][1])

    def test_an_untrusted_root(self):
        """The edge sends unknown_ca: the services' root is none for peers."""
        self.run_server(certificate='capf')
        answer, steps = self.check(works=False)
        self.assertEqual(answer['reason'], 'PEER_CERTIFICATE_UNTRUSTED')
        self.assertIn('unknown_ca', steps['handshake'][1])
        # CCE-02: which of the two is missing.
        missing = self.cluster.cli('verify', 'certificates', 'gateway', check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertRegex(missing.stdout, r'gateway +yes +NO +import its certificate')

    def test_a_peer_is_judged_by_the_store_that_it_names(self):
        """IMP-16, IMP-20: what CallManager-trust holds does not count for a peer of cup-trust.
        IMP-30: what is imported there is in force at the edge without a restart."""
        self.run_server()

        def choose(store):
            apply(self.cluster, 'store', f'''\
kind: Peer
name: tenants/default/peers/gateway
spec:
  trust_store: "{store}"
''')
        try:
            choose('cup-trust')
            self.cluster.wait_for(lambda: self.check()[0].get('reason') == 'PEER_CERTIFICATE_UNTRUSTED',
                                  'the edge asks the other store', 10)
            self.cluster.cli('trust', 'add', 'cup-trust', f'{self.cluster.pki}/sip-ca.pem')
            self.cluster.wait_for(lambda: self.check()[0].get('succeeded'), 'the edge trusts the other store', 10)
            _, steps = self.check('--secured', works=True)
            self.assertIn('trusted by cup-trust', steps['handshake'][1])
            # IMP-36: what a certificate brings is shown beside what was selected. IMP-41: a subject that nobody
            # selected is named; IMP-37, IMP-39: the peer that has it is added with a description.
            text = self.cluster.cli('trust', 'subjects', 'cup-trust')
            self.assertRegex(text, rf'gw\.{DOMAIN} +the plan +gateway')
            self.cluster.cli('trust', 'add', 'cup-trust', f'{self.cluster.pki}/wrong_name.pem')
            done = self.cluster.cli('trust', 'subjects', 'cup-trust', check=False)
            self.assertEqual(done.returncode, 1)
            subject = re.search(r'^(\S+) +import +nobody$', done.stdout, re.M).group(1)
            apply(self.cluster, 'subject', f'''\
kind: Peer
name: tenants/default/peers/proxy
spec:
  kind: PEER_KIND_IP_PBX
  description: the presence proxy
  fqdn: proxy.{DOMAIN}
  dial_plan: tenants/default/dialPlans/gateway
  trust_store: cup-trust
  x509_subject_names: [{subject}]
''')
            self.assertRegex(self.cluster.cli('trust', 'subjects', 'cup-trust'),
                             rf'(?m)^{re.escape(subject)} +import +proxy$')
        finally:
            choose('')
        self.cluster.wait_for(lambda: self.check()[0].get('succeeded'), 'the edge asks the first store again', 10)

    def test_a_peer_that_does_not_take_our_certificate(self):
        """CUC-69: it is the other side that sends the alert."""
        self.run_server(client_name='another.name.test')
        answer, steps = self.check(works=False)
        self.assertIn(answer['reason'], ('TLS_ALERT_RECEIVED', 'CONNECTION_LOST', 'TLS_TRUNCATED'))
        self.assertFalse(all(ok for ok, _ in steps.values()))

    def test_a_peer_that_is_gone(self):
        answer, steps = self.check(works=False)
        self.assertEqual(answer['reason'], 'CONNECT_FAILED')
        self.assertTrue(steps['resolve'][0])
        self.assertFalse(steps['connect'][0])

    def test_clear_sip_where_tls_should_be(self):
        """UM-85: a peer without TLS is reported, and never spoken to in clear."""
        answerer = SipAnswerer(self.gateway)
        self.parts.append(answerer)
        answer, steps = self.check(works=False)
        # What it makes of our ClientHello is its own affair: no SIP request
        # ends there, so it answers nothing; then the handshake times out.
        self.assertIn(answer['reason'], ('TRANSPORT_MISMATCH', 'HANDSHAKE_TIMEOUT'))
        self.assertFalse(steps['handshake'][0])

    def test_a_peer_that_calls_itself_out_of_service(self):
        self.run_server(status='503 Service Unavailable')
        answer, steps = self.check(works=False)
        self.assertEqual(answer['reason'], 'PEER_OUT_OF_SERVICE')
        self.assertIn('503', steps['options'][1])

    def test_a_peer_in_clear(self):
        """Written now, tested at once: the plan travels meanwhile."""
        answerer = SipAnswerer((self.cluster.host('gateway'), 5060))
        self.parts.append(answerer)
        self.apply(f'''\
kind: DialPlan
name: tenants/default/dialPlans/clear
spec: {{security_mode: UNSECURED, number_of_digits_in_extension: 4}}
---
kind: Peer
name: tenants/default/peers/pbx
spec:
  kind: PEER_KIND_IP_PBX
  fqdn: pbx.{DOMAIN}
  address: {self.cluster.host('gateway')}
  transport: TRANSPORT_TCP
  dial_plan: tenants/default/dialPlans/clear
''')
        try:
            _, steps = self.check('--clear', peer='pbx', works=True)
            self.assertEqual(list(steps), ['resolve', 'connect', 'options'])
            answer, _ = self.check('--secured', peer='pbx', works=False)
            self.assertEqual(answer['reason'], 'TRANSPORT_MISMATCH')
            # UM-16: the table, with what is in force and what is not.
            threats = {t['title']: t for t in self.cluster.items('threats')}
            self.assertEqual(len(threats), 7)
            self.assertFalse(threats['SIP proxy impersonation'].get('active', False))
            self.assertIn('peers/pbx', threats['SIP proxy impersonation']['detail'])
        finally:
            self.cluster.cli('delete', 'peer', 'pbx')
            self.cluster.cli('delete', 'dial-plan', 'clear')

    def test_each_server_of_a_group(self):
        """A call may go to any of them, so each is tried and told of."""
        host = self.cluster.host('gateway')
        self.parts.append(SipAnswerer((host, 5081)))
        self.apply(f'''\
kind: DialPlan
name: tenants/default/dialPlans/clear
spec: {{security_mode: UNSECURED, number_of_digits_in_extension: 4}}
---
kind: ServerGroup
name: tenants/default/serverGroups/pair
spec:
  members:
  - {{host: {host}, port: 5082, priority: 2}}
  - {{host: {host}, port: 5081, priority: 1}}
  - {{host: {host}, port: 5083, priority: 3, disabled: true}}
---
kind: Peer
name: tenants/default/peers/pair
spec:
  kind: PEER_KIND_IP_PBX
  fqdn: pair.{DOMAIN}
  address: {host}
  transport: TRANSPORT_TCP
  dial_plan: tenants/default/dialPlans/clear
  server_group: tenants/default/serverGroups/pair
''')
        try:
            answer, steps = self.check('--clear', peer='pair', works=False)
            self.assertEqual(steps, {})
            self.assertEqual(answer['reason'], 'CONNECT_FAILED')
            servers = answer['servers']
            self.assertEqual([s['port'] for s in servers], [5081, 5082, 5083])
            self.assertEqual([s.get('succeeded', False) for s in servers], [True, False, False])
            self.assertEqual(servers[1]['reason'], 'CONNECT_FAILED')
            self.assertEqual([s['step'] for s in servers[0]['steps']], ['resolve', 'connect', 'options'])
            self.parts.append(SipAnswerer((host, 5082)))
            # The one that takes no calls need not answer.
            self.check('--clear', peer='pair', works=True)
            self.assertIn(f'{host}:5082', self.cluster.cli('test-connectivity', 'pair', '--clear'))
        finally:
            self.cluster.cli('delete', '-f', self.cluster.path('conf', self._testMethodName + '.yaml'))

    def apply(self, text):
        path = self.cluster.path('conf', self._testMethodName + '.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        self.cluster.cli('apply', '-f', path)

    def test_helpers_that_are_gone_are_said_to_be(self):
        """Never guessed: what could not be asked is not done, and says so."""
        self.cluster.kill('capf')
        try:
            readiness = self.cluster.cli('readiness', 'gateway', '-o', 'json')
            self.assertFalse(readiness.get('ready', False))
            found = {f['component']: f for f in readiness['steps'][3]['findings']}
            store = found['tenants/default/trustStores/CallManager-trust']
            self.assertIn('could not be asked', store['detail'])
        finally:
            self.cluster.start_service('capf')
        self.cluster.kill('signaling_edge')
        try:
            readiness = self.cluster.cli('readiness', 'gateway', '-o', 'json')
            self.assertFalse(readiness['steps'][0].get('done', False))
            self.assertIn('could not be asked', readiness['steps'][0]['detail'])
            done = self.cluster.cli('test-connectivity', 'gateway', check=False)
            self.assertIn('EDGE_UNREACHABLE', done.stderr)
        finally:
            self.cluster.start_service('signaling_edge')
            self.cluster.wait_for(
                lambda: 'could not be asked' not in self.cluster.cli('readiness', 'gateway'),
                'dialplan finds the edge again', 20)

    def test_the_edges_certificate_decides_what_may_be_associated(self):
        """UM-89: a Dialogic 2000 and a certificate for servers only."""
        pki = self.cluster.pki
        self.assertEqual(self.refused_vendor(), '')
        names = [f'{pki}/edge_sip.pem', f'{pki}/edge_sip.key']
        saved = {}
        for name in names:
            with open(name, encoding='utf-8') as f:
                saved[name] = f.read()
        try:
            subprocess.run(
                ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
                 '-nodes', '-days', '30', '-subj', '/CN=web server template',
                 '-addext', 'extendedKeyUsage=serverAuth', '-addext', f'subjectAltName=DNS:{EDGE_NAME}',
                 '-keyout', names[1], '-out', names[0]], check=True, capture_output=True)
            self.cluster.wait_for(
                lambda: 'EDGE_CERTIFICATE_LACKS_CLIENT_AUTH' in self.refused_vendor(),
                'dialplan hears of the certificate and refuses', 20)
            self.assertIn('computer V3', self.refused_vendor())
        finally:
            for name, text in saved.items():
                with open(name, 'w', encoding='utf-8') as f:
                    f.write(text)
            self.cluster.wait_for(lambda: self.refused_vendor() == '', 'it is allowed again', 20)

    def refused_vendor(self):
        path = self.cluster.path('conf', 'dialogic.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(f'''\
kind: Peer
name: tenants/default/peers/dialogic
spec:
  kind: PEER_KIND_IP_GATEWAY
  fqdn: dialogic.{DOMAIN}
  vendor: Dialogic
  model: DMG2000
  dial_plan: tenants/default/dialPlans/gateway
''')
        done = self.cluster.cli('apply', '--dry-run', '-f', path, check=False)
        return '' if done.returncode == 0 else done.stderr + done.stdout


if __name__ == '__main__':
    main()
