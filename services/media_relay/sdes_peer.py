#!/usr/bin/python3
"""A far side of an SDES leg whose SRTP is another hand's: pylibsrtp, or
rtpengine with a far side in clear behind it.

    sdes_peer.py pylibsrtp|rtpengine SUITE

Reads a line `PORT KEY` of the relay's leg (key and salt, base64), writes its own,
reads an empty line, talks for two seconds and writes what it has heard as
`received=N audible=N failed=N`.
"""

import base64
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

LOOPBACK = '127.0.0.1'
# PCMU, 250 Hz, loud.
PAYLOAD = bytes(0x80 if i // 16 % 2 == 0 else 0 for i in range(160))


def packet(number):
    return struct.pack('!BBHII', 0x80, 0, number, number * 160, 7) + PAYLOAD


def udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((LOOPBACK, 0))
    sock.settimeout(0.005)
    return sock


def is_audible(rtp):
    return len(rtp) == 172 and rtp[1] & 0x7F == 0 and len(set(rtp[12:])) > 1


class Library:
    """libsrtp of the distribution, which is linked with another crypto library."""

    def __init__(self, suite):
        import pylibsrtp
        self.failure = pylibsrtp.Error
        self.policy, self.session = pylibsrtp.Policy, pylibsrtp.Session
        self.profile, length = {
            'AES_CM_128_HMAC_SHA1_80': (self.policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
            'AES_CM_128_HMAC_SHA1_32': (self.policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
            'AEAD_AES_128_GCM': (self.policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
            'AEAD_AES_256_GCM': (self.policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44)}[suite]
        self.key = os.urandom(length)
        self.sock = udp()

    def meet(self, port, key):
        self.relay = (LOOPBACK, port)
        self.outbound = self.make(self.key, self.policy.SSRC_ANY_OUTBOUND)
        self.inbound = self.make(key, self.policy.SSRC_ANY_INBOUND)
        return self.sock.getsockname()[1], self.key

    def make(self, key, kind):
        return self.session(policy=self.policy(key=key, ssrc_type=kind, srtp_profile=self.profile))

    def send(self, rtp):
        self.sock.sendto(self.outbound.protect(rtp), self.relay)

    def open(self, received):
        try:
            return self.inbound.unprotect(received)
        except self.failure:
            return None

    def end(self):
        pass


def bencode(value):
    if isinstance(value, dict):
        return b'd' + b''.join(bencode(k) + bencode(value[k]) for k in sorted(value)) + b'e'
    if isinstance(value, list):
        return b'l' + b''.join(map(bencode, value)) + b'e'
    data = value.encode()
    return b'%d:%s' % (len(data), data)


class Engine:
    """rtpengine, told by its ng protocol; what it has decrypted comes in clear."""

    def __init__(self, suite):
        self.suite = suite
        self.sock = udp()
        # It shares ports with others of its kind, so these are its own.
        first = 20000 + os.getpid() % 450 * 20
        control = udp()
        self.ng = control.getsockname()
        control.close()
        self.folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        with open(os.path.join(self.folder, 'log'), 'wb') as log:
            self.child = subprocess.Popen(
                ['rtpengine', '--foreground', '--log-stderr', '--config-file=none', '--table=-1',
                 f'--interface={LOOPBACK}', f'--listen-ng={LOOPBACK}:{self.ng[1]}',
                 f'--pidfile={self.folder}/pid', f'--port-min={first}', f'--port-max={first + 19}',
                 '--num-threads=1'], stdout=log, stderr=log)
        self.control = udp()
        self.control.settimeout(0.2)
        self.ask({'command': 'ping'})

    def ask(self, command):
        """The answer as it came; asked again until there is one."""
        cookie = os.urandom(4).hex().encode()
        for _ in range(50):
            self.control.sendto(cookie + b' ' + bencode(command), self.ng)
            try:
                answer = self.control.recv(65536)
            except OSError:
                time.sleep(0.05)
                continue
            if answer.startswith(cookie):
                return answer.decode()
        raise SystemExit('rtpengine does not answer: ' + open(f'{self.folder}/log').read()[-2000:])

    @staticmethod
    def sdp(port, profile, crypto=''):
        return (f'v=0\r\no=- 1 1 IN IP4 {LOOPBACK}\r\ns=-\r\nc=IN IP4 {LOOPBACK}\r\nt=0 0\r\n'
                f'm=audio {port} {profile} 0\r\n{crypto}a=rtpmap:0 PCMU/8000\r\n')

    @staticmethod
    def port(answer):
        return int(answer.split('m=audio ')[1].split()[0])

    def meet(self, port, key):
        call = {'call-id': 'c', 'from-tag': 'relay', 'ICE': 'remove', 'replace': ['origin']}
        inline = base64.b64encode(key).decode().rstrip('=')
        offered = self.ask(call | {
            'command': 'offer', 'transport-protocol': 'RTP/AVP',
            'sdp': self.sdp(port, 'RTP/SAVP', f'a=crypto:1 {self.suite} inline:{inline}\r\n')})
        self.relay = (LOOPBACK, self.port(offered))
        answered = self.ask(call | {
            'command': 'answer', 'to-tag': 'behind', 'sdp': self.sdp(self.sock.getsockname()[1], 'RTP/AVP')})
        chosen = answered.split('a=crypto:1 ')[1].split('\r\n')[0].split()
        if chosen[0] != self.suite:
            raise SystemExit(f'rtpengine chose {chosen[0]}')
        text = chosen[1].removeprefix('inline:').split('|')[0]
        return self.port(answered), base64.b64decode(text + '=' * (-len(text) % 4))

    def send(self, rtp):
        self.sock.sendto(rtp, self.relay)

    def open(self, received):
        return received

    def end(self):
        self.child.kill()
        self.child.wait()


def main():
    peer = {'pylibsrtp': Library, 'rtpengine': Engine}[sys.argv[1]](sys.argv[2])
    try:
        port, key = sys.stdin.readline().split()
        own_port, own_key = peer.meet(int(port), base64.b64decode(key))
        print(own_port, base64.b64encode(own_key).decode(), flush=True)
        sys.stdin.readline()
        received = audible = failed = sent = 0
        began = time.monotonic()
        while (now := time.monotonic() - began) < 2.5:
            if now < 2 and now >= sent * 0.02:
                peer.send(packet(sent))
                sent += 1
            try:
                rtp = peer.open(peer.sock.recv(2048))
            except OSError:
                continue
            if rtp is None:
                failed += 1
                continue
            received += 1
            audible += is_audible(rtp)
        print(f'sent={sent} received={received} audible={audible} failed={failed}', flush=True)
    finally:
        peer.end()


if __name__ == '__main__':
    main()
