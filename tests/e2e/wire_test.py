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
from tests.harness.cluster import DOMAIN, EDGE_NAME  # noqa: E402
from tests.harness.peers import MutualTlsWrapper, SipAnswerer  # noqa: E402


class WireTest(DemoCase):

    def setUp(self):
        if os.geteuid() != 0 and 'cap_net_raw' not in subprocess.run(
                ['/sbin/getcap', '/usr/bin/dumpcap'], capture_output=True, text=True).stdout:
            reason = 'this user may not capture: run as root, or give dumpcap CAP_NET_RAW'
            print('SKIPPED: ' + reason)
            self.skipTest(reason)

    def test_secured_leg_is_unreadable(self):
        """UM-09, UM-15, UM-63: neither audio nor signalling can be read. UM-81,
        UM-82, UM-96: of the SIP_SECURED gateway the media alone can.
        """
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
        self.assertGreater(
            capture.dissected(f'ip.addr == {edge} and tls and tcp.port == 5061'), 0)
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

    def test_unsecured_leg_is_in_clear(self):
        """UM-95: SIP and RTP of an UNSECURED plan, to the same gateway without TLS."""
        port = self.demo.gateway.sip_port
        self.apply(f'''\
kind: DialPlan
name: tenants/default/dialPlans/clear
spec: {{number_of_digits_in_extension: 4}}
---
kind: Peer
name: tenants/default/peers/clear
spec:
  kind: IP_GATEWAY
  fqdn: clear.{DOMAIN}
  address: 127.0.0.1
  port: {port}
  transport: TCP
  outcalls_allowed: true
  dial_plan: clear
---
kind: RoutePattern
name: tenants/default/routePatterns/outside
spec: {{peer: clear}}
''')
        relay = self.cluster.host('media_relay')
        capture = Capture(self.cluster.folder, 'clear', f'port {port} or host {relay}').start()
        try:
            self.demo.wait_snapshot()
            self.demo.call()
        finally:
            capture.stop()
            self.cluster.cli('set', 'route-pattern', 'outside', 'peer=gateway')
        packets = list(capture.packets())
        signalling = b''.join(p for kind, a, b, p in packets if kind == 'tcp' and port in (a[1], b[1]))
        for word in (b'INVITE sip:15550100@', b'm=audio', b'ACK sip:'):
            self.assertIn(word, signalling)
        self.assertNotIn(b'crypto', signalling)
        legs = self.demo.facts['call']['legs']
        plain = 'legA' if 'user' in legs[1] else 'legB'
        rtp = rtp_payloads(packets, int(self.demo.facts['session'][plain]['localRtpPort']))
        heard = [p for p in rtp if tone_share(p) > 0.9]
        self.assertGreater(len(rtp), 1000)
        self.assertGreater(len(heard), len(rtp) * 9 // 10)

    def test_every_kind_of_peer_is_encrypted(self):
        """UM-22: a gateway, a PBX and another server, each by mutual TLS."""
        pki = self.cluster.pki
        kinds = {'pbx': 'IP_PBX', 'voicemail': 'VOICEMAIL_SERVER'}
        parts = []
        capture = Capture(self.cluster.folder, 'kinds', f'net {self.cluster.network}.0/24 and port 5061').start()

        def said_to(last):
            host = f'{self.cluster.network}.{last}'
            return b''.join(p for _, a, b, p in capture.packets() if host in (a[0], b[0]))
        try:
            done = self.cluster.cli('test-connectivity', 'gateway', check=False)
            self.assertIn('identity', done.stdout)
            for number, (name, kind) in enumerate(kinds.items(), 21):
                address = f'{self.cluster.network}.{number}'
                answerer = SipAnswerer(('127.0.0.1', 0))
                parts += [answerer, MutualTlsWrapper(
                    self.cluster.path(name), name, (address, 5061), answerer.address[1],
                    f'{pki}/wrong_name.pem', f'{pki}/wrong_name.key', f'{pki}/sip-ca.pem',
                    client_name=EDGE_NAME).start()]
                # The one certificate there is besides, so one after the other.
                self.apply(f'''\
kind: Peer
name: tenants/default/peers/{name}
spec: {{kind: {kind}, fqdn: somebody.else.test, address: {address}, dial_plan: gateway}}
''')
                try:
                    done = self.cluster.cli('test-connectivity', name, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                finally:
                    self.cluster.cli('delete', 'peer', name)
            # What tshark has read reaches its file a little later.
            self.cluster.wait_for(lambda: len(said_to(20 + len(kinds))) > 1000, 'all of it is captured', 10)
        finally:
            capture.stop()
            for part in parts:
                part.stop()
        for last in [2, *range(21, 21 + len(kinds))]:
            octets = said_to(last)
            self.assertGreater(len(octets), 1000, last)
            for word in (b'SIP/2.0', b'OPTIONS', b'sip:'):
                self.assertNotIn(word, octets)

    def apply(self, text):
        path = self.cluster.path('conf', self._testMethodName + '.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        self.cluster.cli('apply', '-f', path)


if __name__ == '__main__':
    main()
