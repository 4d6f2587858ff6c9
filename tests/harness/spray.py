"""SIP callers and called parties in one asyncio program, made for one thing:
each message of a call goes by another connection than the last.

They know nothing of ours: messages are cut by Content-Length and told apart
by Call-ID, CSeq and tags (RFC 3261), each written here.
"""

import asyncio
import random
import re
from urllib.parse import quote

SDP = ('v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n'
       'm=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n')


class Message:
    """One message, as lines."""

    def __init__(self, text):
        head, _, self.body = text.partition('\r\n\r\n')
        self.first, *lines = head.split('\r\n')
        self.fields = {}
        for line in lines:
            name, _, value = line.partition(':')
            self.fields.setdefault(name.strip().lower(), []).append(value.strip())

    def __getitem__(self, name):
        return self.fields.get(name, [''])[0]

    @property
    def code(self):
        return int(self.first.split()[1]) if self.first.startswith('SIP/2.0') else 0

    @property
    def method(self):
        return self.first.split()[0]

    @property
    def cseq(self):
        return self['cseq'].split()

    def tag(self, name):
        found = re.search(r';tag=([^;>]+)', self[name])
        return found.group(1) if found else ''

    def contact(self):
        return re.search(r'<([^>]+)>', self['contact']).group(1)


async def read_messages(reader, on_message):
    """Cuts a stream into messages until it ends."""
    buffer = b''
    while True:
        end = buffer.find(b'\r\n\r\n')
        if end < 0:
            more = await reader.read(65536)
            if not more:
                return
            buffer = (buffer + more).lstrip(b'\r\n') if not buffer else buffer + more
            continue
        head = buffer[:end].decode()
        length = int(re.search(r'(?im)^(?:content-length|l)\s*:\s*(\d+)', head).group(1))
        while len(buffer) < end + 4 + length:
            more = await reader.read(65536)
            if not more:
                return
            buffer += more
        on_message(Message(buffer[:end + 4 + length].decode()))
        buffer = buffer[end + 4 + length:].lstrip(b'\r\n')


class Pool:
    """Connections to one address, of which each message takes any."""

    def __init__(self, target, source, on_message, tls=None, name='TCP', seed=1):
        self.target, self.source, self.tls, self.name = target, source, tls, name
        self.on_message = on_message
        self.random = random.Random(seed)
        self.writers = []
        self.lost = 0

    async def open(self, count):
        for _ in range(count):
            await self.add()

    async def add(self):
        reader, writer = await asyncio.open_connection(
            *self.target, local_addr=(self.source, 0), ssl=self.tls,
            server_hostname='edge.demo.sallyport.test' if self.tls else None)
        self.writers.append(writer)
        asyncio.ensure_future(self.read(reader, writer))

    async def read(self, reader, writer):
        try:
            await read_messages(reader, lambda m: self.on_message(m, writer))
        except (OSError, asyncio.CancelledError):
            pass
        if writer in self.writers:
            self.writers.remove(writer)
            self.lost += 1

    def send(self, text):
        """By any connection."""
        self.random.choice(self.writers).write(text.encode())

    def close(self):
        writers, self.writers = self.writers, []
        for writer in writers:
            writer.close()


def message(first, lines, body=''):
    lines = [first, *lines, f'Content-Length: {len(body)}']
    if body:
        lines.insert(-1, 'Content-Type: application/sdp')
    return '\r\n'.join(lines) + '\r\n\r\n' + body


def respond(request, code, phrase, tag='', extra=(), body=''):
    lines = ['Via: ' + via for via in request.fields['via']]
    to = request['to'] if request.tag('to') or not tag else f'{request["to"]};tag={tag}'
    lines += [f'From: {request["from"]}', f'To: {to}', f'Call-ID: {request["call-id"]}',
              f'CSeq: {request["cseq"]}', *extra]
    return message(f'SIP/2.0 {code} {phrase}', lines, body)


