#!/usr/bin/env python3
"""A few thousand mutated messages to every listener: no crash, no growth.

tools/test runs this against services built with AddressSanitizer, which ends
a process at its first bad access; the plain build checks the same.
"""

import os
import socket
import ssl
import sys
import tempfile
import unittest

sys.path.insert(0, os.getcwd())

from tests.harness import samples  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import GRPC_PORTS, SERVICES, Cluster  # noqa: E402
from tests.harness.demo import Demo  # noqa: E402
from tests.harness.mutate import mutations  # noqa: E402
from tests.harness.process import wait_until  # noqa: E402

DATAGRAMS = 4000
STREAM_MESSAGES = 3000
PER_CONNECTION = 5
# The second half of the messages may not cost more than this, in bytes, over
# what the first half left behind: caches fill once, leaks do not stop.
ALLOWED_GROWTH = 24 << 20


class MalformedInputTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR')))
        cls.demo = Demo(cls.cluster, unlimited=True)
        try:
            cls.demo.start_services()
            cls.demo.provision()
        except BaseException:
            for process in cls.cluster.processes.values():
                print(process.name, process.text()[-3000:], file=sys.stderr)
            cls.cluster.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def feed(self, service, send, seeds, count):
        """Sends mutations in two halves; the service lives and does not grow."""
        process = self.cluster.processes[service]
        messages = list(mutations(seeds, count))
        half = len(messages) // 2
        send(messages[:half])
        first = process.resident_bytes()
        send(messages[half:])
        self.assertTrue(process.running(), f'{service} ended: {process.text()[-3000:]}')
        grown = process.resident_bytes() - first
        self.assertLess(grown, ALLOWED_GROWTH, f'{service} grew by {grown} bytes')
        self.assertNotIn('AddressSanitizer', process.text())

    @staticmethod
    def datagrams(address):
        def send(messages):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(0.001)
                for number, message in enumerate(messages):
                    s.sendto(message[:65000], address)
                    if number % 50 == 49:
                        try:
                            while True:
                                s.recv(65535)
                        except OSError:
                            pass
        return send

    @staticmethod
    def stream(address, wrap=lambda s: s):
        def send(messages):
            for start in range(0, len(messages), PER_CONNECTION):
                raw = socket.create_connection(address, 5)
                raw.settimeout(5)
                try:
                    s = wrap(raw)
                except (OSError, ssl.SSLError):
                    raw.close()
                    raise
                try:
                    for message in messages[start:start + PER_CONNECTION]:
                        s.sendall(message)
                    s.settimeout(0.005)
                    s.recv(4096)
                except (OSError, ssl.SSLError):
                    pass  # The listener may close on what it cannot frame.
                finally:
                    s.close()
        return send

    def tls_wrap(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return lambda s: context.wrap_socket(s)

    def sip_answers(self, address):
        """A good OPTIONS over UDP is answered: the listener still works."""
        def answered():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(1)
                s.sendto(samples.sip('OPTIONS', 'UDP', branch='z9hG4bK' + os.urandom(6).hex()), address)
                try:
                    return s.recv(65535).startswith(b'SIP/2.0 ')
                except OSError:
                    return False
        wait_until(answered, 'OPTIONS is answered after the flood', 20)

    def test_sip_udp(self):
        address = (self.cluster.host('signaling_edge'), 5060)
        self.feed('signaling_edge', self.datagrams(address), samples.sip_seeds('UDP'), DATAGRAMS)
        self.sip_answers(address)

    def test_sip_tcp(self):
        address = (self.cluster.host('signaling_edge'), 5060)
        self.feed('signaling_edge', self.stream(address), samples.sip_seeds('TCP'), STREAM_MESSAGES)
        self.sip_answers(address)

    def test_sip_tls(self):
        address = (self.cluster.host('signaling_edge'), 5061)
        self.feed('signaling_edge', self.stream(address, self.tls_wrap()),
                  samples.sip_seeds('TLS'), STREAM_MESSAGES)

    def test_sip_tls_handshake(self):
        address = (self.cluster.host('signaling_edge'), 5061)
        self.feed('signaling_edge', self.stream(address), samples.grpc_seeds(), STREAM_MESSAGES)

    def test_stun(self):
        address = (self.cluster.host('media_relay'), 3478)
        self.feed('media_relay', self.datagrams(address), samples.stun_seeds(), DATAGRAMS)

        def answered():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(1)
                transaction = os.urandom(12)
                s.sendto(samples.stun(0x0001, transaction=transaction), address)
                try:
                    reply = s.recv(1500)
                except OSError:
                    return False
                return reply[:2] == b'\x01\x01' and reply[8:20] == transaction
        wait_until(answered, 'Binding is answered after the flood', 20)

    def test_turn_tcp(self):
        """TURN, MS-TURN and TLS on the port that takes them all."""
        address = (self.cluster.host('media_relay'), 3478)
        self.feed('media_relay', self.stream(address),
                  samples.stun_seeds() + samples.ms_turn_seeds() + samples.grpc_seeds(),
                  STREAM_MESSAGES)

        def answered():
            try:
                with socket.create_connection(address, 1) as s:
                    s.settimeout(1)
                    transaction = os.urandom(12)
                    s.sendall(samples.stun(0x0001, transaction=transaction))
                    reply = s.recv(1500)
            except OSError:
                return False
            return reply[:2] == b'\x01\x01' and reply[8:20] == transaction
        wait_until(answered, 'Binding is answered after the flood', 20)

    def test_capf(self):
        address = (self.cluster.host('capf'), 3804)
        self.feed('capf', self.stream(address, self.tls_wrap()), samples.capf_seeds(), STREAM_MESSAGES)

    def test_capf_handshake(self):
        address = (self.cluster.host('capf'), 3804)
        self.feed('capf', self.stream(address), samples.grpc_seeds() + samples.capf_seeds(), STREAM_MESSAGES)

    def test_grpc(self):
        for service in SERVICES:
            with self.subTest(service=service):
                self.feed(service, self.stream((self.cluster.host(service), GRPC_PORTS[service])),
                          samples.grpc_seeds(), STREAM_MESSAGES)

    def test_metrics(self):
        for service in SERVICES:
            with self.subTest(service=service):
                self.feed(service, self.stream((self.cluster.host(service), 9464)),
                          samples.http_seeds(), STREAM_MESSAGES)

    def test_z_every_service_still_answers_and_ends_well(self):
        """After all of it each one still serves, and ends with status 0."""
        self.cluster.cli('doctor')
        codes = self.cluster.stop()
        self.assertEqual(codes, {name: 0 for name in codes})
        for name, process in self.cluster.processes.items():
            for word in ('ERROR: AddressSanitizer', 'LeakSanitizer', 'runtime error'):
                self.assertNotIn(word, process.text(), f'{name}: {process.text()[-4000:]}')


if __name__ == '__main__':
    main()
