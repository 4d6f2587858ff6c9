#!/usr/bin/python3
"""Two WebRTC peers in one page of Chromium that may talk through TURN servers
alone. Reads one line of JSON: urls, username, credential, seconds; prints what
the peers saw.
"""

import json
import sys

from chromium_page import run_page

PAGE = '''<!doctype html><title>relay</title><script>
const turn = %s;
const post = (path, what) =>
    fetch(path, {method: 'POST', body: JSON.stringify(what)});
const made = [0, 1].map(() => new RTCPeerConnection({
  iceServers: [{urls: turn.urls, username: turn.username,
                credential: turn.credential}],
  iceTransportPolicy: 'relay'}));
const errors = [];
async function saw(peer) {
  const seen = {state: peer.connectionState, received: 0, lost: 0, sent: 0,
                candidate: '', protocol: '', url: ''};
  const reports = await peer.getStats();
  reports.forEach(report => {
    if (report.type == 'inbound-rtp') {
      seen.received = report.packetsReceived;
      seen.lost = report.packetsLost;
    }
    if (report.type == 'outbound-rtp') seen.sent = report.packetsSent;
    if (report.type == 'transport' && report.selectedCandidatePairId) {
      const pair = reports.get(report.selectedCandidatePairId);
      const local = reports.get(pair.localCandidateId);
      seen.candidate = local.candidateType + ' to ' +
          reports.get(pair.remoteCandidateId).candidateType;
      seen.protocol = local.relayProtocol;
      seen.url = local.url;
    }
  });
  return seen;
}
async function run() {
  const audio = new AudioContext({sampleRate: 48000});
  const tone = new OscillatorNode(audio, {frequency: 400});
  const out = audio.createMediaStreamDestination();
  tone.connect(out);
  tone.start();
  made.forEach((peer, i) => {
    peer.onicecandidate = event => {
      if (event.candidate) made[1 - i].addIceCandidate(event.candidate);
    };
    peer.onicecandidateerror = event =>
        errors.push(event.errorCode + ' ' + event.errorText);
    peer.ontrack = event => {
      const element = new Audio();
      element.srcObject = new MediaStream([event.track]);
      element.play();
    };
    peer.addTrack(out.stream.getAudioTracks()[0], out.stream);
  });
  await made[0].setLocalDescription(await made[0].createOffer());
  await made[1].setRemoteDescription(made[0].localDescription);
  await made[1].setLocalDescription(await made[1].createAnswer());
  await made[0].setRemoteDescription(made[1].localDescription);
  const connected = () =>
      made.every(peer => peer.connectionState == 'connected');
  for (let i = 0; i < 200 && !connected(); ++i) {
    await new Promise(done => setTimeout(done, 100));
  }
  await new Promise(done => setTimeout(done, turn.seconds * 1000));
  for (const peer of made) await post('/saw', await saw(peer));
  made.forEach(peer => peer.close());
  await post('/result', {errors: errors.join('; ')});
}
run().catch(error => post('/result', {errors: String(error)}));
</script>'''


def main():
    # Nobody has signed the relay's certificate for Chromium.
    run_page(PAGE % sys.stdin.readline(), '--ignore-certificate-errors')


main()
