#!/usr/bin/env python3
"""Calls of user agents with DTLS-SRTP, with and without ICE, that a relay
anchors: baresip, to and from parties with keys in SDP and with plain RTP."""

import os
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.demo import DIALLED, USER  # noqa: E402
from tests.harness.peers import Baresip  # noqa: E402
from tests.harness.process import wait_until  # noqa: E402

PASSWORD = 'a-password-of-many'
# User, what its dial plan says besides, what its baresip does.
PHONES = {
    '3101': ('', 'mediaenc=dtls_srtp', ()),
    '3102': ('  ice: true\n  srtp_suites: [SRTP_SUITE_AEAD_AES_128_GCM]\n',
             'mediaenc=dtls_srtp;medianat=ice', ('module ice.so',)),
    # Insists on what its plan does not have.
    '3103': ('', 'mediaenc=srtp-mand', ()),
}
MANIFEST = '''
kind: DialPlan
name: tenants/default/dialPlans/p{user}
spec:
  security_mode: SECURED
  number_of_digits_in_extension: 4
  calling_search_space: everything
  srtp_keying: SRTP_KEYING_DTLS
{plan}---
kind: User
name: tenants/default/users/{user}
spec:
  username: "{user}"
  domain: {domain}
  password: {password}
  digest_algorithm: DIGEST_ALGORITHM_MD5
  phone_numbers: ["{user}"]
  dial_plan: tenants/default/dialPlans/p{user}
  allow_without_certificate: true
'''