class Called:
    """Answers every INVITE, but rings on for numbers that end in 9 until the
    CANCEL; hangs up by itself for numbers that end in 5, by another way."""

    def __init__(self, ip, port, pool_of):
        self.ip, self.port = ip, port
        self.pool = pool_of(self.on_response)
        self.ringing = {}
        self.calls = {}
        self.accepted = []
        self.byes = self.hung_up = self.cancelled = self.infos = 0
        self.failed = []

    async def start(self):
        self.server = await asyncio.start_server(self.accept, self.ip, self.port)

    def close(self):
        """As a process that ends: nobody is left to be waited for."""
        self.pool.close()
        self.server.close()
        for writer in self.accepted:
            writer.close()

    async def accept(self, reader, writer):
        self.accepted.append(writer)
        try:
            await read_messages(reader, lambda m: self.on_message(m, writer))
        except (OSError, asyncio.CancelledError):
            pass

    def on_message(self, m, writer):
        if m.code:
            self.on_response(m, writer)
            return
        say = lambda *a, **k: writer.write(respond(m, *a, **k).encode())
        tag = 'uas' + m['call-id'][:8]
        if m.method == 'INVITE':
            contact = f'Contact: <sip:uas@{self.ip}:{self.port};transport=tcp>'
            number = re.match(r'INVITE sip:([^@;]+)', m.first).group(1)
            say(180, 'Ringing', tag, [contact])
            if number.endswith('9'):
                self.ringing[m['call-id']] = (m, tag)
                return
            self.calls[m['call-id']] = (m, tag, number)
            say(200, 'OK', tag, [contact], SDP.format(ip=self.ip, port=6000))
        elif m.method == 'CANCEL':
            invite, tag = self.ringing.pop(m['call-id'])
            say(200, 'OK', tag)
            writer.write(respond(invite, 487, 'Request Terminated', tag).encode())
            self.cancelled += 1
        elif m.method == 'ACK':
            call = self.calls.get(m['call-id'])
            if call and call[2].endswith('5'):
                asyncio.get_event_loop().call_later(0.05, self.hang_up, *call)
        elif m.method == 'INFO':
            self.infos += 1
            say(200, 'OK')
        elif m.method == 'BYE':
            self.byes += 1
            self.calls.pop(m['call-id'], None)
            say(200, 'OK')
        else:
            say(501, 'Not Implemented')

    def hang_up(self, invite, tag, _):
        """To the Contact of the caller's side, by a connection of our own."""
        self.pool.send(message(f'BYE {invite.contact()} SIP/2.0', [
            f'Via: SIP/2.0/TCP {self.ip}:{self.port};branch=z9hG4bKb{random.getrandbits(64):x}',
            'Max-Forwards: 70', f'From: {invite["to"]}' + ('' if invite.tag('to') else f';tag={tag}'),
            f'To: {invite["from"]}', f'Call-ID: {invite["call-id"]}', 'CSeq: 1 BYE']))

    def on_response(self, m, _):
        if m.cseq[1] == 'BYE':
            if m.code == 200:
                self.hung_up += 1
            else:
                self.failed.append(m.first)


