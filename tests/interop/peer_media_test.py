#!/usr/bin/env python3
"""`sallyport test-connectivity --media-secured --phone` against a user agent that
others wrote (UM-108): baresip behind mutual TLS, with keys in SDP, with
DTLS-SRTP, with ICE, and with what the dial plan does not have."""

import json
import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, EDGE_NAME  # noqa: E402
from tests.harness.peers import Baresip, MutualTlsWrapper  # noqa: E402

NUMBER = '5550100'
# What each dial plan says besides that it is SECURED.
PLANS = {
    'sdes': 'srtp_suites: [SRTP_SUITE_AES_CM_128_HMAC_SHA1_80]',
    'dtls': 'srtp_keying: SRTP_KEYING_DTLS',
    'ice': 'srtp_keying: SRTP_KEYING_DTLS\n  ice: true',
}
PLAN = '''kind: DialPlan
name: tenants/default/dialPlans/media-{name}
spec:
  security_mode: SECURED
  number_of_digits_in_extension: 4
  {rules}
'''


class PeerMediaTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.demo.start_services()
        cls.demo.provision()
        plans.apply(cls.cluster, 'media', plans.manifest(
            *(PLAN.format(name=name, rules=rules) for name, rules in PLANS.items())))

    def wrap(self, port):
        """Mutual TLS at the gateway's address before a user agent in clear."""
        pki = self.cluster.pki
        wrapper = MutualTlsWrapper(
            self.cluster.path('tls-' + self._testMethodName), 'tls', (self.cluster.host('gateway'), 5061), port,
            f'{pki}/gateway.pem', f'{pki}/gateway.key', f'{pki}/sip-ca.pem', client_name=EDGE_NAME).start()
        self.addCleanup(wrapper.stop)

    def baresip(self, account, *options):
        agent = Baresip(self.cluster.folder, self._testMethodName,
                        f'<sip:{NUMBER}@127.0.0.1:{{port}}>;regint=0;answermode=auto;{account}',
                        media_ports=(35000, 35199), options=options).start()
        self.addCleanup(agent.stop)
        self.wrap(agent.sip_port)
        return agent

    def check(self, plan, phone=NUMBER, succeeded=True):
        """What the test of the peer says, as a peer of that plan: the reason
        and what is said of the media."""
        plans.apply(self.cluster, 'peer', plans.tls_peer('gateway', f'gw.{DOMAIN}', plan=f'media-{plan}'))
        self.demo.wait_snapshot()
        options = ['--secured', '--media-secured', '-o', 'json'] + (['--phone', phone] if phone else [])
        done = self.cluster.cli('test-connectivity', 'gateway', *options, check=False)
        self.assertTrue(done.stdout, done.stderr)
        answer = json.loads(done.stdout)
        self.assertEqual(answer.get('succeeded', False), succeeded, answer)
        last = answer['steps'][-1]
        self.assertEqual(last['step'], 'media', answer)
        return answer.get('reason', ''), last['detail']

    def test_baresip_with_keys_in_sdp(self):
        agent = self.baresip('mediaenc=srtp-mand')
        self.assertEqual(self.check('sdes'), ('', 'it answers with RTP/SAVP, AES_CM_128_HMAC_SHA1_80'))
        # The call was given up: nothing of it stays at either side.
        agent.wait_event('CALL_CLOSED', 'the user agent sees the end')
        self.assertEqual(self.cluster.items('calls'), [])
        # It knows no other user, and says so before it looks at the offer.
        reason, detail = self.check('sdes', phone='', succeeded=False)
        self.assertEqual(reason, 'SRTP_NOT_PROVEN')
        self.assertIn('name a number that it takes', detail)

    def test_baresip_with_dtls(self):
        agent = self.baresip('mediaenc=dtls_srtp', 'rtcp_mux yes', 'module dtls_srtp.so')
        reason, detail = self.check('dtls')
        self.assertEqual(reason, '')
        self.assertRegex(detail, '^it answers with UDP/TLS/RTP/SAVP, DTLS-SRTP (active|passive), sha-256$')
        agent.wait_event('CALL_CLOSED', 'the user agent sees the end')

    def test_baresip_with_ice(self):
        self.baresip('mediaenc=dtls_srtp;medianat=ice', 'rtcp_mux yes', 'module dtls_srtp.so', 'module ice.so')
        reason, detail = self.check('ice')
        self.assertEqual(reason, '')
        self.assertRegex(detail, 'DTLS-SRTP (active|passive), sha-256, ICE$')

    def test_baresip_that_has_keys_in_sdp_alone(self):
        self.baresip('mediaenc=srtp-mand')
        self.assertEqual(self.check('dtls', succeeded=False)[0], 'SRTP_NOT_ACCEPTED')


if __name__ == '__main__':
    main()
