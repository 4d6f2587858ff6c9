"""A voicemail server's port that speaks SCCP, with SRTP media.

Written from the message tables of the protocol's public descriptions alone; it
shares no line with the service that it tries. Frames are kept, so that others
(tshark) can read them too.
"""

import os
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

import pylibsrtp

from tests.harness.process import Failed

# Sent by a port.
KEEP_ALIVE, REGISTER, KEYPAD, ENBLOC, OFF_HOOK, ON_HOOK = 0x0000, 0x0001, 0x0003, 0x0004, 0x0006, 0x0007
LINE_STAT_REQ, CONFIG_STAT_REQ, TIME_DATE_REQ, BUTTON_TEMPLATE_REQ = 0x000B, 0x000C, 0x000D, 0x000E
VERSION_REQ, CAPABILITIES_RES, ALARM, OPEN_ACK = 0x000F, 0x0010, 0x0020, 0x0022
OFF_HOOK_FOR, SOFT_KEY_SET_REQ, SOFT_KEY, UNREGISTER = 0x0024, 0x0025, 0x0026, 0x0027
SOFT_KEY_TEMPLATE_REQ, AVAILABLE_LINES, MWI, START_MEDIA_ACK = 0x0028, 0x002D, 0x004C, 0x0154
# Sent to a port.
REGISTER_ACK, START_TONE, STOP_TONE, SET_RINGER, SET_LAMP = 0x0081, 0x0082, 0x0083, 0x0085, 0x0086
START_MEDIA, STOP_MEDIA, CALL_INFO, LINE_STAT, CONFIG_STAT = 0x008A, 0x008B, 0x008F, 0x0092, 0x0093
TIME_DATE, BUTTON_TEMPLATE, VERSION, CAPABILITIES_REQ, REJECT = 0x0094, 0x0097, 0x0098, 0x009B, 0x009D
RESET, KEEP_ALIVE_ACK, OPEN, CLOSE, CALL_STATE = 0x009F, 0x0100, 0x0105, 0x0106, 0x0111
UNREGISTER_ACK, LINE_STAT_DYNAMIC, CALL_INFO_DYNAMIC, MWI_RESPONSE = 0x0118, 0x0147, 0x014A, 0x0158
# States of a call.
OFFHOOK_STATE, ONHOOK_STATE, RING_OUT, RING_IN, CONNECTED, BUSY = 1, 2, 3, 4, 5, 6

VOICEMAIL_PORT = 80
G711_ALAW, G711_ULAW = 2, 4
KEYS = {**{str(n): n for n in range(10)}, '*': 14, '#': 15}


def u32(*values):
    return struct.pack(f'<{len(values)}I', *values)


def text(value, size):
    return value.encode().ljust(size, b'\0')


def zero_ended(field):
    return field.split(b'\0', 1)[0].decode()


def mint_authority(folder, name):
    """A root of its own, such as a voicemail server makes."""
    os.makedirs(folder, exist_ok=True)
    _openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
             '-days', '30', '-subj', f'/CN={name}', '-addext', 'basicConstraints=critical,CA:TRUE',
             '-addext', 'keyUsage=critical,keyCertSign,cRLSign',
             '-keyout', f'{folder}/{name}.key', '-out', f'{folder}/{name}.pem')


def mint_certificate(folder, authority, common_name, usage='clientAuth'):
    """A leaf with that CN and no other name; its path without suffix."""
    base = f'{folder}/{authority}-{common_name}-{usage}'
    _openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
             '-subj', f'/CN={common_name}', '-keyout', f'{base}.key', '-out', f'{base}.csr')
    with open(f'{base}.ext', 'w', encoding='utf-8') as f:
        f.write('basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
                f'extendedKeyUsage={usage}\n')
    _openssl('x509', '-req', '-in', f'{base}.csr', '-CA', f'{folder}/{authority}.pem',
             '-CAkey', f'{folder}/{authority}.key', '-days', '10', '-extfile', f'{base}.ext',
             '-set_serial', '0x' + os.urandom(12).hex(), '-out', f'{base}.pem')
    return base