class Caller:
    """Calls with every message by any connection of a pool."""

    def __init__(self, ip, pool_of, domain, transport='TCP'):
        self.ip, self.domain, self.transport = ip, domain, transport
        self.pool = pool_of(self.on_message)
        self.waiting = {}
        self.byes = {}
        self.notified = {}

    def on_message(self, m, writer):
        if m.code:
            queue = self.waiting.get(m['call-id'])
            if queue:
                queue.put_nowait(m)
        elif m.method == 'NOTIFY':
            writer.write(respond(m, 200, 'OK').encode())
            if m['call-id'] in self.notified:
                self.notified[m['call-id']].put_nowait(m)
        elif m.method == 'BYE':
            writer.write(respond(m, 200, 'OK').encode())
            if m['call-id'] in self.byes:
                self.byes[m['call-id']].set()

    async def answer(self, queue, method, least=200, patience=10):
        while True:
            m = await asyncio.wait_for(queue.get(), patience)
            if m.cseq[1] == method and m.code >= least:
                return m

    async def answered(self, number):
        """A call that stands, for transfer()."""
        call_id, tag = f'{random.getrandbits(96):024x}', f'uac{random.getrandbits(40):x}'
        queue = self.waiting[call_id] = asyncio.Queue()
        self.byes[call_id] = asyncio.Event()
        call = {'id': call_id, 'tag': tag, 'number': number, 'queue': queue, 'to': ''}
        self.pool.send(self.request(call, 'INVITE', 1, f'sip:{number}@{self.domain}',
                                    body=SDP.format(ip=self.ip, port=4000)))
        final = await self.answer(queue, 'INVITE')
        call['to'] = final.tag('to')
        if final.code == 200:
            call['uri'] = final.contact()
        self.pool.send(self.request(call, 'ACK', 1, call.get('uri', f'sip:{number}@{self.domain}')))
        if final.code != 200:
            raise OSError(final.first)
        return call

    def request(self, call, method, cseq, uri, extra=(), body=''):
        to = f'<sip:{call["number"]}@{self.domain}>' + (f';tag={call["to"]}' if call['to'] else '')
        return message(f'{method} {uri} SIP/2.0', [
            f'Via: SIP/2.0/{self.transport} {self.ip}:5065;branch=z9hG4bK{random.getrandbits(64):x};rport',
            'Max-Forwards: 70', f'From: <sip:7000@{self.ip}>;tag={call["tag"]}', f'To: {to}',
            f'Call-ID: {call["id"]}', f'CSeq: {cseq} {method}',
            f'Contact: <sip:7000@{self.ip}:5065;transport={self.transport.lower()}>', *extra], body)

    async def transfer(self, first, second):
        """Joins the far sides of two calls (RFC 5589 section 7); what the last
        NOTIFY says of it. Both calls are then ended by the edge."""
        for cseq in range(2, 12):
            end = await self.refer(first, second, cseq)
            # Its ACK went by another connection, and may come after the REFER.
            if '491' not in end:
                break
            await asyncio.sleep(0.2)
        return end

    async def refer(self, first, second, cseq):
        replaces = quote(f'{second["id"]};to-tag={second["to"]};from-tag={second["tag"]}', safe='')
        told = self.notified[first['id']] = asyncio.Queue()
        self.pool.send(self.request(first, 'REFER', cseq, first['uri'], [
            f'Refer-To: <sip:{second["number"]}@{self.domain}?Replaces={replaces}>']))
        final = await self.answer(first['queue'], 'REFER')
        if final.code != 202:
            return final.first
        while True:
            notify = await asyncio.wait_for(told.get(), 10)
            if 'terminated' in notify['subscription-state']:
                break
        if ' 200 ' in notify.body:
            for call in (first, second):
                await asyncio.wait_for(self.byes[call['id']].wait(), 10)
        return notify.body.strip()

    async def call(self, number, hold=None):
        """What came of it: '' or what went wrong; `hold` is awaited while it
        is answered."""
        call_id = f'{random.getrandbits(96):024x}'
        tag = f'uac{random.getrandbits(40):x}'
        queue = self.waiting[call_id] = asyncio.Queue()
        gone = self.byes[call_id] = asyncio.Event()
        state = {'uri': f'sip:{number}@{self.domain}', 'to': ''}

        def request(method, cseq, branch=None, body='', uri=None):
            to = f'<sip:{number}@{self.domain}>' + (f';tag={state["to"]}' if state['to'] else '')
            return message(f'{method} {uri or state["uri"]} SIP/2.0', [
                f'Via: SIP/2.0/{self.transport} {self.ip}:5065;branch='
                f'z9hG4bK{branch or format(random.getrandbits(64), "x")};rport',
                'Max-Forwards: 70', f'From: <sip:7000@{self.ip}>;tag={tag}', f'To: {to}',
                f'Call-ID: {call_id}', f'CSeq: {cseq} {method}',
                f'Contact: <sip:7000@{self.ip}:5065;transport={self.transport.lower()}>'], body)

        stage = 'INVITE'
        try:
            branch = format(random.getrandbits(64), 'x')
            self.pool.send(request('INVITE', 1, branch, SDP.format(ip=self.ip, port=4000)))
            if number.endswith('9'):
                stage = 'ringing'
                await self.answer(queue, 'INVITE', 180)
                stage = 'CANCEL'
                self.pool.send(request('CANCEL', 1, branch))
                final = await self.answer(queue, 'INVITE')
                state['to'] = final.tag('to')
                self.pool.send(request('ACK', 1, branch))
                return '' if final.code == 487 else f'cancelled: {final.first}'
            final = await self.answer(queue, 'INVITE')
            if final.code != 200:
                state['to'] = final.tag('to')
                self.pool.send(request('ACK', 1, branch))
                return final.first
            state['to'], state['uri'] = final.tag('to'), final.contact()
            self.pool.send(request('ACK', 1))
            if number.endswith('5'):
                stage = 'their BYE'
                await asyncio.wait_for(gone.wait(), 10)
                return ''
            if hold:
                await hold()
            for cseq, method in ((2, 'INFO'), (3, 'BYE')):
                stage = method
                self.pool.send(request(method, cseq))
                final = await self.answer(queue, method)
                if final.code != 200:
                    return f'{method}: {final.first}'
            return ''
        except asyncio.TimeoutError:
            return f'{stage}: no answer'
        except (OSError, IndexError) as error:
            return f'{stage}: {error!r}'
        finally:
            del self.waiting[call_id], self.byes[call_id]


async def many(caller, numbers, at_once=40, hold=0.0):
    """All the calls; how many went well, and what went wrong. `hold`: seconds
    that each lasts, or what is awaited while it does."""
    limit = asyncio.Semaphore(at_once)
    wait = hold if callable(hold) else (lambda: asyncio.sleep(hold)) if hold else None

    async def one(number):
        async with limit:
            return await caller.call(number, wait)
    ends = await asyncio.gather(*(one(n) for n in numbers))
    return sum(1 for e in ends if not e), sorted(e for e in ends if e)
