"""Good messages of each protocol, as bytes: seeds for mutation, and probes."""

import os
import struct

MAGIC = 0x2112A442


def stun(method_class, attributes=b'', transaction=None):
    """A STUN message; `method_class` is the 14-bit type on the wire."""
    transaction = transaction or os.urandom(12)
    return struct.pack('>HHI', method_class, len(attributes), MAGIC) + transaction + attributes


def attribute(kind, value):
    return struct.pack('>HH', kind, len(value)) + value + b'\0' * (-len(value) % 4)


def stun_seeds():
    """Binding, Allocate, Refresh, CreatePermission, ChannelBind, Send, data."""
    transport = attribute(0x0019, b'\x11\0\0\0')
    peer = attribute(0x0012, b'\0\x01' + struct.pack('>H', 9 ^ 0x2112) + struct.pack('>I', 0x7f000001 ^ MAGIC))
    auth = (attribute(0x0006, b'someone') + attribute(0x0014, b'sallyport') +
            attribute(0x0015, b'obMatJos2AAAB' + b'n' * 24) + attribute(0x0008, b'\0' * 20))
    t = b'\x01' * 12
    return [
        stun(0x0001, transaction=t),
        stun(0x0003, transport, t),
        stun(0x0003, transport + attribute(0x0017, b'\x02\0\0\0') + auth, t),
        stun(0x0003, transport + attribute(0x0018, b'\x80') + attribute(0x000d, struct.pack('>I', 600)) + auth, t),
        stun(0x0004, attribute(0x000d, struct.pack('>I', 0)) + auth, t),
        stun(0x0008, peer + auth, t),
        stun(0x0009, attribute(0x000c, b'\x40\0\0\0') + peer + auth, t),
        stun(0x0016, peer + attribute(0x0013, b'hello'), t),
        b'\x40\0\0\x08ABCDEFGH',
        b'\x80\0' + b'\0\x01' + b'\0' * 8 + b'x' * 160,
        b'\x16\xfe\xfd' + b'\0' * 60,
    ]


def ms_turn_seeds():
    """Frames of the A/V Edge dialect, and the hello of its pseudo-TLS."""
    def message(kind, *attributes):
        # Attributes are not padded here.
        body = bytes.fromhex('000f000472c64bc6') + b''.join(
            struct.pack('>HH', number, len(value)) + value for number, value in attributes)
        whole = struct.pack('>HH', kind, len(body)) + b'\x05' * 16 + body
        return struct.pack('>BBH', 2, 0, len(whole)) + whole
    peer = b'\0\x01' + struct.pack('>HI', 40000, 0x7f000001)
    auth = [(0x0006, b'octets'), (0x0015, b'sallyport'), (0x0014, b'n' * 24), (0x0008, b'\0' * 20)]
    sequence = (0x8050, b'c' * 20 + struct.pack('>I', 1))
    return [
        message(0x0003, (0x8008, struct.pack('>I', 1))),
        message(0x0003, (0x8008, struct.pack('>I', 1)), (0x000d, struct.pack('>I', 600)), *auth),
        message(0x0004, (0x0011, peer), sequence, (0x0013, b'hello'), *auth),
        message(0x0006, (0x0011, peer), sequence, *auth),
        struct.pack('>BBH', 3, 0, 5) + b'media',
        bytes.fromhex('160301002d010000290301') + b'r' * 32 + bytes.fromhex('00000200180100'),
    ]


SDP = ('v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n'
       'm=audio 40000 RTP/SAVP 0 8 101\r\n'
       'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n'
       'a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n')


def sip(method, transport, headers='', body='', branch='z9hG4bK-probe', user='9001'):
    text = (f'{method} sip:{user}@demo.sallyport.test SIP/2.0\r\n'
            f'Via: SIP/2.0/{transport} 127.0.0.1:50999;branch={branch};rport\r\n'
            f'Max-Forwards: 70\r\nFrom: "Probe" <sip:probe@demo.sallyport.test>;tag=p1\r\n'
            f'To: <sip:{user}@demo.sallyport.test>\r\nCall-ID: {branch}@probe\r\n'
            f'CSeq: 1 {method}\r\nContact: <sip:probe@127.0.0.1:50999>\r\n{headers}')
    if body:
        text += f'Content-Type: application/sdp\r\n'
    return (text + f'Content-Length: {len(body)}\r\n\r\n{body}').encode()


def sip_seeds(transport):
    digest = ('Authorization: Digest username="1001", realm="demo.sallyport.test", nonce="abc", '
              'uri="sip:demo.sallyport.test", response="00000000000000000000000000000000", '
              'algorithm=MD5, qop=auth, nc=00000001, cnonce="c"\r\n')
    return [
        sip('OPTIONS', transport),
        sip('REGISTER', transport, digest + 'Expires: 60\r\n'),
        sip('INVITE', transport, 'Supported: 100rel, timer, replaces\r\nSession-Expires: 1800\r\n'
            'Route: <sip:127.0.0.1;lr>\r\n', SDP),
        sip('INVITE', transport, 'Require: nothing\r\nP-Asserted-Identity: <tel:+15550100>\r\n', SDP.replace('SAVP', 'AVP')),
        sip('ACK', transport), sip('BYE', transport), sip('CANCEL', transport),
        sip('SUBSCRIBE', transport, 'Event: message-summary\r\nExpires: 60\r\n'),
        sip('REFER', transport, 'Refer-To: <sip:a@b?Replaces=1%3Bto-tag%3D2>\r\n'),
        sip('MESSAGE', transport, '', 'hello'),
        (b'SIP/2.0 200 OK\r\nVia: SIP/2.0/' + transport.encode() + b' 127.0.0.1;branch=z9hG4bKx\r\n'
         b'From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: r\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n'),
        b'\r\n\r\n',
    ]


def capf_seeds():
    """CAPF frames as pki.md 2.6 shows them."""
    def element(tag, value):
        return struct.pack('>BH', tag, len(value)) + value

    def frame(opcode, payload):
        return struct.pack('>BBIH', 0x55, opcode, 1, len(payload)) + payload
    name = element(0x0d, b'SEP001122334455\0')
    return [
        frame(2, element(1, b'\1') + element(7, b'\3') + element(0x0b, b'123456\0') + name),
        frame(2, element(7, b'\2') + name + element(1, b'\1')),
        frame(17, b''),
        frame(4, element(9, b'\x30\x82\x01\x22' + b'\x05' * 290)),
        frame(10, element(1, b'\1')),
        frame(12, element(1, b'\1') + element(4, b'\1\0\6\0\1\x30\x03\2\1\0')),
    ]


def http_seeds():
    return [b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n', b'GET /healthz HTTP/1.0\r\n\r\n',
            b'POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello']


def grpc_seeds():
    """The start of a gRPC connection without TLS, and a TLS ClientHello's head."""
    return [b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0',
            b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + b'r' * 32 + b'\x20' + b's' * 32 + b'\0\x02\x13\x01\x01\0' + b'\0' * 60]