def _openssl(*arguments):
    done = subprocess.run(['openssl', *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f'openssl {arguments[0]}: {done.stderr.strip()}')


class Closed(Failed):
    """The far side has ended the connection."""


class SccpPort:
    """One port. Methods that wait raise Failed when nothing comes."""

    def __init__(self, device, edge, local, certificate=None, ca=None, version=11, port=2443):
        """`certificate` is a path without .pem and .key; None: no certificate.
        `ca` None: no TLS at all."""
        self.device, self.local, self.version = device, local, version
        self.frames = []    # every one that came, as (id, body)
        self.received = b''  # the octets of them
        self._buffer = b''
        self.media = None
        plain = socket.create_connection((edge, port), 5)
        if ca is None:
            self.socket = plain
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(ca)
        if certificate:
            context.load_cert_chain(f'{certificate}.pem', f'{certificate}.key')
        self.socket = context.wrap_socket(plain)

    def close(self):
        if self.media:
            self.media.stop()
        self.socket.close()

    # -- frames --------------------------------------------------------------

    def send(self, message, body=b''):
        body += b'\0' * (-len(body) % 4)
        self.socket.sendall(u32(len(body) + 4, self.version, message) + body)

    def send_octets(self, octets):
        self.socket.sendall(octets)

    def next(self, timeout=5.0):
        """The next frame, or None when none comes."""
        end = time.monotonic() + timeout
        while True:
            if len(self._buffer) >= 12:
                length, = struct.unpack_from('<I', self._buffer)
                if len(self._buffer) >= 8 + length:
                    frame, self._buffer = self._buffer[:8 + length], self._buffer[8 + length:]
                    self.received += frame
                    message, = struct.unpack_from('<I', frame, 8)
                    self.frames.append((message, frame[12:]))
                    return self.frames[-1]
            pending = getattr(self.socket, 'pending', lambda: 0)()
            left = end - time.monotonic()
            if not pending and (left <= 0 or not select.select([self.socket], [], [], left)[0]):
                return None
            try:
                data = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError) as e:
                raise Closed(f'{self.device}: {e}') from e
            if not data:
                raise Closed(f'{self.device}: the connection was closed')
            self._buffer += data

    def wait(self, message, timeout=5.0, where=None):
        """The body of the next frame of this id for which `where` holds."""
        end = time.monotonic() + timeout
        while True:
            frame = self.next(max(0.0, end - time.monotonic()))
            if frame is None:
                raise Failed(f'{self.device}: no message {message:#06x}; there were '
                             + ' '.join(f'{f[0]:#x}' for f in self.frames[-12:]))
            if frame[0] == message and (where is None or where(frame[1])):
                return frame[1]

    def wait_state(self, state, timeout=5.0):
        """The call reference of the next call in that state."""
        body = self.wait(CALL_STATE, timeout, lambda b: struct.unpack_from('<I', b)[0] == state)
        return struct.unpack_from('<I', body, 8)[0]

    def wait_closed(self, timeout=5.0):
        """The ids of what came before the far side hung up."""
        seen = []
        end = time.monotonic() + timeout
        try:
            while time.monotonic() < end:
                frame = self.next(0.5)
                if frame:
                    seen.append(frame[0])
        except Closed:
            return seen
        raise Failed(f'{self.device}: the connection stays')

    # -- registration ---------------------------------------------------------

    def register_body(self, device_type=VOICEMAIL_PORT):
        return (text(self.device, 16) + u32(0, 1) + socket.inet_aton(self.local) + u32(device_type, 2, 0)
                + bytes([self.version, 0, 0, 0]) + u32(1, 0) + bytes(12) + u32(0, 1) + bytes(16) + u32(0)
                + text('UM-test', 32))

    def register(self):
        self.send(ALARM, u32(2) + text('port starts', 80) + u32(0, 0))
        self.send(REGISTER, self.register_body())
        ack = self.wait(REGISTER_ACK)
        keepalive, = struct.unpack_from('<I', ack)
        self.version = ack[16]
        self.wait(CAPABILITIES_REQ)
        self.send(CAPABILITIES_RES, u32(2) + b''.join(
            u32(codec, 40) + bytes(8) for codec in (G711_ULAW, G711_ALAW)))
        self.send(BUTTON_TEMPLATE_REQ)
        buttons = self.wait(BUTTON_TEMPLATE)
        if buttons[12:14] != b'\x01\x09' or len(buttons) != 12 + 84:
            raise Failed('the template has no line key')
        for query in (SOFT_KEY_TEMPLATE_REQ, SOFT_KEY_SET_REQ, VERSION_REQ):
            self.send(query)
        self.wait(VERSION)
        self.send(CONFIG_STAT_REQ)
        if zero_ended(self.wait(CONFIG_STAT)[:16]) != self.device:
            raise Failed('the configuration is another device\'s')
        self.send(LINE_STAT_REQ, u32(1))
        if self.version >= 17:
            number = zero_ended(self.wait(LINE_STAT_DYNAMIC)[8:])
        else:
            number = zero_ended(self.wait(LINE_STAT)[4:28])
        self.send(AVAILABLE_LINES, u32(1))
        self.send(TIME_DATE_REQ)
        date = struct.unpack_from('<9I', self.wait(TIME_DATE))
        if abs(date[8] - time.time()) > 5 or date[0] != time.gmtime().tm_year:
            raise Failed(f'the clock shows {date}')
        return {'keepalive': keepalive, 'number': number, 'version': self.version}

    def keep_alive(self):
        self.send(KEEP_ALIVE)
        self.wait(KEEP_ALIVE_ACK)

    # -- calls -----------------------------------------------------------------

    def call_info(self, timeout=5.0):
        """Numbers and security of the next CallInfo."""
        if self.version >= 17:
            body = self.wait(CALL_INFO_DYNAMIC, timeout)
            head = struct.unpack_from('<8I', body)
            words = [w.decode() for w in body[32:].split(b'\0')]
            return {'calling': words[0], 'called': words[2], 'original': words[3], 'last': words[4],
                    'type': head[2], 'security': head[6]}
        body = self.wait(CALL_INFO, timeout)
        return {'calling': zero_ended(body[40:64]), 'called': zero_ended(body[104:128]),
                'type': struct.unpack_from('<I', body, 136)[0],
                'original': zero_ended(body[180:204]), 'last': zero_ended(body[244:268]),
                'security': struct.unpack_from('<I', body, 376)[0]}

    def off_hook(self, call=0):
        self.send(OFF_HOOK, u32(1, call))

    def on_hook(self, call=0):
        self.send(ON_HOOK, u32(1, call))

    def dial(self, number, call=0):
        for key in number:
            self.send(KEYPAD, u32(KEYS[key], 1, call))

    def soft_key(self, event, call=0):
        self.send(SOFT_KEY, u32(event, 1, call))

    def open_channel(self, timeout=10.0):
        """Does what the next OpenReceiveChannel asks for."""
        body = self.wait(OPEN, timeout)
        _, party, ms, codec, _, _, call = struct.unpack_from('<7I', body)
        algorithm, key = encryption(body, 28)
        if codec not in (G711_ULAW, G711_ALAW) or ms != 20:
            raise Failed(f'codec {codec}, {ms} ms')
        if self.media:
            self.media.stop()
        self.media = Media(self.local, codec, key)
        address = socket.inet_aton(self.local)
        if self.version >= 17:
            address = u32(0) + address + bytes(12)
        self.send(OPEN_ACK, u32(0) + address + u32(self.media.port, party, call))
        return {'algorithm': algorithm, 'key': key}

    def start_media(self, timeout=10.0):
        """Does what the next StartMediaTransmission asks for."""
        body = self.wait(START_MEDIA, timeout)
        if self.version >= 17:
            if struct.unpack_from('<I', body, 8)[0] != 0:
                raise Failed('the address is not IPv4')
            address, rest = body[12:16], 28
        else:
            address, rest = body[8:12], 12
        port, ms, codec = struct.unpack_from('<3I', body, rest)
        algorithm, key = encryption(body, rest + 32)
        self.media.start((socket.inet_ntoa(address), port), key)
        return {'algorithm': algorithm, 'key': key, 'codec': codec, 'ms': ms}

    def lamp(self, target, on, packed=True):
        """Asks for a lamp; the result that the far side tells."""
        counts = u32(1 if on else 0, 1 if on else 0, 0, 0, 0, 0, 0, 0, 0)
        gap = b'' if packed else bytes(2)
        self.send(MWI, text(target, 25) + text('5000', 25) + gap + counts)
        body = self.wait(MWI_RESPONSE)
        if zero_ended(body[:25]) != target:
            raise Failed('the response is of another lamp')
        return struct.unpack_from('<I', body, 25)[0]


