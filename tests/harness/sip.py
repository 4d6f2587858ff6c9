"""A SIP client of a few lines: registers by digest, and tells what came back."""

import hashlib
import os
import re
import socket


def digest(algorithm, *parts):
    name = {'MD5': 'md5', 'SHA-256': 'sha256'}[algorithm]
    return hashlib.new(name, ':'.join(parts).encode()).hexdigest()


class Answer:
    """One response: `code`, header fields by `all()`, and the whole text."""

    def __init__(self, text):
        self.text = text
        self.code = int(text.split(' ', 2)[1])

    def all(self, name):
        return re.findall(rf'(?im)^{re.escape(name)}\s*:\s*(.*?)\r?$', self.text)

    def header(self, name):
        found = self.all(name)
        return found[0] if found else None

    def contacts(self):
        return sorted(re.search(r'<([^>]*)>', line).group(1) for line in self.all('Contact'))


class Client:
    """One UDP socket that is a phone."""

    def __init__(self, server, user, password, domain, port=5060, timeout=3.0, source=None):
        """`source`: where it sends from, if not just anywhere."""
        self.user, self.password, self.domain = user, password, domain
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((server, port))
        self.socket.settimeout(timeout)
        self.address, self.port = self.socket.getsockname()
        self.call_id = os.urandom(8).hex()
        self.cseq = 0

    def close(self):
        self.socket.close()

    def exchange(self, text):
        self.socket.send(text.replace('\n', '\r\n').encode())
        while True:
            answer = Answer(self.socket.recv(65535).decode())
            if answer.code >= 200:
                return answer

    def request(self, method, lines=(), authorization=None, uri=None, to=None, call_id=None, body=''):
        self.cseq += 1
        uri = uri or f'sip:{self.domain}'
        head = [f'{method} {uri} SIP/2.0',
                f'Via: SIP/2.0/UDP {self.address}:{self.port};branch=z9hG4bK{os.urandom(6).hex()};rport',
                'Max-Forwards: 70', f'From: <sip:{self.user}@{self.domain}>;tag={os.urandom(4).hex()}',
                f'To: {to or f"<sip:{self.user}@{self.domain}>"}', f'Call-ID: {call_id or self.call_id}',
                f'CSeq: {self.cseq} {method}', *lines]
        if authorization:
            head.append(authorization)
        head += [f'Content-Length: {len(body)}', '', body]
        return '\n'.join(head)

    def authorize(self, answer, method, uri):
        """The header field that answers a challenge."""
        name = 'WWW-Authenticate' if answer.code == 401 else 'Proxy-Authenticate'
        value = answer.header(name)
        got = dict(re.findall(r'(\w+)=(?:"([^"]*)"|[^,\s]+)', value))
        algorithm = re.search(r'algorithm=([\w-]+)', value).group(1)
        ha1 = digest(algorithm, self.user, got['realm'], self.password)
        response = digest(algorithm, ha1, got['nonce'], '00000001', 'c', 'auth', digest(algorithm, method, uri))
        return (f'{"Authorization" if answer.code == 401 else "Proxy-Authorization"}: Digest '
                f'username="{self.user}", realm="{got["realm"]}", nonce="{got["nonce"]}", uri="{uri}", '
                f'response="{response}", cnonce="c", nc=00000001, qop=auth, algorithm={algorithm}')

    def register(self, contact='', expires=600, lines=()):
        """The final answer to a REGISTER; no contact asks only."""
        fields = [*lines]
        if contact:
            fields += [f'Contact: {contact}', f'Expires: {expires}']
        first = self.exchange(self.request('REGISTER', fields))
        if first.code != 401:
            return first
        return self.exchange(self.request('REGISTER', fields,
                                          self.authorize(first, 'REGISTER', f'sip:{self.domain}')))

    @property
    def contact(self):
        return f'<sip:{self.user}@{self.address}:{self.port}>'