class DtlsSrtpTest(DemoCase):

    @classmethod
    def prepare(cls):
        super().prepare()
        manifest = cls.cluster.path('conf', 'dtls.yaml')
        with open(manifest, 'w', encoding='utf-8') as f:
            f.write('---'.join(MANIFEST.format(user=user, plan=plan, domain=DOMAIN, password=PASSWORD)
                               for user, (plan, _, _) in PHONES.items()))
        cls.cluster.cli('apply', '-f', manifest)
        cls.demo.wait_snapshot()

    def phone(self, user, name):
        """A baresip of that user, registered; each has a folder of its own."""
        _, account, modules = PHONES[user]
        edge = self.cluster.host('signaling_edge')
        phone = Baresip(
            self.cluster.folder, name,
            f'<sip:{user}@{DOMAIN};transport=tls>;auth_user={user};auth_pass={PASSWORD}'
            f';outbound="sip:{edge}:5061;transport=tls";regint=600;answermode=auto;{account}',
            ca=f'{self.cluster.pki}/sip-ca.pem', media_ports=(33000, 33199),
            options=('rtcp_mux yes', 'module dtls_srtp.so', 'module sndfile.so', 'snd_path .', *modules),
            arguments=('-s',))  # it prints its SIP messages
        phone.start()
        self.addCleanup(phone.stop)
        phone.wait_registered()
        return phone

    def answered(self, keyed=True):
        def found():
            calls = [c for c in self.cluster.items('calls') if c.get('state') == 'CALL_STATE_ANSWERED']
            return [c for c in calls if not keyed or all(
                leg.get('srtpSuite') for leg in c['legs']
                if leg['mediaProtocol'] == 'MEDIA_PROTOCOL_DTLS_SRTP')]
        return self.cluster.wait_for(found, 'the call is answered and keyed', 10)[0]

    def talk(self, caller, called, number, protocols, during=None, tone=True):
        """A call with audio both ways, and of a tone if baresip decodes it; the
        call as the edge shows it."""
        counts = [len(ua.seen('CALL_ESTABLISHED')) for ua in (caller, called)]
        caller.dial(f'sip:{number}@{DOMAIN}')
        caller.wait_event('CALL_ESTABLISHED', 'the call is answered', count=counts[0] + 1)
        called.wait_event('CALL_ESTABLISHED', 'the called has the call', count=counts[1] + 1)
        call = self.answered()
        self.assertEqual([leg['mediaProtocol'] for leg in call['legs']],
                         [f'MEDIA_PROTOCOL_{p}' for p in protocols], call)
        self.assertEqual(call.get('secure', False), 'RTP' not in protocols, call)
        if during:
            during(call)
        time.sleep(2)
        ended = {ua: len(ua.printed_statistics()) for ua in (caller, called)}
        caller.hang_up()
        called.wait_event('CALL_CLOSED', 'the called sees the end', count=counts[1] + 1)
        for ua in (caller, called):
            statistics = ua.wait_statistics(ended[ua])
            self.assertGreater(statistics['received'], 50, f'{ua.name}: {statistics}')
            self.assertEqual(statistics['receive_errors'], 0, f'{ua.name}: {statistics}')
            self.assertNotIn('failed to decrypt', ua.process.text())
            if tone and ua not in (self.demo.phone, self.demo.gateway):
                wait_until(lambda ua=ua: ua.heard_tone() > 0.9, f'{ua.name} heard the tone', 5)
        return call

    def refused(self, reason):
        return self.cluster.wait_for(
            lambda: [r for r in self.cluster.items('refusals', '--parent', 'tenants/-')
                     if r.get('reason') == reason], reason, 5)[0]

    def test_calls_to_and_from_plain_rtp(self):
        phone = self.phone('3101', 'dtls-rtp')
        call = self.talk(phone, self.demo.gateway, DIALLED, ('DTLS_SRTP', 'RTP'))
        self.assertEqual(call['legs'][0]['srtpSuite'], 'SRTP_SUITE_AES_CM_128_HMAC_SHA1_80', call)

    def test_calls_to_and_from_keys_in_sdp(self):
        phone = self.phone('3101', 'dtls-sdes')
        self.talk(self.demo.phone, phone, '3101', ('SDES_SRTP', 'DTLS_SRTP'))

    def test_hold_and_resume(self):
        phone = self.phone('3101', 'dtls-hold')

        def hold(call):
            for command, state in (('hold', 'CALL_STATE_HELD'), ('resume', 'CALL_STATE_ANSWERED')):
                phone.command(command)
                self.cluster.wait_for(
                    lambda state=state: [c for c in self.cluster.items('calls')
                                         if c['name'] == call['name'] and c['state'] == state],
                    f'{command} is in force', 10)
        # It receives and decrypts again, but its decoder does not start anew.
        self.talk(phone, self.demo.gateway, DIALLED, ('DTLS_SRTP', 'RTP'), hold, tone=False)

    # AVE-05: baresip negotiates by ICE, as caller and as called.
    def test_ice_in_both_directions(self):
        phone = self.phone('3102', 'ice')
        call = self.talk(phone, self.demo.gateway, DIALLED, ('DTLS_SRTP', 'RTP'))
        self.assertEqual(call['legs'][0]['srtpSuite'], 'SRTP_SUITE_AEAD_AES_128_GCM', call)
        self.talk(self.demo.phone, phone, '3102', ('SDES_SRTP', 'DTLS_SRTP'))

    def test_from_dtls_to_dtls(self):
        """Tone in both directions, heard by both. CUC-63: when the keys are there,
        both are told that the call is encrypted."""
        phones = self.phone('3101', 'dtls-one'), self.phone('3102', 'dtls-other')

        def told(_):
            for phone in phones:
                wait_until(lambda phone=phone: ';security=Encrypted;' in phone.process.text(),
                           f'{phone.name} is told of the lock', 10)
                self.assertIn(';security=Authenticated;', phone.process.text())
        self.talk(*phones, '3102', ('DTLS_SRTP', 'DTLS_SRTP'), told)

    def test_keys_in_sdp_are_refused_where_the_plan_has_dtls(self):
        phone = self.phone('3103', 'sdes-refused')
        phone.dial(f'sip:{USER}@{DOMAIN}')
        phone.wait_event('CALL_CLOSED', 'the call is refused')
        self.assertEqual(self.refused('SRTP_KEYING_NOT_ALLOWED')['sipStatus'], 488)


if __name__ == '__main__':
    main()
