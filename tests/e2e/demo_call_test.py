#!/usr/bin/env python3
"""The demo call itself: what tools/run prints is true, line by line.

Secured dial plans, mutual TLS, credentials (AVE), LSC (CCE).
"""

import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.table import render  # noqa: E402


class DemoCallTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.demo.run()

    def test_two_tls_connections_with_verified_identities(self):
        found = {c.get('remoteIdentity'): c for c in self.demo.facts['connections'] if c.get('tlsVersion')}
        self.assertIn('gw.demo.sallyport.test', found)
        gateway = found['gw.demo.sallyport.test']
        self.assertEqual(gateway['identitySource'], 'IDENTITY_SOURCE_SAN_DNS')
        self.assertTrue(gateway['peer'].endswith('/peers/gateway'), gateway)
        phones = [c for c in self.demo.facts['connections'] if c.get('phone')]
        self.assertTrue(phones, self.demo.facts['connections'])
        self.assertTrue(phones[0]['phone'].endswith('/phones/sep001122334455'), phones)
        self.assertEqual(phones[0]['remoteIdentity'], 'SEP001122334455')

    def test_every_leg_of_the_call_is_over_tls(self):
        """CCE-62, CCE-65, CCE-67: transport, port and subject of each leg."""
        text = self.cluster.cli('verify', 'call-path', self.demo.facts['call']['name'])
        self.assertIn('every leg is SIP over TLS', text)
        rows = [line.split() for line in text.splitlines() if ' TLS ' in line]
        self.assertEqual(len(rows), 2, text)
        self.assertIn(f'gw.{DOMAIN}', text)
        self.assertIn('5061', text)
        # CUC-61, CUC-62: no lock, as the gateway's leg has RTP.
        self.assertFalse(self.demo.facts['call'].get('secure', False))

    def test_the_gateway_verified_the_edge(self):
        """stunnel accepts a client only by chain and by the edge's dNSName."""
        self.assertTrue(self.demo.wrapper.accepted_clients())
        self.assertIn('edge.demo.sallyport.test', self.demo.wrapper.process.text())

    # AVE-53, AVE-55: SRTP with AES-128.
    def test_srtp_on_the_secured_leg_and_rtp_on_the_other(self):
        legs = {('user' in leg): leg for leg in self.demo.facts['call']['legs']}
        self.assertEqual(legs[True]['mediaProtocol'], 'MEDIA_PROTOCOL_SDES_SRTP')
        self.assertIn('AES_CM_128_HMAC_SHA1_80', legs[True]['srtpSuite'])
        self.assertEqual(legs[True]['securityMode'], 'SECURITY_MODE_SECURED')
        self.assertEqual(legs[False]['mediaProtocol'], 'MEDIA_PROTOCOL_RTP')
        self.assertEqual(legs[False]['securityMode'], 'SECURITY_MODE_SIP_SECURED')

    def test_matched_pattern(self):
        self.assertEqual(self.demo.facts['call']['matchedPattern'], '9.!')

    # AVE-38: signalling by the edge, media by the relay.
    def test_relay_saw_every_packet(self):
        for side in ('legA', 'legB'):
            stats = self.demo.facts['session'][side]['statistics']
            self.assertGreaterEqual(int(stats['packetsReceived']), 500)
            self.assertEqual(int(stats.get('packetsLost', 0)), 0)

    def test_turn_credential_and_allocation(self):
        turn = self.demo.facts['turn']
        self.assertGreater(int(turn['key_id']), 0)
        self.assertEqual(turn['sent'], turn['received'])

    def test_lsc_reported_as_openssl_reads_it(self):
        """UM-41: what capf issued is verified with the key in its own certificate."""
        lsc = self.demo.facts['lsc']
        self.assertIn('SEP001122334455', lsc['subject'])
        self.assertTrue(lsc['verified'])
        text = str(lsc['reported']).upper().replace(':', '')
        self.assertIn(lsc['sha256'].replace(':', ''), text)
        self.assertIn(lsc['sha1'].replace(':', ''), text)

    def test_refusals_have_reasons(self):
        """UM-60: a call that mutual TLS refused is told. UM-61: a valid certificate
        of a host that is no peer. UM-97: a call without SRTP.
        """
        reasons = [r['reason'] for r in self.demo.facts['refusals']]
        self.assertEqual(reasons, ['PEER_IDENTITY_MISMATCH', 'SECURITY_MODE_SRTP_REQUIRED'])
        self.assertIn('488', self.demo.facts['refusals'][1]['sip'])

    def test_z_a_phone_is_reset(self):
        """CCE-52: what it holds is ended, and it registers anew."""
        before = {r['name'] for r in self.cluster.items('registrations') if r.get('phone')}
        self.assertTrue(before)
        text = self.cluster.cli('phones', 'reset', 'SEP001122334455')
        self.assertRegex(text, r'SEP001122334455: [1-9]\d* registrations and [1-9]\d* connections ended')
        self.assertFalse({r['name'] for r in self.cluster.items('registrations')} & before)
        unknown = self.cluster.cli('phones', 'reset', 'SEP000000000000', check=False)
        self.assertIn('PHONE_NOT_FOUND', unknown.stderr)

    def test_table_names_everything(self):
        text = render(self.demo.facts)
        for part in ('TLS connections', 'Route', 'Media at the relay', 'Media at the user agents',
                     'TURN credential', 'LSC by CAPF', 'Refused'):
            self.assertIn(part, text)

    def test_a_change_is_tried_on_the_recorded_calls(self):
        """Issue 3, capability 3: without its pattern the call would be refused, and nothing was changed."""
        pattern = self.demo.facts['call']['matchedResource']
        found = self.cluster.cli('evaluate', '--delete', pattern, '--since', '1h', '-o', 'json')
        self.assertEqual([s.get('error', '') for s in found['sources']], [''])
        self.assertGreaterEqual(found['sources'][0]['attempts'], 1)
        changes = [c for c in found['decisionChanges'] if c['before'].get('matchedResource') == pattern]
        self.assertTrue(changes, found)
        self.assertTrue(changes[0]['attempt']['user'].endswith('/users/1001'))
        self.assertEqual(changes[0]['before']['decision'], 'ROUTE_DECISION_ROUTED')
        self.assertEqual(changes[0]['after']['reason'], 'ROUTE_NOT_FOUND')
        text = self.cluster.cli('evaluate', '--delete', pattern, '--since', '1h')
        self.assertIn('would be decided otherwise', text)
        self.assertIn(pattern, [p['name'] for p in self.cluster.items_of('route-patterns')])

    def test_listeners_and_what_a_firewall_lets_through(self):
        """AVE-25: every process tells what it listens on, and it is what it was configured to.
        AVE-03: of that the firewall's list is made."""
        found = {}
        for one in self.cluster.cli('listeners', '-o', 'json')['processes']:
            for each in one['process'].get('listeners', []):
                ports = range(each['firstPort'], each['lastPort'] + 1)
                found.setdefault(one['service'], set()).update((each['protocol'], p) for p in ports)
        self.assertEqual(set(found), {'dialplan', 'capf', 'credential_issuer', 'media_relay', 'signaling_edge'})
        self.assertIn(('tcp', 5061), found['signaling_edge'])
        self.assertIn(('udp', 5060), found['signaling_edge'])
        self.assertIn(('udp', 3478), found['media_relay'])
        self.assertIn(('tcp', 3804), found['capf'])
        # gRPC and metrics and nothing else where no phone or peer comes.
        self.assertEqual({kind for kind, _ in found['credential_issuer']}, {'tcp'})
        self.assertEqual(len(found['credential_issuer']), 2, found['credential_issuer'])
        text = self.cluster.cli('ports')
        for part in ('3478', '50000-59999', '5061', '3804', 'no smaller target'):
            self.assertIn(part, text)

    def test_no_secret_in_a_log(self):
        """No password, digit string, key or authentication string in clear."""
        for name in self.cluster.processes:
            text = self.cluster.processes[name].text()
            for secret in ('demo-phone-password', '4711471147', '915550100', '15550100', 'inline:'):
                self.assertNotIn(secret, text, f'{name} logs {secret}')


if __name__ == '__main__':
    main()
