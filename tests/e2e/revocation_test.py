#!/usr/bin/env python3
"""Revocation at the edge, with the real capf: at once, and hard where asked.

A phone's certificate is revoked: its connection ends and no other begins. A
hard store refuses once capf has been silent for longer than a list lasts. A
gateway's certificate is revoked by the list that another authority signs for
its issuer.
"""

import functools
import http.server
import os
import signal
import ssl
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES, Cluster  # noqa: E402
from tests.harness.demo import Demo  # noqa: E402

LIST_LIFETIME = 8
LIST_PORT = 8099


def der(tag, *parts):
    """One element of DER."""
    content = b''.join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, 'big')
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def name(common_name):
    return der(0x30, der(0x31, der(0x30, bytes.fromhex('0603550403'), der(0x0c, common_name.encode()))))


class IndirectAuthority:
    """A root, an issuer below it, and who signs the issuer's lists; by OpenSSL but for the list
    itself, whose entries name issuers (RFC 5280 section 5.2.5), which its command line cannot."""

    def __init__(self, folder, url):
        self.folder = folder
        os.makedirs(folder)
        self.make('root', 'Indirect root', 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign')
        self.make('issuing', 'Indirect issuing', 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign',
                  'root')
        self.make('lists', 'Indirect lists', 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,cRLSign', 'root')
        self.leaf = (f'subjectAltName=DNS:gw.{DOMAIN}\nextendedKeyUsage=serverAuth,clientAuth\n'
                     'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
                     f'crlDistributionPoints=dp\n[dp]\nfullname=URI:{url}\nCRLissuer=dirName:lists\n'
                     '[lists]\nCN=Indirect lists')

    def path(self, file):
        return os.path.join(self.folder, file)

    def make(self, file, common_name, extensions, by='', serial=1):
        with open(self.path('req.cnf'), 'w', encoding='ascii') as f:
            f.write(f'[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=v3\n[dn]\nCN={common_name}\n'
                    f'[v3]\n{extensions}\n')
        signer = ['-CA', self.path(f'{by}.pem'), '-CAkey', self.path(f'{by}.key')] if by else []
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-config', self.path('req.cnf'), '-days', '2', '-set_serial', str(serial), *signer,
                        '-keyout', self.path(f'{file}.key'), '-out', self.path(f'{file}.pem')],
                       check=True, capture_output=True)

    def publish(self, serials):
        """The list, where it is fetched from."""
        ecdsa = bytes.fromhex('300a06082a8648ce3d040302')
        day = 86400

        def time_of(at):
            return der(0x17, time.strftime('%y%m%d%H%M%SZ', time.gmtime(at)).encode())
        now = int(time.time())
        issuer = der(0x30, bytes.fromhex('0603551d1d0101ff'), der(0x04, der(0x30, der(0xa4, name('Indirect issuing')))))
        entries = b''.join(der(0x30, der(0x02, serial.to_bytes(4, 'big')), time_of(now), der(0x30, issuer))
                           for serial in serials)
        scope = der(0x30, bytes.fromhex('0603551d1c0101ff'), der(0x04, der(0x30, der(0x84, b'\xff'))))
        tbs = der(0x30, der(0x02, b'\x01'), ecdsa, name('Indirect lists'), time_of(now), time_of(now + day),
                  der(0x30, entries) if entries else b'', der(0xa0, der(0x30, scope)))
        signature = subprocess.run(['openssl', 'dgst', '-sha256', '-sign', self.path('lists.key')], input=tbs,
                                   check=True, capture_output=True).stdout
        new = self.path('indirect.new')
        with open(new, 'wb') as f:
            f.write(der(0x30, tbs, ecdsa, der(0x03, b'\0' + signature)))
        os.rename(new, self.path('indirect.crl'))


class RevocationTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.demo = Demo(Cluster(tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))))
        cls.cluster = cluster = cls.demo.cluster
        cluster.make_pki()
        configs.write_all(cluster)
        config = configs.read(cluster, 'capf')
        config['hard_revocation_stores'] = ['CAPF-trust']
        config['crl_lifetime'] = f'{LIST_LIFETIME}s'
        config['watch_heartbeat_interval'] = '1s'
        cls.url = f'http://{cluster.host("gateway")}:{LIST_PORT}/indirect.crl'
        config['revocation_fetch'] = {'urls': [cls.url], 'refresh_interval': '1s'}
        cluster.write_config('capf', config)
        for name in SERVICES:
            cluster.start_service(name)
        cls.demo.provision()
        cls.demo.enroll()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def connect(self, certificate=None, key=None):
        """A TLS connection with the phone's certificate, or another; None if it is closed at once."""
        context = ssl.create_default_context(cafile=f'{self.cluster.pki}/sip-ca.pem')
        context.check_hostname = False
        context.load_cert_chain(certificate or self.cluster.path('phone-identity', 'both.pem'), key)
        raw = socket.create_connection((self.cluster.host('signaling_edge'), 5061), timeout=5)
        try:
            tls = context.wrap_socket(raw)
            tls.settimeout(0.5)
            return None if tls.recv(1) == b'' else tls
        except socket.timeout:
            tls.settimeout(5)
            return tls
        except (ssl.SSLError, ConnectionError):
            return None

    def reasons(self):
        return [r.get('reason') for r in self.cluster.items('refusals', '--parent', 'tenants/-')]

    def test_another_signs_the_issuers_lists(self):
        authority = IndirectAuthority(self.cluster.path('indirect'), self.url)
        for number, file in ((0x01020304, 'bad'), (0x01020305, 'good')):
            authority.make(file, 'gw', authority.leaf, 'issuing', number)
        authority.publish([])
        server = http.server.ThreadingHTTPServer(
            (self.cluster.host('gateway'), LIST_PORT),
            functools.partial(http.server.SimpleHTTPRequestHandler, directory=authority.folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            for file in ('root', 'lists', 'issuing'):
                self.cluster.cli('trust', 'add', 'CallManager-trust', authority.path(f'{file}.pem'))

            def source():
                return self.cluster.cli('certs', 'revocation-lists')
            self.cluster.wait_for(lambda: self.url in source() and 'CRL_' not in source(), 'the list is held', 10)

            def gateway(file):
                return self.connect(authority.path(f'{file}.pem'), authority.path(f'{file}.key'))
            live = self.cluster.wait_for(lambda: gateway('bad'), 'the gateway is trusted', 10)
            authority.publish([0x01020304])
            began = time.monotonic()
            live.settimeout(8)
            try:
                self.assertEqual(live.recv(1), b'')
            except (ssl.SSLError, ConnectionError):
                pass
            # Fetched again within a second, and told at once.
            self.assertLess(time.monotonic() - began, 5.0)
            self.assertIsNone(gateway('bad'))
            self.assertIn('PEER_CERTIFICATE_REVOKED', self.reasons())
            good = gateway('good')
            self.assertIsNotNone(good, self.reasons())
            good.close()
        finally:
            server.shutdown()
            server.server_close()

    def test_hard_stores_and_revocation(self):
        # In force for as long as capf says so, over several lives of a list.
        kept = self.connect()
        self.assertIsNotNone(kept, self.reasons())
        time.sleep(LIST_LIFETIME + 1)
        fresh = self.connect()
        self.assertIsNotNone(fresh, self.reasons())
        fresh.close()

        # capf is silent: what was said last grows old.
        pid = self.cluster.processes['capf'].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            self.cluster.wait_for(lambda: self.connect() is None, 'the hard store refuses', LIST_LIFETIME + 5)
        finally:
            os.kill(pid, signal.SIGCONT)

        def accepted():
            again = self.connect()
            if again is not None:
                again.close()
            return again is not None
        self.cluster.wait_for(accepted, 'capf speaks again', 10)

        # Revoked: the live connection ends, and there is no other.
        live = self.connect()
        self.assertIsNotNone(live)
        serial = self.demo.facts['lsc']['serial'].lower().lstrip('0')
        began = time.monotonic()
        self.cluster.cli('revoke', serial, '--reason', 'key-compromise')
        revoked = time.monotonic()
        live.settimeout(5)
        try:
            self.assertEqual(live.recv(1), b'')
        except (ssl.SSLError, ConnectionError):
            pass
        ended = time.monotonic()
        self.assertIsNone(self.connect())
        self.assertLess(ended - began, 5.0)
        self.assertLess(ended - revoked, 1.0)


if __name__ == '__main__':
    main()
