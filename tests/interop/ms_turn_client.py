#!/usr/bin/env python3
"""A client of MS-TURN, written from the tables of its messages.

usage: ms_turn_client.py udp|tcp PORT USER PASSWORD

USER and PASSWORD are base64, as an MRAS answer spells them. Each line that it
prints is something that held; the last one is "all held".
"""

import base64
import hashlib
import hmac
import os
import select
import socket
import struct
import sys
import threading

ALLOCATE, SEND, ACTIVE = 0x0003, 0x0004, 0x0006
MAPPED, USER, INTEGRITY, ERROR = 0x0001, 0x0006, 0x0008, 0x0009
LIFETIME, COOKIE, DESTINATION, REMOTE, DATA = 0x0D, 0x0F, 0x11, 0x12, 0x13
NONCE, REALM, FAMILY = 0x0014, 0x0015, 0x0017
VERSION, SEQUENCE, ALTERNATE = 0x8008, 0x8050, 0x8090
MAGIC = bytes.fromhex('72C64BC6')
SILENCE = 0.4  # seconds

# How the key is made, the message hashed, and whether it is filled with zeros.
SHA1 = ('md5', 'sha1', True)
SHA256 = [(key, 'sha256', filled)
          for key in ('md5', 'sha256') for filled in (True, False)]


def require(condition, what):
    if not condition:
        raise SystemExit(f'did not hold: {what}')


def address(ip, port):
    v6 = ':' in ip
    return struct.pack('!BBH', 0, 2 if v6 else 1, port) + socket.inet_pton(
        socket.AF_INET6 if v6 else socket.AF_INET, ip)


def parse_address(value):
    family = {1: socket.AF_INET, 2: socket.AF_INET6}[value[1]]
    return socket.inet_ntop(family, value[4:]), struct.unpack('!H', value[2:4])[0]


class Peer:
    """Who is sent to: over UDP, or a listener for one connection."""

    def __init__(self, tcp, ip):
        family = socket.AF_INET6 if ':' in ip else socket.AF_INET
        kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
        self.socket = socket.socket(family, kind)
        self.socket.bind((ip, 0))
        self.socket.settimeout(5)
        self.at = self.socket.getsockname()[:2]
        self.tcp = tcp
        self.connection = None
        if tcp:
            self.socket.listen()

    def receive(self):
        """One unit, with the length before it that RFC 4571 has over TCP."""
        if not self.tcp:
            data, self.back = self.socket.recvfrom(2048)
            return data
        if self.connection is None:
            self.connection, self.back = self.socket.accept()
            self.connection.settimeout(5)
        head = self.connection.recv(2, socket.MSG_WAITALL)
        if not head:
            return b''  # it has ended
        size = struct.unpack('!H', head)[0]
        return head + self.connection.recv(size, socket.MSG_WAITALL)

    def hears(self):
        waits = self.connection or self.socket
        return bool(select.select([waits], [], [], SILENCE)[0])

    def send(self, data):
        if self.tcp:
            self.connection.sendall(data)
        else:
            self.socket.sendto(data, self.back)


