#!/usr/bin/env python3
"""The authority's key is rotated under a phone and an edge.

The phone gets its certificates by the CAPF protocol and its lists by HTTP; the
edge is asked by SIP over TLS. At no step is a certificate refused that was not
replaced, whenever capf is killed.
"""

import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN, Cluster  # noqa: E402
from tests.harness.demo import (AUTHENTICATION_STRING, DEVICE, MANIFEST,  # noqa: E402
                                PASSWORD, USER)

USED = ('dialplan', 'capf', 'signaling_edge')


class AuthorityRotationTest(unittest.TestCase):

    def setUp(self):
        self.cluster = Cluster(tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR')))
        self.addCleanup(self.cluster.stop)
        self.cluster.make_pki()
        configs.write_all(self.cluster)
        capf = configs.read(self.cluster, 'capf')
        edge = self.cluster.host('signaling_edge')
        capf['phone_http_address'] = f'{self.cluster.host("capf")}:6970'
        capf['tvs_address'] = f'{self.cluster.host("capf")}:2445'
        capf['trust_lists'] = {
            'host': f'capf.{DOMAIN}', 'mixed_mode': True,
            'call_managers': [{'dns_name': f'edge.{DOMAIN}', 'ip_address': edge,
                               'certificate_file': f'{self.cluster.pki}/edge_sip.pem'}]}
        self.cluster.write_config('capf', capf)
        for name in USED:
            self.cluster.start_service(name)
        path = self.cluster.path('conf', 'demo.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(MANIFEST.format(domain=DOMAIN, device=DEVICE, device_id=DEVICE.lower(), user=USER,
                                    password=PASSWORD, string=AUTHENTICATION_STRING,
                                    sip_ca=f'{self.cluster.pki}/sip-ca.pem'))
        self.cluster.cli('apply', '-f', path)

    # -- the phone -------------------------------------------------------------

    def enroll(self, name, ca, *proof):
        out = self.cluster.path('data', name)
        self.cluster.cli('enroll', '--server', f'{self.cluster.host("capf")}:3804', '--ca', ca,
                         '--device', DEVICE, *proof,
                         '--key-out', f'{out}.key', '--cert-out', f'{out}.pem')
        return out

    def issuer(self, identity):
        return subprocess.run(['openssl', 'x509', '-in', f'{identity}.pem', '-noout', '-issuer'],
                              capture_output=True, text=True, check=True).stdout.strip()

    def fetch_lists(self):
        for kind in ('CTL', 'ITL'):
            url = f'http://{self.cluster.host("capf")}:6970/{kind}{DEVICE}.tlv'
            with urllib.request.urlopen(url, timeout=5) as answer:
                self.assertGreater(len(answer.read()), 500)

    def shown_on_capf_port(self):
        host = self.cluster.host('capf')
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection((host, 3804), timeout=5) as plain:
            with context.wrap_socket(plain) as tls:
                return tls.getpeercert(binary_form=True)

    # -- the edge --------------------------------------------------------------

    def accepted(self, identity):
        """Whether the edge answers a phone that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f'{self.cluster.pki}/sip-ca.pem')
        context.load_cert_chain(f'{identity}.pem', f'{identity}.key')
        edge = self.cluster.host('signaling_edge')
        request = '\r\n'.join([
            f'OPTIONS sip:{DOMAIN} SIP/2.0',
            f'Via: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK{os.urandom(6).hex()};rport',
            'Max-Forwards: 70', f'From: <sip:1001@{DOMAIN}>;tag={os.urandom(4).hex()}',
            f'To: <sip:{DOMAIN}>', f'Call-ID: {os.urandom(8).hex()}', 'CSeq: 1 OPTIONS',
            'Content-Length: 0', '', ''])
        try:
            with socket.create_connection((edge, 5061), timeout=5) as plain:
                with context.wrap_socket(plain) as tls:
                    tls.sendall(request.encode())
                    return tls.recv(4096).startswith(b'SIP/2.0')
        except (ssl.SSLError, ConnectionError):
            return False

    # -- the procedure ---------------------------------------------------------

    def procedure(self):
        return self.cluster.cli('procedure', 'show', self.name, '-o', 'json')

    def steps_done(self):
        return sum(1 for step in self.procedure()['steps'] if step.get('done'))

    def run_on(self, kill_after=None):
        """Goes on with it; capf dies after so many seconds."""
        killer = None
        if kill_after is not None:
            killer = threading.Timer(kill_after, lambda: self.cluster.kill('capf'))
            killer.start()
        self.cluster.cli('procedure', 'run', self.name, check=False)
        if killer:
            killer.join()
            self.cluster.start_service('capf')

    def waits_for(self, reason):
        def waits():
            self.run_on()
            return reason in self.procedure().get('blockedReason', '')
        self.cluster.wait_for(waits, f'the procedure waits: {reason}', 15)

    def test_nobody_is_refused_meanwhile(self):
        data = self.cluster.path('data')
        self.fetch_lists()
        self.fetch_lists()
        old = self.enroll('old', f'{data}/capf-ca.pem', '--auth-string', AUTHENTICATION_STRING)
        self.cluster.wait_for(lambda: self.accepted(old), 'the edge takes the phone', 20)
        port_before = self.shown_on_capf_port()

        self.cluster.cli('procedure', 'begin', 'rotate-authority', '--yes', check=False)
        listed = self.cluster.cli('procedure', 'list', '-o', 'json')
        (procedure,) = listed['procedures']
        self.name = procedure['name']
        # It runs until the phone's lists are in the way.
        self.waits_for('PHONES_NOT_READY')
        self.assertEqual(self.shown_on_capf_port(), port_before)
        self.assertTrue(self.accepted(old))
        self.fetch_lists()
        self.cluster.wait_for(lambda: (self.run_on(), self.steps_done())[1] >= 8,
                              'new certificates are by the new key', 15)
        self.waits_for('PHONES_NOT_ENROLLED')
        self.assertNotEqual(self.shown_on_capf_port(), port_before)
        self.assertIn('0 of 1', self.procedure()['blockedReason'])

        # Old and new certificates are good at the edge.
        authority = self.cluster.cli('certs', 'authority', '-o', 'json')
        self.assertEqual([key['state'] for key in authority['keys']],
                         ['AUTHORITY_KEY_STATE_RETIRING', 'AUTHORITY_KEY_STATE_ISSUING'])
        with open(f'{data}/new-ca.pem', 'w', encoding='utf-8') as f:
            f.write(authority['certificatePem'])
        new = self.enroll('new', f'{data}/new-ca.pem', '--existing-cert', f'{old}.pem',
                          '--existing-key', f'{old}.key', '--existing-kind', 'lsc')
        self.assertNotEqual(self.issuer(old), self.issuer(new))
        self.assertIn('G2', self.issuer(new))
        self.cluster.wait_for(lambda: self.accepted(new), 'the edge takes the new one', 10)
        self.assertTrue(self.accepted(old))

        self.run_on(kill_after=0.05)
        self.cluster.wait_for(lambda: (self.run_on(), self.procedure())[1]['state']
                              == 'PROCEDURE_STATE_DONE', 'it is done', 20)
        self.assertTrue(self.accepted(new))
        self.cluster.wait_for(lambda: not self.accepted(old), 'the old one is trusted no more', 10)
        self.assertFalse(os.path.exists(f'{data}/capf-ca.key'), 'the old key is destroyed')
        table = self.cluster.cli('certs', 'authorities')
        self.assertRegex(table, r'default +everybody +1 .*RETIRED')
        self.assertRegex(table, r'default +everybody +2 .*ISSUING.* 1 +\d')
        # And over a restart, without the first key.
        self.cluster.kill('capf')
        self.cluster.start_service('capf')
        self.cluster.cli('certs', 'authority')
        self.assertTrue(self.accepted(new))


if __name__ == '__main__':
    main()
