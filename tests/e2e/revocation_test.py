#!/usr/bin/env python3
"""Revocation at the edge, with the real capf: at once, and hard where asked.

A phone's certificate is revoked: its connection ends and no other begins. A
hard store refuses once capf has been silent for longer than a list lasts.
"""

import os
import signal
import ssl
import socket
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import SERVICES, Cluster  # noqa: E402
from tests.harness.demo import Demo  # noqa: E402

LIST_LIFETIME = 8


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
        cluster.write_config('capf', config)
        for name in SERVICES:
            cluster.start_service(name)
        cls.demo.provision()
        cls.demo.enroll()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def connect(self):
        """A TLS connection with the phone's certificate; None if it is closed at once."""
        context = ssl.create_default_context(cafile=f'{self.cluster.pki}/sip-ca.pem')
        context.check_hostname = False
        context.load_cert_chain(self.cluster.path('phone-identity', 'both.pem'))
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