def encryption(body, offset):
    """Algorithm and master key with salt of an EncryptionInfo."""
    algorithm, key_length, salt_length = struct.unpack_from('<IHH', body, offset)
    key = body[offset + 8:offset + 24][:key_length]
    salt = body[offset + 24:offset + 40][:salt_length]
    return algorithm, key + salt


class Media(threading.Thread):
    """RTP or, with keys, SRTP: sends G.711 and counts what it can read."""

    PROFILE = pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80

    def __init__(self, local, codec, receive_key):
        super().__init__(daemon=True)
        self.codec = codec
        self.good = self.bad = self.sent = 0
        self._receive_key = receive_key
        self._session = self._policy(receive_key, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self._ended = threading.Event()
        for _ in range(50):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((local, 0))
            self.port = self._socket.getsockname()[1]
            if self.port % 2 == 0:
                break
            self._socket.close()
        self._remote = self._out = None
        self.others = 0  # read by a key that is not ours

    def _policy(self, key, kind):
        if not key:
            return None
        return pylibsrtp.Session(policy=pylibsrtp.Policy(
            key=key, ssrc_type=kind, srtp_profile=self.PROFILE))

    def start(self, remote, key):
        self._remote = remote
        self._out = self._policy(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        super().start()

    def run(self):
        wrong = self._policy(bytes(30), pylibsrtp.Policy.SSRC_ANY_INBOUND)
        ssrc, sequence, stamp = struct.unpack('<I', os.urandom(4))[0], 1000, 0
        payload = 0 if self.codec == G711_ULAW else 8
        due = time.monotonic()
        while not self._ended.is_set():
            packet = struct.pack('!BBHII', 0x80, payload, sequence & 0xFFFF, stamp, ssrc) + b'\xd5' * 160
            if self._out:
                packet = self._out.protect(packet)
            self._socket.sendto(packet, self._remote)
            self.sent += 1
            sequence, stamp, due = sequence + 1, stamp + 160, due + 0.02
            while (left := due - time.monotonic()) > 0:
                if not select.select([self._socket], [], [], left)[0]:
                    break
                self._receive(self._socket.recv(2048), wrong)

    def _receive(self, packet, wrong):
        if self._session is None:
            self.good += len(packet) == 172
            return
        if wrong:
            try:
                wrong.unprotect(packet)
                self.others += 1
            except pylibsrtp.Error:
                pass
        try:
            plain = self._session.unprotect(packet)
            self.good += len(plain) == 172 and plain[0] == 0x80
        except pylibsrtp.Error:
            self.bad += 1

    def stop(self):
        self._ended.set()
        if self.is_alive():
            self.join()
        self._socket.close()
