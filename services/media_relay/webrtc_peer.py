#!/usr/bin/python3
"""A WebRTC peer of other hands (aiortc: ICE by aioice, DTLS by OpenSSL, SRTP by
libsrtp) for webrtc_peer_test.

Reads one line, the relay's leg as JSON (address, port, ufrag, password,
fingerprint, setup, type); writes one line with its own answer or, if the type
is "answer", its own offer; exchanges PCMU with the relay for `seconds`; writes
one line with what it sent and received.
"""

import asyncio
import fractions
import json
import sys

import aioice.ice
import av
import numpy
from aiortc import (MediaStreamTrack, RTCPeerConnection,
                    RTCSessionDescription)
from aiortc.mediastreams import MediaStreamError

# aioice leaves loopback out, which is all that this test wants.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ['127.0.0.1']


class Tone(MediaStreamTrack):
    """A tone of 400 Hz, 8000 samples a second, 20 ms a frame."""
    kind = 'audio'

    def __init__(self):
        super().__init__()
        self._next = None
        self._samples = 0

    async def recv(self):
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._next = loop.time()
        self._next += 0.02
        await asyncio.sleep(max(0, self._next - loop.time()))
        place = numpy.arange(self._samples, self._samples + 160)
        samples = (8000 * numpy.sin(place * 2 * numpy.pi * 400 / 8000))
        frame = av.AudioFrame.from_ndarray(
            samples.astype(numpy.int16).reshape(1, -1), 's16', 'mono')
        frame.sample_rate = 8000
        frame.time_base = fractions.Fraction(1, 8000)
        frame.pts = self._samples
        self._samples += 160
        return frame


def description_of(leg):
    lines = [
        'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0',
        'a=ice-lite', 'a=group:BUNDLE 0',
        f'm=audio {leg["port"]} UDP/TLS/RTP/SAVPF 0',
        f'c=IN IP4 {leg["address"]}', 'a=mid:0', 'a=rtcp-mux', 'a=sendrecv',
        'a=rtpmap:0 PCMU/8000', f'a=ice-ufrag:{leg["ufrag"]}',
        f'a=ice-pwd:{leg["password"]}', f'a=fingerprint:{leg["fingerprint"]}',
        f'a=setup:{leg["setup"]}',
        f'a=candidate:1 1 udp 2130706431 {leg["address"]} {leg["port"]} typ host',
        'a=end-of-candidates',
    ]
    return RTCSessionDescription('\r\n'.join(lines) + '\r\n', leg['type'])


def attribute(sdp, name):
    for line in sdp.splitlines():
        if line.startswith(f'a={name}:'):
            return line.split(':', 1)[1].strip()
    return ''


async def heard(track, result):
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        result['frames'] += 1
        result['loudest'] = max(result['loudest'],
                                int(abs(frame.to_ndarray()).max()))


async def main():
    leg = json.loads(sys.stdin.readline())
    peer = RTCPeerConnection()
    result = {'frames': 0, 'loudest': 0}
    peer.on('track', lambda track: asyncio.ensure_future(heard(track, result)))
    if leg['type'] == 'offer':
        await peer.setRemoteDescription(description_of(leg))
        peer.addTrack(Tone())
        await peer.setLocalDescription(await peer.createAnswer())
    else:
        peer.addTrack(Tone())
        await peer.setLocalDescription(await peer.createOffer())
    sdp = peer.localDescription.sdp
    print(json.dumps({'ufrag': attribute(sdp, 'ice-ufrag'),
                      'fingerprint': attribute(sdp, 'fingerprint'),
                      'setup': attribute(sdp, 'setup')}), flush=True)
    if leg['type'] == 'answer':
        await peer.setRemoteDescription(description_of(leg))
    await asyncio.sleep(leg['seconds'])
    result['state'] = peer.connectionState
    result['sent'] = sum(report.packetsSent
                         for report in (await peer.getStats()).values()
                         if report.type == 'outbound-rtp')
    print(json.dumps(result), flush=True)
    await peer.close()


asyncio.run(main())
