"""A phone in a few lines: one socket, UDP or TLS, that registers by digest,
calls, is called, and answers what comes again as it did before."""

import os
import re
import socket
import ssl
import time

from tests.harness.process import Failed
from tests.harness.sip import Answer, Client
from tests.harness.spray import SDP, Message


class Phone(Client):
    """With `ca`, TLS on 5061 to whom this file's authorities have certified."""

    def __init__(self, server, user, password, domain, ca=None, server_name=None, timeout=5.0):
        if ca is None:
            super().__init__(server, user, password, domain, timeout=timeout)
        else:
            self.user, self.password, self.domain = user, password, domain
            context = ssl.create_default_context(cafile=ca)
            self.socket = context.wrap_socket(socket.create_connection((server, 5061), timeout),
                                              server_hostname=server_name)
            self.address, self.port = self.socket.getsockname()[:2]
            self.call_id, self.cseq = os.urandom(8).hex(), 0
        self.tls = ca is not None
        self.timeout = timeout
        self.buffer = b''
        self.answers = {}  # to requests, by branch and method

    @property
    def contact(self):
        return f'<sip:{self.user}@{self.address}:{self.port}{";transport=tls" if self.tls else ""}>'

    # --------------------------------------------------------------- messages

    def send(self, text):
        text = text.replace('\r\n', '\n').replace('\n', '\r\n')
        if self.tls:
            text = text.replace('Via: SIP/2.0/UDP', 'Via: SIP/2.0/TLS', 1) if text.split(' ')[0] != 'SIP/2.0' else text
        self.socket.sendall(text.encode())

    def read(self, timeout):
        """The next message; None when none comes in that time."""
        end = time.monotonic() + timeout
        while True:
            head, found, rest = self.buffer.partition(b'\r\n\r\n')
            if found:
                length = int(re.search(rb'(?im)^content-length\s*:\s*(\d+)', head).group(1))
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    return Message((head + found + rest[:length]).decode())
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                got = self.socket.recv(65536)
            except TimeoutError:
                return None
            if not got:
                raise Failed(f'{self.user}: the connection was closed')
            # Of UDP each datagram is whole.
            self.buffer = (self.buffer + got).lstrip(b'\r\n') if self.tls else got

    def wait(self, what, timeout=None):
        """The next request of this method, or response with this code or, as
        "final", with any from 200 on; what is another's or came before is
        answered as then, or passed over."""
        end = time.monotonic() + (timeout or self.timeout)
        passed = []
        while True:
            message = self.read(end - time.monotonic())
            if message is None:
                raise Failed(f'{self.user}: no {what} came, but {passed}')
            if message.code:
                if what == str(message.code) or what == 'final' and message.code >= 200:
                    return message
            else:
                key = (message['via'], message.method)
                if key in self.answers and message.method != 'ACK':
                    self.send(self.answers[key])
                    continue
                self.answers.setdefault(key, '')
                if message.method == what:
                    return message
            passed.append(message.first)

    def exchange(self, text):
        self.send(text)
        message = self.wait('final')
        lines = [f'{name}: {value}' for name, values in message.fields.items() for value in values]
        return Answer('\r\n'.join([message.first, *lines]) + '\r\n\r\n')

    def respond(self, request, code, sdp=False, tag='p'):
        """Answers a request, once and whenever it comes again."""
        lines = [f'SIP/2.0 {code} X', *('Via: ' + via for via in request.fields['via']),
                 'From: ' + request['from'],
                 'To: ' + request['to'] + ('' if request.tag('to') else f';tag={tag}'),
                 'Call-ID: ' + request['call-id'], 'CSeq: ' + request['cseq'], f'Contact: {self.contact}']
        body = SDP.format(ip='127.0.0.1', port=40000) if sdp else ''
        if sdp:
            lines.append('Content-Type: application/sdp')
        text = '\r\n'.join(lines + [f'Content-Length: {len(body)}', '', body])
        self.answers[(request['via'], request.method)] = text
        self.send(text)

    # ------------------------------------------------------------------ calls

    def invite(self, uri):
        """Sends an INVITE with credentials; the call, for what follows."""
        call = {'uri': uri, 'id': os.urandom(8).hex(), 'tag': os.urandom(4).hex(), 'to': f'<{uri}>'}
        self._invite(call)
        challenge = self.wait('final')
        if challenge.code != 407:
            raise Failed(f'{self.user}: {challenge.first} and no challenge')
        call['to_now'] = challenge['to']
        self._send(call, 'ACK', call['cseq'], call['branch'])
        call['to_now'] = call['to']
        lines = [f'{name}: {value}' for name, values in challenge.fields.items() for value in values]
        self._invite(call, self.authorize(Answer('\r\n'.join([challenge.first, *lines])), 'INVITE', uri))
        return call

    def _invite(self, call, authorization=None):
        self.cseq += 1
        call['cseq'], call['branch'] = self.cseq, 'z9hG4bK' + os.urandom(6).hex()
        call['to_now'] = call['to']
        self._send(call, 'INVITE', call['cseq'], call['branch'],
                   [authorization] if authorization else [], SDP.format(ip='127.0.0.1', port=40002))

    def _send(self, call, method, cseq, branch, lines=(), body='', uri=None):
        head = [f'{method} {uri or call["uri"]} SIP/2.0',
                f'Via: SIP/2.0/UDP {self.address}:{self.port};branch={branch};rport', 'Max-Forwards: 70',
                f'From: <sip:{self.user}@{self.domain}>;tag={call["tag"]}', f'To: {call["to_now"]}',
                f'Call-ID: {call["id"]}', f'CSeq: {cseq} {method}', f'Contact: {self.contact}', *lines]
        if body:
            head.append('Content-Type: application/sdp')
        self.send('\r\n'.join(head + [f'Content-Length: {len(body)}', '', body]))

    def cancel(self, call):
        self._send(call, 'CANCEL', call['cseq'], call['branch'])

    def outcome(self, call, timeout=None):
        """The code of the INVITE's final answer, which is acknowledged."""
        end = time.monotonic() + (timeout or self.timeout)
        while True:
            answer = self.wait('final', end - time.monotonic())
            if answer.cseq == [str(call['cseq']), 'INVITE']:
                break
        call['to_now'] = answer['to']
        if answer.code >= 300:
            self._send(call, 'ACK', call['cseq'], call['branch'])
        else:
            call['target'] = answer.contact()
            self._send(call, 'ACK', call['cseq'], 'z9hG4bK' + os.urandom(6).hex(), uri=call['target'])
        return answer.code

    def hang_up(self, call):
        """Ends a call that it made; the answer's code."""
        self.cseq += 1
        self._send(call, 'BYE', self.cseq, 'z9hG4bK' + os.urandom(6).hex(), uri=call['target'])
        return self.wait('final').code

    def hang_up_on(self, invite):
        """Ends a call that it had answered with a 200; the answer's code."""
        text = self.answers[(invite['via'], 'INVITE')]
        to = re.search(r'(?m)^To: (.*?)\r?$', text).group(1)
        self.send('\r\n'.join([
            f'BYE {invite.contact()} SIP/2.0',
            f'Via: SIP/2.0/UDP {self.address}:{self.port};branch=z9hG4bK{os.urandom(6).hex()};rport',
            'Max-Forwards: 70', f'From: {to}', f'To: {invite["from"]}', f'Call-ID: {invite["call-id"]}',
            'CSeq: 77 BYE', 'Content-Length: 0', '', '']))
        return self.wait('final').code