class Client:
    def __init__(self, transport, port, user, password, version):
        self.tcp = transport == 'tcp'
        self.user, self.password = user, password
        self.version, self.way, self.number = version, SHA1, 0
        self.socket = socket.socket(
            socket.AF_INET,
            socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.connect(('127.0.0.1', port))

    def mac(self, covered):
        key, digest, filled = self.way
        secret = hashlib.new(
            key, self.user + b':' + self.realm + b':' + self.password).digest()
        if filled:
            covered += bytes(-len(covered) % 64)
        return hmac.new(secret, covered, digest).digest()

    def message(self, kind, attributes, sign=True):
        attributes = [(COOKIE, MAGIC),
                      (VERSION, struct.pack('!I', self.version)), *attributes]
        if sign:
            attributes.insert(2, (USER, self.user))
        body = b''.join(struct.pack('!HH', kind, len(value)) + value
                        for kind, value in attributes)
        size = hashlib.new(self.way[1]).digest_size
        self.id = os.urandom(16)
        length = len(body) + (4 + size if sign else 0)
        wire = struct.pack('!HH', kind, length) + self.id + body
        if sign:
            wire += struct.pack('!HH', INTEGRITY, size) + self.mac(wire)
        return wire

    def put(self, wire, kind=2):
        if self.tcp:
            wire = struct.pack('!BBH', kind, 0, len(wire)) + wire
        self.socket.sendall(wire)

    def receive(self):
        """One unit: its kind of frame (2 control, 3 data) and its octets."""
        if not self.tcp:
            return 2, self.socket.recv(2048)
        head = self.socket.recv(4, socket.MSG_WAITALL)
        kind, _, size = struct.unpack('!BBH', head)
        return kind, self.socket.recv(size, socket.MSG_WAITALL)

    def answer(self, signed=True):
        wire = self.receive()[1]
        kind, length = struct.unpack('!HH', wire[:4])
        require(length == len(wire) - 20, 'the length of an answer')
        values, at = {}, 20
        while at < len(wire):
            attribute, size = struct.unpack('!HH', wire[at:at + 4])
            values[attribute] = wire[at + 4:at + 4 + size]
            if attribute == INTEGRITY:
                require(at + 4 + size == len(wire), 'integrity comes last')
                require(values[INTEGRITY] == self.mac(wire[:at]),
                        f'an answer is protected by {self.way}')
            at += 4 + size
        require(kind == 0x0115 or wire[4:20] == self.id, 'the id of an answer')
        require(not signed or INTEGRITY in values, 'an answer is protected')
        return kind, values

    def allocate(self, *attributes, way=SHA1):
        self.way = SHA1
        self.put(self.message(ALLOCATE, [], sign=False))
        kind, values = self.answer(signed=False)
        require(kind == 0x0113 and values[ERROR][2:4] == b'\x04\x01',
                'the first Allocate is challenged')
        self.told(values)
        self.realm, self.nonce = values[REALM], values[NONCE]
        self.way = way
        return self.again(*attributes)

    def again(self, *attributes):
        self.put(self.message(ALLOCATE, [(REALM, self.realm),
                                         (NONCE, self.nonce), *attributes]))
        kind, values = self.answer()
        require(kind == 0x0103, f'version {self.version} by {self.way}: '
                f'{kind:04x} {values.get(ERROR)}')
        self.told(values)
        self.connection_id = values[SEQUENCE][:20]
        return values

    def told(self, values):
        told = struct.unpack('!I', values[VERSION])[0]
        require(told == max(2, min(self.version, 4)),
                f'version {self.version} is told {told}')

    def counted(self, peer):
        self.number += 1
        return [(DESTINATION, address(*peer.at)),
                (SEQUENCE, self.connection_id + struct.pack('!I', self.number))]

    def unit(self, data):
        """What goes from end to end: media over TCP is framed (RFC 4571)."""
        return struct.pack('!H', len(data)) + data if self.tcp else data

    def say(self, peer, data):
        self.put(self.message(SEND, [*self.counted(peer), (DATA, data)]))

    def exchange(self, peer, relayed=None):
        """Out by Send and back by a Data Indication."""
        out, back = self.unit(b'to the peer'), self.unit(b'to the client')
        self.say(peer, out)
        require(peer.receive() == out, 'a peer is reached')
        if relayed is not None:
            require(peer.back[:2] == relayed, 'by the relayed address')
        peer.send(back)
        kind, values = self.answer(signed=False)
        require(kind == 0x0115 and values[DATA] == back and
                parse_address(values[REMOTE]) == peer.at, 'a peer is heard')


def main(transport, port, user, password):
    tcp = transport == 'tcp'

    def client(version):
        return Client(transport, port, user, password, version)

    def held(what):
        print(what, flush=True)

    for version in (1, 2, 3, 4, 6):
        one = client(version)
        values = one.allocate((FAMILY, b'\x01\0\0\0'))
        require(ALTERNATE not in values, 'one family is asked for')
        one.exchange(Peer(tcp, '127.0.0.1'), parse_address(values[MAPPED]))
        held(f'version {version} by SHA-1')
    for way in SHA256:
        one = client(3)
        values = one.allocate(way=way)
        require(ALTERNATE not in values, 'version 3 knows IPv4 alone')
        one.exchange(Peer(tcp, '127.0.0.1'), parse_address(values[MAPPED]))
        held(f'version 3 by {way}')

    # Who changes over stays there.
    one = client(3)
    one.allocate()
    peer = Peer(tcp, '127.0.0.1')
    one.exchange(peer)
    one.way = SHA256[2]
    one.exchange(peer)
    one.again()
    one.way = SHA1
    one.say(peer, b'led back')
    require(not peer.hears(), 'SHA-1 is not taken any more')
    one.way = SHA256[2]
    one.exchange(peer)
    held('changed over from SHA-1')

    # IPv6 beside IPv4.
    one = client(4)
    values = one.allocate(way=SHA256[0])
    relayed = parse_address(values[MAPPED])
    relayed6 = parse_address(values[ALTERNATE])
    require(relayed[0] == '127.0.0.1' and relayed6[0] == '::1', 'both families')
    four, six = Peer(tcp, '127.0.0.1'), Peer(tcp, '::1')
    one.exchange(four, relayed)
    one.exchange(six, relayed6)
    one.put(one.message(ACTIVE, one.counted(six)))
    require(one.answer()[0] == 0x0106, 'an IPv6 peer is the active one')
    out, back = one.unit(b'\x80 bare'), one.unit(b'\x80 back')
    one.put(out, kind=3)
    require(six.receive() == out, 'bare to IPv6')
    six.send(back)
    require(one.receive() == (3 if tcp else 2, back), 'bare from IPv6')
    one.exchange(four)
    one.again((LIFETIME, bytes(4)))
    one.say(four, b'late')
    one.say(six, b'late')
    require(not any(peer.hears() and peer.receive() for peer in (four, six)),
            'both ended')
    held('version 4: IPv4 and IPv6')

    one = client(4)
    values = one.allocate((FAMILY, b'\x02\0\0\0'), way=SHA256[0])
    require(parse_address(values[MAPPED])[0] == '::1' and
            ALTERNATE not in values, 'IPv6 alone')
    one.exchange(Peer(tcp, '::1'), parse_address(values[MAPPED]))
    held('version 4: IPv6 alone')

    # A wrong password, by either hash.
    for way in (SHA1, SHA256[0]):
        one = client(4)
        one.allocate(way=way)
        peer = Peer(tcp, '127.0.0.1')
        one.password = b'x' * len(password)
        one.say(peer, b'forged')
        require(not peer.hears(), 'a wrong password is dropped')
    held('wrong passwords')
    print('all held')


if __name__ == '__main__':
    # However it goes, it ends.
    timer = threading.Timer(25, lambda: os._exit(1))
    timer.daemon = True
    timer.start()
    main(sys.argv[1], int(sys.argv[2]), base64.b64decode(sys.argv[3]),
         base64.b64decode(sys.argv[4]))
