#!/usr/bin/env python3
"""docs/certificates.md, command by command, on an edge that begins without any
certificate: self-signed on both sides, then an authority's on both sides, with
stunnel as the gateway's TLS (UM-06, UM-129).
"""

import json
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, EDGE_NAME, SERVICES, find_binary  # noqa: E402
from tests.harness.peers import MutualTlsWrapper, SipAnswerer  # noqa: E402

GATEWAY = f'gw.{DOMAIN}'


def guide():
    """The blocks of commands of the guide, by the headings they stand under."""
    with open('docs/certificates.md', encoding='utf-8') as f:
        text = f.read()
    return {part.split('\n', 1)[0]: re.findall(r'```sh\n(.*?)```', part, re.S)
            for part in text.split('\n## ')[1:]}


class CertificatesTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cluster.make_pki()
        configs.write_all(cluster)
        edge = configs.read(cluster, 'signaling_edge')
        cls.files = [cluster.path('data', 'edge.pem'), cluster.path('data', 'edge.key')]
        edge['sip_tls'] = dict(zip(('certificate_file', 'key_file'), cls.files))
        edge['self_signed_certificate'] = {'file': cluster.path('data', 'self.pem'), 'dns_names': [EDGE_NAME]}
        edge['require_client_certificate'] = True
        cluster.write_config('signaling_edge', edge)
        for name in SERVICES:
            cluster.start_service(name)
        cls.work = cluster.path('work')
        os.makedirs(cls.work)
        os.symlink(find_binary('sallyport'), os.path.join(cls.work, 'sallyport'))

    def setUp(self):
        self.parts = []

    def tearDown(self):
        for part in reversed(self.parts):
            part.stop()

    # -- helpers -------------------------------------------------------------

    def run_guide(self, heading, check=True, **variables):
        """Runs the commands under a heading as they stand; what they print."""
        commands = '\n'.join(guide()[heading])
        self.assertTrue(commands, heading)
        done = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', commands], cwd=self.work, capture_output=True, text=True, timeout=60,
            env={**os.environ, 'PATH': self.work + ':' + os.environ['PATH'], 'GATEWAY': GATEWAY, 'EDGE': EDGE_NAME,
                 'SALLYPORT_CONFIG': self.cluster.path('conf', 'cli.json'), **variables})
        if check:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def file(self, name):
        return os.path.join(self.work, name)

    def status(self):
        return self.cluster.cli('get', 'status', '-o', 'json')['signaling_edge']

    def events(self, kind):
        return [e for e in self.cluster.items('events', '--tenant', '-') if e.get('type') == 'EVENT_TYPE_' + kind]

    def wait_event(self, reason, kind='CERTIFICATE'):
        return self.cluster.wait_for(lambda: [e for e in self.events(kind) if e.get('reason') == reason],
                                     f'an event {reason}', 15)

    def shown(self):
        """Issuer, serial and SHA-1 of what a TLS client is shown."""
        pem = subprocess.run(
            ['openssl', 's_client', '-connect', f'{self.cluster.host("signaling_edge")}:5061'],
            input='', capture_output=True, text=True, timeout=15).stdout
        out = subprocess.run(['openssl', 'x509', '-noout', '-issuer', '-serial', '-fingerprint', '-sha1'],
                             input=pem, capture_output=True, text=True, check=True).stdout
        issuer = re.search(r'issuer=(.*)', out).group(1).replace(' = ', '=')
        serial = re.search(r'serial=(.*)', out).group(1).lower().lstrip('0')
        return issuer, serial, re.search(r'Fingerprint=(.*)', out).group(1).replace(':', '').lower()

    def run_gateway(self, certificate, key, ca):
        answerer = SipAnswerer(('127.0.0.1', 0))
        self.parts.append(answerer)
        wrapper = MutualTlsWrapper(
            self.cluster.path('gw-' + self._testMethodName), 'tls', (self.cluster.host('gateway'), 5061),
            answerer.address[1], certificate, key, ca, client_name=EDGE_NAME)
        wrapper.start()
        self.parts.append(wrapper)

    def reason(self):
        """Why the gateway cannot be reached; empty if it can."""
        done = self.cluster.cli('test-connectivity', 'gateway', '-o', 'json', check=False)
        self.assertTrue(done.stdout, done.stderr)
        return json.loads(done.stdout).get('reason', '')

    # -- in this order -------------------------------------------------------

    def test_1_an_edge_without_certificate_makes_one(self):
        """UM-32, UM-109, UM-124: also while no dial plan asks for security."""
        status = self.status()
        self.assertTrue(status['sipCertificate']['selfSigned'])
        made = self.wait_event('SELF_SIGNED_CERTIFICATE_MADE')[0]['summary']
        # UM-60: that there was none of an authority is told.
        self.wait_event('OWN_CERTIFICATE_NOT_FOUND')
        # UM-62: issuer and serial number name the one that is presented.
        issuer, serial, sha1 = self.shown()
        self.assertEqual(status['sipCertificate']['issuer'], issuer)
        self.assertEqual(status['sipCertificate']['serial'], serial)
        self.assertEqual(status['sipCertificate']['sha1Thumbprint'], sha1)
        # UM-111: each use is logged with all of it.
        line = [e for e in self.cluster.log_lines('signaling_edge')
                if e.get('message', e.get('msg')) == 'our certificate is in use']
        self.assertEqual([(e['issuer'], e['serial'], e['sha1']) for e in line], [(issuer, serial, sha1)])
        for part in (issuer, serial, sha1):
            self.assertIn(part, made)
        # UM-92: both listeners, whatever the plans say; UM-107: the reminder.
        for port in (5060, 5061):
            socket.create_connection((self.cluster.host('signaling_edge'), port), 3).close()
        self.assertIn('gateways and PBXs are non-secure too',
                      self.wait_event('NON_SECURE_START', 'STARTED')[0]['summary'])

    def test_2_secure_start(self):
        """UM-79, UM-101, UM-102, UM-105: decided by the plans, at the next start."""
        self.demo.provision()
        before = self.status()['sipCertificate']
        self.cluster.kill('signaling_edge')
        self.cluster.start_service('signaling_edge')
        self.wait_event('SECURE_START', 'STARTED')
        self.assertEqual(sorted(e['eventId'] for e in self.events('STARTED')), [1112, 1114])
        # The self-signed one is made once.
        self.assertEqual(self.status()['sipCertificate'], before)
        self.assertEqual(self.wait_event('CERTIFICATE_IN_USE')[0]['summary'].count(before['serial']), 1)

    def test_3_self_signed_on_both_sides(self):
        """UM-31, UM-33, UM-37, UM-38: nothing before the import, all after it."""
        self.run_guide('What the edge shows')
        with open(self.file('edge.pem'), encoding='utf-8') as f:
            exported = f.read()
        # UM-29, UM-113: what is in use goes out, without its key.
        self.assertIn('BEGIN CERTIFICATE', exported)
        self.assertNotIn('PRIVATE KEY', exported)
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
             '-days', '30', '-subj', f'/CN={GATEWAY}', '-addext', 'extendedKeyUsage=serverAuth,clientAuth',
             '-addext', f'subjectAltName=DNS:{GATEWAY}', '-keyout', self.file('own.key'), '-out', self.file('own.pem')],
            check=True, capture_output=True)
        # The gateway does not trust the edge, and then the edge not the gateway.
        self.run_gateway(self.file('own.pem'), self.file('own.key'), f'{self.cluster.pki}/ca.pem')
        self.assertNotEqual(self.reason(), '')
        self.tearDown()
        self.parts = []
        self.run_gateway(self.file('own.pem'), self.file('own.key'), self.file('edge.pem'))
        self.assertEqual(self.reason(), 'PEER_CERTIFICATE_UNTRUSTED')
        readiness = self.cluster.cli('readiness', 'gateway')
        # UM-34, UM-48
        self.assertIn('1 of 1 peers lack it still', readiness)
        self.assertIn('open on the peer: (1) make a request on it', readiness)
        self.assertIn(GATEWAY, self.run_guide('A self-signed certificate of the far side',
                                              GATEWAY_CERTIFICATE=self.file('own.pem')))
        self.cluster.wait_for(lambda: self.reason() == '', 'the edge trusts the gateway', 10)
        readiness = self.cluster.cli('readiness', 'gateway')
        self.assertIn('0 of 1 peers lack it still', readiness)
        self.assertIn('All five securing steps are done.', readiness)

    def test_4_an_authority_for_the_gateway(self):
        """UM-06, UM-44, UM-46: the six steps; UM-41: verified by the CA's key alone."""
        self.run_guide('A certificate of an authority, in six steps')
        checklist = self.cluster.cli('get', 'peer', 'gateway', '-o', 'json')['certificateChecklist']
        self.assertEqual(len(checklist), 5)
        self.run_gateway(self.file('gateway.pem'), self.file('gateway.key'), self.file('edge.pem'))
        # UM-36: the one root was there already, nothing was imported for it.
        self.assertIn('All five securing steps are done.', self.run_guide('Is it good'))

    def test_5_an_authority_for_the_edge(self):
        """UM-55, UM-56: in use without a restart, and shown since when."""
        before = self.status()
        self.run_guide('A certificate of an authority for the edge')
        for source, target in zip(('edge.key', 'edge.pem'), reversed(self.files)):
            with open(self.file(source), encoding='utf-8') as f:
                text = f.read()
            with open(target, 'w', encoding='utf-8') as f:
                f.write(text)
        self.cluster.wait_for(lambda: not self.status()['sipCertificate'].get('selfSigned'),
                              'the edge shows what the authority signed', 15)
        after = self.status()
        self.assertGreater(after['sipCertificateTime'], before['sipCertificateTime'])
        self.assertEqual(self.shown()[1], after['sipCertificate']['serial'])
        # UM-23: what it may be used for.
        self.assertIn('TLS', after['sipCertificate']['permittedFunctions'])
        self.run_gateway(self.file('gateway.pem'), self.file('gateway.key'), self.file('root.pem'))
        self.assertEqual(self.reason(), '')

    def test_6_a_lost_certificate_is_told(self):
        """UM-125: the notification, and a self-signed one meanwhile."""
        told = len(self.events('CERTIFICATE'))
        os.unlink(self.files[0])
        self.cluster.wait_for(lambda: self.status()['sipCertificate'].get('selfSigned'),
                              'the edge shows its own', 15)
        newest = self.events('CERTIFICATE')[:len(self.events('CERTIFICATE')) - told]
        self.assertIn('OWN_CERTIFICATE_NOT_FOUND', [e['reason'] for e in newest])

    def test_7_no_handshake_without_a_certificate(self):
        """UM-57: the edge shows its certificate, asks for one, and refuses who has none."""
        done = subprocess.run(
            ['openssl', 's_client', '-tls1_2', '-connect', f'{self.cluster.host("signaling_edge")}:5061'],
            input='', capture_output=True, text=True, timeout=15)
        self.assertIn('BEGIN CERTIFICATE', done.stdout)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('alert', done.stderr)
        reasons = [r.get('reason') for r in self.cluster.items('refusals', '--parent', 'tenants/-')]
        self.assertIn('PEER_CERTIFICATE_MISSING', reasons)

    def test_8_help_to_choose(self):
        """UM-39, UM-49: which kind suits whom."""
        text = ' '.join(self.run_guide('Which kind').split())
        for part in ('self-signed', 'small organisation', 'much harder to manage', 'PKI',
                     'commercial', 'large organisations and public deployments'):
            self.assertIn(part, text)


if __name__ == '__main__':
    main()
