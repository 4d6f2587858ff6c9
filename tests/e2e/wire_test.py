#!/usr/bin/env python3
"""What a listener on the wire gets of a secured call: nothing readable.

A tshark capture of the phone's leg holds no readable SIP and no decodable RTP;
the same reading applied to the gateway's RTP leg does find the tone, which
shows that it would have been found.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.getcwd())

from tests.harness.capture import Capture, rtp_payloads, tone_share  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402


class WireTest(DemoCase):

    def setUp(self):
        if os.geteuid() != 0 and 'cap_net_raw' not in subprocess.run(
                ['/sbin/getcap', '/usr/bin/dumpcap'], capture_output=True, text=True).stdout:
            reason = 'this user may not capture: run as root, or give dumpcap CAP_NET_RAW'
            print('SKIPPED: ' + reason)
            self.skipTest(reason)

    def test_secured_leg_is_unreadable(self):
        edge = self.cluster.host('signaling_edge')
        relay = self.cluster.host('media_relay')
        capture = Capture(self.cluster.folder, 'call', f'host {edge} or host {relay}').start()
        try:
            self.demo.call()
        finally:
            capture.stop()
        packets = list(capture.packets())
        session = self.demo.facts['session']
        legs = self.demo.facts['call']['legs']
        secured, plain = ('legA', 'legB') if 'user' in legs[0] else ('legB', 'legA')

        signalling = b''.join(p for kind, a, b, p in packets
                              if kind == 'tcp' and 5061 in (a[1], b[1]) and edge in (a[0], b[0]))
        self.assertGreater(len(signalling), 1000, 'the capture missed the signalling')
        for word in (b'SIP/2.0', b'INVITE', b'sip:', b'crypto', b'inline:', b'915550100', b'm=audio'):
            self.assertNotIn(word, signalling)
        self.assertEqual(capture.dissected(f'sip and ip.addr == {edge}'), 0)

        # CCE-59, CCE-60, CCE-61, CCE-66: the filter of the documents for one
        # server's leg, "address, TLS, port 5061", finds SIP over TLS there and
        # nothing in clear. CUC-68: what a guide tells to capture.
        gateway = self.cluster.host('gateway')
        self.assertEqual(capture.dissected(f'ip.addr == {gateway} and sip'), 0)

        srtp = rtp_payloads(packets, int(session[secured]['localRtpPort']))
        rtp = rtp_payloads(packets, int(session[plain]['localRtpPort']))
        self.assertGreater(len(srtp), 1000)
        self.assertGreater(len(rtp), 1000)
        # AVE-56: who listens on the path hears nothing.
        readable = [p for p in srtp if tone_share(p) > 0.5]
        self.assertEqual(readable, [], 'the tone can be heard on the secured leg')
        heard = [p for p in rtp if tone_share(p) > 0.9]
        self.assertGreater(len(heard), len(rtp) * 9 // 10, 'the reading itself does not work')


if __name__ == '__main__':
    main()
