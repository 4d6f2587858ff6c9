#!/usr/bin/env python3
"""Each kind of bad SIP, by its name, to the real edge: the right 4xx or a
closed connection, with a reason that an operator finds; and a connection that
behaves is served all the while."""

import base64
import os
import re
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, EDGE_NAME  # noqa: E402
from tests.harness.process import wait_until  # noqa: E402

PLAN = '''kind: DialPlan
name: tenants/default/dialPlans/media
spec:
  security_mode: SECURED
  number_of_digits_in_extension: 4
  calling_search_space: everything
  srtp_suites: [SRTP_SUITE_AES_CM_128_HMAC_SHA1_80]
'''
KEY = base64.b64encode(bytes(range(30))).decode()
# a=crypto lines that nobody can use, and the reason of the refusal.
BAD_KEYS = {
    'no parameters': '1',
    'no key': '1 S80',
    'no inline': '1 S80 KEY',
    'another method': '1 S80 uri:KEY',
    'an empty key': '1 S80 inline:',
    'a short key': '1 S80 inline:' + base64.b64encode(bytes(29)).decode(),
    'a long key': '1 S80 inline:' + base64.b64encode(bytes(31)).decode(),
    'no base64': '1 S80 inline:' + '!' * 40,
    'base64 of the web': '1 S80 inline:' + '-_' * 20,
    'a second decode': '1 S80 inline:' + '%41' * 20,
    'tag of letters': 'x S80 inline:KEY',
    'negative tag': '-1 S80 inline:KEY',
    'tag of ten digits': '1234567890 S80 inline:KEY',
    'lifetime of nothing': '1 S80 inline:KEY|2^',
    'lifetime 0': '1 S80 inline:KEY|0',
    'lifetime beyond 2^48': '1 S80 inline:KEY|2^49',
    'MKI without length': '1 S80 inline:KEY|1:',
    'MKI of 129 octets': '1 S80 inline:KEY|1:129',
    'MKI beyond its length': '1 S80 inline:KEY|256:1',
    'two keys without MKI': '1 S80 inline:KEY;inline:KEY',
    'unknown suite': '1 AES_CM_999 inline:KEY',
    'NULL cipher': '1 NULL_HMAC_SHA1_80 inline:KEY',
    'unencrypted SRTP': '1 S80 inline:KEY UNENCRYPTED_SRTP',
    'unauthenticated SRTP': '1 S80 inline:KEY UNAUTHENTICATED_SRTP',
    'two of one tag': '1 S80 inline:KEY\r\na=crypto:1 S80 inline:KEY',
    'a NUL': '1 S80 inline:\x00KEY',
    'none at all': None,
}
FIELDS = ('Via', 'From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards', 'Contact', 'Route', 'Expires', 'Supported', 'Require',
          'Subject', 'User-Agent', 'Content-Type', 'Content-Length', 'P-Asserted-Identity', 'Diversion', 'Privacy',
          'Session-Expires', 'Authorization', 'Replaces', 'X-Anything')
BINARY = {'NUL': b'\x00', 'control': b'\x01\x02\x7f', 'Latin-1': b'caf\xe9', 'broken UTF-8': b'\xff\xfe\xc3(',
          'long UTF-8': b'\xc0\xaf', 'lone CR': b'a\rb', 'lone LF': b'a\nb'}


class Stream:
    """One connection; what comes back as whole responses."""

    def __init__(self, address, source, wrap=None):
        raw = socket.create_connection(address, 5, (source, 0))
        self.socket = wrap(raw) if wrap else raw
        self.data = b''

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, timeout=5.0):
        """The next response, or None at the end of the connection."""
        self.socket.settimeout(timeout)
        while b'\r\n\r\n' not in self.data:
            try:
                more = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                more = b''
            if not more:
                return None
            self.data += more
        head, self.data = self.data.split(b'\r\n\r\n', 1)
        length = re.search(rb'(?im)^Content-Length: *(\d+)', head)
        self.data = self.data[int(length.group(1)) if length else 0:]
        return head.decode('latin-1')

    def code(self, timeout=5.0):
        """Of the next final response; None when the connection ends."""
        while True:
            text = self.receive(timeout)
            if text is None:
                return None
            if not text.startswith('SIP/2.0 1'):
                return int(text.split(' ', 2)[1])

    def close(self):
        self.socket.close()


class BadSipTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.demo.start_services()
        cls.demo.provision()
        cls.edge = cls.cluster.host('signaling_edge')
        cls.caller, called, cls.stranger = (f'{cls.cluster.network}.{host}' for host in (21, 22, 23))
        plans.apply(cls.cluster, 'bad', plans.manifest(
            plans.two_peers(cls.caller, called, 'TCP'), PLAN, plans.tls_peer('gateway', f'gw.{DOMAIN}', plan='media')))
        cls.demo.wait_snapshot()
        cls.numbers = iter(range(1, 1 << 30))

    def setUp(self):
        """A peer whose connection is to be served whatever the others do."""
        self.witness = self.open()
        self.missed = 0
        self.stop = threading.Event()
        self.watch = threading.Thread(target=self.look, daemon=True)
        self.watch.start()

    def tearDown(self):
        self.stop.set()
        self.watch.join()
        self.assertEqual(self.missed, 0, 'the connection of another was not served')
        self.assertTrue(self.cluster.processes['signaling_edge'].running())

    def look(self):
        while not self.stop.is_set():
            self.witness.send(self.request('OPTIONS'))
            try:
                answered = self.witness.code(2) == 200
            except OSError:
                answered = False
            self.missed += not answered
            time.sleep(0.02)

    def open(self, source=None):
        stream = Stream((self.edge, 5060), source or self.caller)
        self.addCleanup(stream.close)
        return stream

    def request(self, method, lines=(), body=b'', number='85551234', transport='TCP', length=None, **fields):
        """A good one, with these fields in place of its own; None: without."""
        number_of = next(self.numbers)
        base = {'Via': f'SIP/2.0/{transport} {self.caller}:5065;branch=z9hG4bKbad{number_of}', 'Max-Forwards': '70',
                'From': f'<sip:100@{self.caller}>;tag=f{number_of}', 'To': f'<sip:{number}@{self.edge}>',
                'Call-ID': f'bad{number_of}', 'CSeq': f'1 {method}', 'Contact': f'<sip:100@{self.caller}:5065>'}
        base.update({name.replace('_', '-'): value for name, value in fields.items()})
        head = [f'{method} sip:{number}@{self.edge} SIP/2.0'.encode()]
        head += [name.encode() + b': ' + (value if isinstance(value, bytes) else value.encode('latin-1'))
                 for name, value in base.items() if value is not None]
        head += [line if isinstance(line, bytes) else line.encode('latin-1') for line in lines]
        if length != '':
            head.append(b'Content-Length: ' + (str(len(body)) if length is None else length).encode())
        return b'\r\n'.join(head) + b'\r\n\r\n' + body

    def verdict(self, message, source=None):
        """The code that it gets; 0 if it is dropped and the connection goes on,
        None if that ends."""
        stream = self.open(source)
        good = self.request('OPTIONS')
        try:
            stream.send(message + good)
        except ConnectionError:
            pass  # it was closed before all of it had come
        text = stream.receive()
        while text is not None and text.startswith('SIP/2.0 1'):
            text = stream.receive()
        if text is None:
            return None
        if re.search(r'(?im)^Call-ID: (.*)$', text).group(1).encode() in good:
            return 0
        return int(text.split(' ', 2)[1])

    def refusals(self, reason):
        return [r for r in self.cluster.items('refusals', '--parent', 'tenants/-') if r.get('reason') == reason]

    def told(self, reason):
        return self.cluster.wait_for(lambda: self.refusals(reason), f'{reason} is explained', 5)

    def live(self):
        return [c for c in self.cluster.items('calls') if c.get('state') != 'CALL_STATE_ENDED']

    # ------------------------------------------------------------- framing

    def test_content_length(self):
        """The arithmetic that fooled four stacks: nothing after it is read as a message."""
        for value in ('-1', '+5', '0x10', '5.0', '1e3', '', ' ', '4294967296', '4294967297', '18446744073709551616',
                      '18446744073709551617', '99999999999999999999999999', '65536', '2147483648', '1,2', '5 5', '\xb2'):
            with self.subTest(value=value):
                stream = self.open()
                stream.send(self.request('OPTIONS', lines=(f'Content-Length: {value}',), length='') +
                            self.request('OPTIONS'))
                self.assertIn(stream.code(), (400, 413, 513))
                self.assertIsNone(stream.code())  # and no second answer
        self.told('SIP_CONTENT_LENGTH_INVALID')

    def test_two_content_lengths(self):
        for other in ('0', '4'):
            for form in ('Content-Length', 'l', 'CONTENT-LENGTH '):
                stream = self.open()
                stream.send(self.request('OPTIONS', lines=(f'{form}: {other}',)) + self.request('OPTIONS'))
                self.assertEqual(stream.code(), 400, form)
                self.assertIsNone(stream.code())

    def test_a_wrong_content_length(self):
        """Too long: the message is never whole, and is no other's. Too short: what
        is left is no message, and the connection ends."""
        stream = self.open()
        stream.send(self.request('OPTIONS', length='400'))
        with self.assertRaises(TimeoutError):
            stream.code(0.5)
        stream = self.open()
        stream.send(self.request('MESSAGE', lines=('Content-Type: text/plain',), body=b'hello, who is there?\r\n\r\n',
                                 length='5'))
        codes = []
        while (code := stream.code()) is not None:
            codes.append(code)
        self.assertTrue(codes and all(400 <= c < 500 for c in codes), codes)

    def test_truncated(self):
        whole = self.request('INVITE', body=b'v=0\r\n')
        for end in (1, 10, 60, 200, len(whole) - 1):
            stream = self.open()
            stream.send(whole[:end])
            stream.socket.shutdown(socket.SHUT_WR)
            self.assertIsNone(stream.code())
        self.assertFalse(self.live())

    def test_oversized(self):
        for name, message in {
                '10 000 headers': self.request('OPTIONS', lines=[f'X-{i}: {i}' for i in range(10000)]),
                '1 000 small headers': self.request('OPTIONS', lines=['a: b'] * 1000),
                'a long header': self.request('OPTIONS', lines=('Subject: ' + 'a' * 9000,)),
                'a folded header': self.request('OPTIONS', lines=('Subject: a' + '\r\n b' * 5000,)),
                '500 Vias in one': self.request('OPTIONS', lines=('Via: ' + ', '.join(['SIP/2.0/TCP a'] * 500),)),
                'a long start line': b'OPTIONS sip:' + b'a' * 5000 + self.request('OPTIONS')[11:],
                'no end of the line': b'OPTIONS sip:' + b'a' * 100000,
                'a body of 1 MB': self.request('OPTIONS', length='1048576'),
        }.items():
            with self.subTest(name):
                self.assertIn(self.verdict(message), (None, 0, 400, 413, 414, 513))
        self.told('SIP_MESSAGE_TOO_LARGE')

    def test_slow_and_interleaved(self):
        """Octet by octet, on eight connections in turns: each is served as if alone."""
        streams = [self.open() for _ in range(8)]
        messages = [self.request('OPTIONS') for _ in streams]
        for i in range(max(map(len, messages))):
            for stream, message in zip(streams, messages):
                stream.send(message[i:i + 1])
        self.assertEqual([stream.code() for stream in streams], [200] * 8)
        # And several at once, with keep-alives between and within.
        streams[0].send(b'\r\n\r\n' + b'\r\n\r\n'.join(self.request('OPTIONS') for _ in range(5)) + b'\r\n\r\n')
        time.sleep(0.3)
        streams[0].send(self.request('OPTIONS'))
        answers = 0
        while answers < 6:
            text = streams[0].receive()
            answers += text.strip().startswith('SIP/2.0 200')
        self.assertEqual(answers, 6)

    def test_a_stranger_that_never_ends(self):
        """A header line without end, a few octets at a time (slowloris)."""
        streams = [self.open(self.stranger) for _ in range(5)]
        begun = time.monotonic()
        open_ones = set(range(5))
        while open_ones and time.monotonic() - begun < 20:
            for i in list(open_ones):
                try:
                    streams[i].send(b'O' if time.monotonic() - begun < 0.3 else b'P')
                    streams[i].socket.settimeout(0.001)
                    if streams[i].socket.recv(10) == b'':
                        open_ones.discard(i)
                except TimeoutError:
                    pass
                except OSError:
                    open_ones.discard(i)
            time.sleep(0.2)
        self.assertFalse(open_ones, 'a stranger holds its connection')

    # ------------------------------------------------------------- fields

    def test_binary_in_every_field(self):
        for name in FIELDS:
            for kind, octets in BINARY.items():
                with self.subTest(field=name, kind=kind):
                    message = self.request('OPTIONS')
                    line = re.search(rb'(?m)^' + name.encode() + rb': [^\r]*', message)
                    if line:
                        message = message[:line.end()] + octets + message[line.end():]
                    else:
                        at = message.index(b'Max-Forwards')
                        message = message[:at] + name.encode() + b': ' + octets + b'\r\n' + message[at:]
                    code = self.verdict(message)
                    self.assertTrue(code in (None, 0, 200) or 400 <= code < 500, code)
                    if kind in ('NUL', 'control', 'lone CR', 'lone LF'):
                        self.assertIn(code, (None, 0, 400))
        for reason in ('SIP_HEADER_MALFORMED', 'SIP_CONTENT_LENGTH_INVALID'):
            self.told(reason)

    def test_missing_and_doubled_fields(self):
        for name in ('Via', 'From', 'To', 'Call_ID', 'CSeq'):
            self.assertIn(self.verdict(self.request('OPTIONS', **{name: None})), (None, 0, 400), name)
            if name == 'Via':
                continue
            line = re.search(rb'(?m)^' + name.replace('_', '-').encode() + rb': [^\r]*', self.request('OPTIONS')).group()
            self.assertIn(self.verdict(self.request('OPTIONS', lines=(line,))), (0, 400), name)
        self.told('SIP_HEADER_DUPLICATE')
        self.told('SIP_HEADER_MISSING')

    def test_unknown_charsets_and_codings(self):
        for lines, code in ((('Content-Type: text/plain;charset=x-klingon',), 415),
                            (('Content-Type: application/sdp', 'Content-Encoding: gzip'), 415),
                            (('Content-Type: application/octet-stream',), 415),
                            (('Content-Type: multipart/mixed;boundary="\xff"',), 415)):
            stream = self.open()
            stream.send(self.request('INVITE', lines=lines, body=b'v=\xff\xfe\x00\r\n'))
            self.assertEqual(stream.code(), code, lines)

    # ------------------------------------------------------------- order

    def test_repeated(self):
        """The same request again gets the same answer, and is no second one."""
        stream = self.open()
        message = self.request('INVITE', number='0')
        stream.send(message)
        first = stream.receive()
        while first.startswith('SIP/2.0 1'):
            first = stream.receive()
        before = len(self.refusals('ROUTE_NOT_FOUND'))
        for _ in range(5):
            stream.send(message)
            self.assertEqual(stream.receive().splitlines()[0], first.splitlines()[0])
        self.assertEqual(len(self.refusals('ROUTE_NOT_FOUND')), before)

    def test_out_of_order(self):
        stream = self.open()
        for method, code in (('BYE', 481), ('PRACK', 481), ('UPDATE', 481), ('INFO', 481), ('CANCEL', 481)):
            stream.send(self.request(method))
            self.assertEqual(stream.code(), code, method)
        stream.send(self.request('BYE', To=f'<sip:1@{self.edge}>;tag=made-up'))
        self.assertEqual(stream.code(), 481)
        # An ACK and a response that nobody waits for are dropped, and that is all.
        stream.send(self.request('ACK'))
        stream.send(b'SIP/2.0 200 OK\r\n' + self.request('INVITE').split(b'\r\n', 1)[1])
        stream.send(self.request('OPTIONS'))
        self.assertEqual(stream.code(), 200)

    # ------------------------------------------------------------- keys

    def test_every_error_of_a_key(self):
        pki = self.cluster.pki
        context = ssl.create_default_context(cafile=f'{pki}/sip-ca.pem')
        context.load_cert_chain(f'{pki}/gateway.pem', f'{pki}/gateway.key')
        stream = Stream((self.edge, 5061), self.cluster.host('gateway'),
                        lambda raw: context.wrap_socket(raw, server_hostname=EDGE_NAME))
        self.addCleanup(stream.close)
        for name, crypto in BAD_KEYS.items():
            with self.subTest(name):
                line = b'' if crypto is None else b'a=crypto:' + crypto.replace(
                    'S80', 'AES_CM_128_HMAC_SHA1_80').replace('KEY', KEY).encode() + b'\r\n'
                body = (b'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n'
                        b'm=audio 40000 RTP/SAVP 0\r\n' + line)
                stream.send(self.request('INVITE', lines=('Content-Type: application/sdp',), body=body, transport='TLS'))
                self.assertIn(stream.code(), (400, 488))
        self.told('SDES_MALFORMED')
        self.told('NULL_CIPHER_NOT_ALLOWED')
        self.told('SECURITY_MODE_SRTP_REQUIRED')
        for refusal in self.cluster.items('refusals', '--parent', 'tenants/-'):
            self.assertNotIn(KEY, str(refusal))
        self.assertNotIn(KEY, self.cluster.processes['signaling_edge'].text())
        self.assertFalse(self.live())

    def test_z_nothing_is_left(self):
        """Neither connections nor transactions of all that."""
        wait_until(lambda: len(self.cluster.items('connections')) <= 2, 'the connections are over', 10)


if __name__ == '__main__':
    main()
