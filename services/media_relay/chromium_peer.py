#!/usr/bin/python3
"""Chromium, without a window, as the WebRTC peer of webrtc_peer_test: the same
words on standard input and output as webrtc_peer.py. One page gets the relay's
leg as an SDP offer and posts its answer and then its statistics.
"""

import json
import sys

from chromium_page import run_page

PAGE = '''<!doctype html><title>peer</title><script>
const leg = %s;
const sdp = %s;
const post = (path, what) =>
    fetch(path, {method: 'POST', body: JSON.stringify(what)});
const field = (text, name) => {
  const line = text.split(/\\r?\\n/).find(l => l.startsWith('a=' + name + ':'));
  return line ? line.slice(name.length + 3) : '';
};
async function run() {
  const audio = new AudioContext({sampleRate: 48000});
  const tone = new OscillatorNode(audio, {frequency: 400});
  const out = audio.createMediaStreamDestination();
  tone.connect(out);
  tone.start();
  const peer = new RTCPeerConnection();
  let loudest = 0;
  peer.ontrack = event => {
    const stream = new MediaStream([event.track]);
    const element = new Audio();
    element.srcObject = stream;
    element.play();
    const meter = audio.createAnalyser();
    audio.createMediaStreamSource(stream).connect(meter);
    const samples = new Float32Array(meter.fftSize);
    setInterval(() => {
      meter.getFloatTimeDomainData(samples);
      for (const s of samples) loudest = Math.max(loudest, Math.abs(s));
    }, 20);
  };
  await peer.setRemoteDescription({type: 'offer', sdp});
  peer.addTrack(out.stream.getAudioTracks()[0], out.stream);
  await peer.setLocalDescription(await peer.createAnswer());
  const answer = peer.localDescription.sdp;
  await post('/answer', {ufrag: field(answer, 'ice-ufrag'),
                         fingerprint: field(answer, 'fingerprint'),
                         setup: field(answer, 'setup')});
  await new Promise(done => setTimeout(done, leg.seconds * 1000));
  const result = {state: peer.connectionState, frames: 0, sent: 0,
                  loudest: Math.round(loudest * 32768), tls: '', srtp: ''};
  (await peer.getStats()).forEach(report => {
    if (report.type == 'inbound-rtp') result.frames = report.packetsReceived;
    if (report.type == 'outbound-rtp') result.sent = report.packetsSent;
    if (report.type == 'transport') {
      result.tls = report.tlsVersion;
      result.srtp = report.srtpCipher;
    }
  });
  await post('/result', result);
}
run().catch(error => post('/result', {state: String(error)}));
</script>'''


def offer_of(leg):
    lines = [
        'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=ice-lite',
        'a=group:BUNDLE 0', 'a=msid-semantic: WMS relay',
        f'm=audio {leg["port"]} UDP/TLS/RTP/SAVPF 0',
        f'c=IN IP4 {leg["address"]}', 'a=mid:0', 'a=rtcp-mux', 'a=sendrecv',
        'a=msid:relay audio', 'a=rtpmap:0 PCMU/8000',
        f'a=ice-ufrag:{leg["ufrag"]}', f'a=ice-pwd:{leg["password"]}',
        f'a=fingerprint:{leg["fingerprint"]}', f'a=setup:{leg["setup"]}',
        f'a=candidate:1 1 udp 2130706431 {leg["address"]} {leg["port"]} typ host',
        'a=end-of-candidates',
    ]
    return '\r\n'.join(lines) + '\r\n'


def main():
    leg = json.loads(sys.stdin.readline())
    run_page(PAGE % (json.dumps(leg), json.dumps(offer_of(leg))))


main()
