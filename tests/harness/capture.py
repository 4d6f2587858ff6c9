"""What somebody on the wire can read: a tshark capture, taken apart."""

import math
import os
import struct
import subprocess

from tests.harness.process import Failed, Process, wait_until


class Capture:
    """tshark on the loopback interface with a capture filter."""

    def __init__(self, folder, name, capture_filter):
        self.path = os.path.join(folder, name + '.pcap')
        self.process = Process(
            'tshark', ['tshark', '-q', '-i', 'lo', '-F', 'pcap', '-w', self.path,
                       '-f', capture_filter], os.path.join(folder, name + '.tshark.log'))

    def start(self):
        self.process.start()
        self.process.wait_for(lambda: 'Capturing on' in self.process.text()
                              and os.path.exists(self.path),
                              'tshark captures on the loopback interface', 15)
        # tshark says so a little before its dumpcap child reads packets.
        wait_until(lambda: os.path.getsize(self.path) >= 24, 'the capture file begins', 10)
        return self

    def stop(self):
        self.process.stop()

    def packets(self):
        """(protocol, source, destination, payload); addresses are (ip, port)."""
        with open(self.path, 'rb') as f:
            data = f.read()
        if len(data) < 24 or data[:4] not in (b'\xd4\xc3\xb2\xa1', b'\x4d\x3c\xb2\xa1'):
            raise Failed(f'{self.path} is not a capture')
        link = struct.unpack('<I', data[20:24])[0]
        at = 24
        while at + 16 <= len(data):
            length = struct.unpack('<I', data[at + 8:at + 12])[0]
            frame = data[at + 16:at + 16 + length]
            at += 16 + length
            ip = frame[14:] if link == 1 else frame[16:]
            if len(ip) < 20 or ip[0] >> 4 != 4:
                continue
            head = (ip[0] & 15) * 4
            source = '.'.join(map(str, ip[12:16]))
            target = '.'.join(map(str, ip[16:20]))
            body = ip[head:struct.unpack('>H', ip[2:4])[0]]
            if ip[9] == 17 and len(body) >= 8:
                sport, dport = struct.unpack('>HH', body[:4])
                yield 'udp', (source, sport), (target, dport), body[8:]
            elif ip[9] == 6 and len(body) >= 20:
                sport, dport = struct.unpack('>HH', body[:4])
                yield 'tcp', (source, sport), (target, dport), body[(body[12] >> 4) * 4:]

    def dissected(self, display_filter):
        """How many packets tshark itself recognises as `display_filter`."""
        done = subprocess.run(['tshark', '-r', self.path, '-Y', display_filter,
                               '-T', 'fields', '-e', 'frame.number'],
                              capture_output=True, text=True, timeout=60)
        return len(done.stdout.split())


def mulaw_to_linear(byte):
    byte = ~byte & 0xFF
    value = ((byte & 0x0F) << 3) + 0x84
    value = (value << ((byte & 0x70) >> 4)) - 0x84
    return -value if byte & 0x80 else value


def tone_share(payload, hertz=440.0, rate=8000.0):
    """Share of the energy of G.711 mu-law `payload` that is this tone, 0 to 1.

    A readable tone is near 1; ciphertext, read as audio, is near 0.
    """
    samples = [mulaw_to_linear(b) for b in payload]
    energy = sum(s * s for s in samples)
    if not samples or not energy:
        return 0.0
    real = sum(s * math.cos(2 * math.pi * hertz * i / rate) for i, s in enumerate(samples))
    imaginary = sum(s * math.sin(2 * math.pi * hertz * i / rate) for i, s in enumerate(samples))
    return 2 * (real * real + imaginary * imaginary) / (len(samples) * energy)


def rtp_payloads(packets, port):
    """Payloads of RTP-shaped UDP packets from or to `port`: no extension read."""
    found = []
    for kind, source, target, payload in packets:
        if kind != 'udp' or port not in (source[1], target[1]):
            continue
        if len(payload) >= 172 and payload[0] >> 6 == 2 and payload[1] & 0x7F == 0:
            found.append(payload[12:172])
    return found
