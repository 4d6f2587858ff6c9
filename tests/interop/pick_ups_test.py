#!/usr/bin/env python3
"""What rings at sipp is picked up by another sipp of the same party (RFC 3891
section 3): with an offer and without, of a caller with an offer, without, and
with one that the edge has made up; through the relay and from end to end."""

import os
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.peers import Baresip  # noqa: E402
from tests.harness.sipp import (ACK, BYE, CALLER_BEGINS, IN_DIALOG, SDP, SippCase, recv, request,  # noqa: E402
                                response)

CALLER, PASSWORD = '6100', 'a-password-of-the-caller'
# Who rang may have the port of `SDP`.
ECHO = SDP.replace('m=audio 6000', 'm=audio [media_port]')
# Another session than the caller's.
TAKERS = SDP.replace('o=s 1 1', 'o=t 7 1').replace('m=audio 6000', 'm=audio 6200')
OWN_PORT = 'm=audio 6000 RTP/AVP 0'
TAKERS_PORT = 'm=audio 6200 RTP/AVP 0'
REFUSED_LINE = 'm=audio 0 RTP/AVP 0'
LATE_CALLER = (request('INVITE', 1, retrans='500') + recv('100', optional='true') + recv('180', optional='true'))
IS_TAKEN = recv('BYE') + response(200, tag='')
SIP_PROFILE = '''kind: SipProfile
name: tenants/default/sipProfiles/early
spec:
  early_offer: EARLY_OFFER_MANDATORY
'''


def says(text):
    return f'<action><ereg regexp="{text}" search_in="msg" check_it="true" assign_to="1"/></action>'


def pick_up(*answers, body=None):
    invite = (request('INVITE', 1, 'Replaces: [replaces]', retrans='500') if body is None else
              request('INVITE', 1, 'Replaces: [replaces]', body=body, retrans='500'))
    return (invite, recv('100', optional='true'), *answers)


class PickUpsTest(SippCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plan('MEDIA_MODE_ANCHORED')

    @classmethod
    def plan(cls, media, **more):
        """What the tests have in common: the called may replace dialogs."""
        profile = plans.profile('pick-up', accept_replaces_header='true').replace(
            'outgoing_transport: TRANSPORT_TCP', 'outgoing_transport: TRANSPORT_UDP')
        plans.apply(cls.cluster, 'pick-up', plans.manifest(
            plans.CLEAR.rstrip() + f'\n  media_mode: {media}\n', profile, SIP_PROFILE,
            plans.called(f'{cls.cluster.network}.22',
                         trunk_security_profile='tenants/default/trunkSecurityProfiles/pick-up', **more)))
        cls.demo.wait_snapshot()

    def passed(self):
        self.plan('MEDIA_MODE_PASS_THROUGH')
        self.addCleanup(self.plan, 'MEDIA_MODE_ANCHORED')

    def calls(self):
        return {c['name']: c for c in self.cluster.items('calls')}

    def over(self, before, dialog):
        """The one call since then: that of who took it."""
        call = self.cluster.wait_for(
            lambda: [c for name, c in self.calls().items() if name not in before and c.get('endTime')],
            'the call is over', 10)[0]
        self.assertEqual(call['reason'], 'NORMAL_CLEARING', call)
        self.assertIn('answerTime', call)
        self.assertNotEqual(call['legs'][1]['sipCallId'], dialog[0])
        return call

    def heard(self, *steps):
        """baresip calls; who picks up by these steps sends back what it hears."""
        edge = self.cluster.host('signaling_edge')
        plans.apply(self.cluster, 'caller', plans.manifest(plans.user(
            CALLER, DOMAIN, PASSWORD, digest_algorithm='DIGEST_ALGORITHM_MD5', allow_without_certificate='true')))
        self.demo.wait_snapshot()
        phone = Baresip(
            self.cluster.folder, f'{self._testMethodName}-phone',
            f'<sip:{CALLER}@{DOMAIN};transport=udp>;auth_user={CALLER};auth_pass={PASSWORD}'
            f';outbound="sip:{edge}:5060;transport=udp";regint=600;answermode=manual;audio_codecs=pcmu',
            media_ports=(35000, 35199))
        phone.start()
        self.addCleanup(phone.stop)
        phone.wait_registered()
        before = self.calls()
        ringing, messages = self.ringing()
        phone.dial(f'sip:85550199@{DOMAIN}')
        phone.wait_event('CALL_RINGING', 'the caller is told that it rings')
        dialog = self.rung_dialog(messages)
        taker = self.taker(dialog, *steps, number=CALLER)
        phone.wait_event('CALL_ESTABLISHED', 'the caller is answered')
        self.finish(ringing)
        time.sleep(4)
        phone.command('hangup')
        phone.wait_event('CALL_CLOSED', 'the caller has hung up')
        self.finish(taker)
        call = self.over(before, dialog)
        received = [int(leg['statistics'].get('packetsReceived', 0)) for leg in call['legs']]
        self.assertGreater(min(received), 50, call)

    def test_a_call_that_rings_is_picked_up(self):
        """Who rang gets a CANCEL, the caller its answer, and both hear each other through the relay."""
        self.heard(*pick_up(recv('200', rrs='true'), ACK, IS_TAKEN, body=ECHO))

    def test_by_an_invite_without_offer(self):
        """RFC 3261 section 13.2.1: our 200 has the offer, its ACK the answer."""
        self.heard(*pick_up(recv('200', says('m=audio .* RTP/AVP 0'), rrs='true'),
                            request('ACK', 1, body=ECHO, **IN_DIALOG), IS_TAKEN))

    def between(self, caller, *steps):
        """Both are sipp. The caller is answered and hangs up."""
        before = self.calls()
        ringing, messages = self.ringing()
        calling = self.caller('8123', *caller)
        dialog = self.rung_dialog(messages)
        taker = self.taker(dialog, *steps)
        self.finish(calling, ringing, taker)
        return self.over(before, dialog)

    def test_a_caller_without_offer_gets_that_of_who_picks_up(self):
        self.taken_late()

    def taken_late(self):
        """The caller is answered before who picks up, who hangs up."""
        self.between((LATE_CALLER, recv('200', says('m=audio .* RTP/AVP 0'), rrs='true'),
                      request('ACK', 1, body=SDP, **IN_DIALOG), recv('BYE'), response(200, tag='')),
                     *pick_up(recv('200', says('m=audio .* RTP/AVP 0'), rrs='true'), ACK, BYE, body=TAKERS))

    def neither_offers(self):
        self.between((LATE_CALLER, recv('200', says('m=audio .* RTP/AVP 0'), rrs='true'),
                      request('ACK', 1, body=SDP, **IN_DIALOG), BYE),
                     *pick_up(recv('200', says('G722/8000'), rrs='true'),
                              request('ACK', 1, body=TAKERS, **IN_DIALOG), IS_TAKEN))

    def test_neither_has_made_an_offer(self):
        """The edge makes one up, and the caller is asked with what was answered."""
        self.neither_offers()

    def test_an_offer_was_made_up_for_the_caller(self):
        """CUC-25, `early_offer`: with an offer of who picks up, and without."""
        self.plan('MEDIA_MODE_ANCHORED', sip_profile='tenants/default/sipProfiles/early')
        self.addCleanup(self.plan, 'MEDIA_MODE_ANCHORED', sip_profile='""')
        self.taken_late()
        self.neither_offers()

    def test_from_end_to_end_without_offer(self):
        """Each has what the other one has said, as it was."""
        self.passed()
        begins = CALLER_BEGINS.replace('<recv response="200" rrs="true"></recv>',
                                       recv('200', says(TAKERS_PORT), rrs='true').strip())
        self.assertIn(TAKERS_PORT, begins)
        call = self.between((begins, BYE),
                            *pick_up(recv('200', says(OWN_PORT), rrs='true'),
                                     request('ACK', 1, body=TAKERS, **IN_DIALOG), IS_TAKEN))
        self.assertNotIn('mediaSession', call)

    def test_from_end_to_end_of_a_caller_without_offer(self):
        self.passed()
        self.between((LATE_CALLER, recv('200', says(TAKERS_PORT), rrs='true'),
                      request('ACK', 1, body=SDP, **IN_DIALOG), recv('BYE'), response(200, tag='')),
                     *pick_up(recv('200', says(OWN_PORT), rrs='true'), ACK, BYE, body=TAKERS))

    def test_from_end_to_end_with_an_offer(self):
        """RFC 3264 sections 6 and 8: its lines are refused, and the caller's offer follows."""
        self.passed()
        begins = CALLER_BEGINS.replace('<recv response="200" rrs="true"></recv>',
                                       recv('200', says(TAKERS_PORT), rrs='true').strip())
        call = self.between((begins, BYE),
                            *pick_up(recv('200', says(REFUSED_LINE), rrs='true'), ACK,
                                     recv('INVITE', says(OWN_PORT)),
                                     response(200, body=TAKERS.replace('o=t 7 1', 'o=t 7 2'), tag=''), recv('ACK'),
                                     IS_TAKEN, body=TAKERS))
        self.assertNotIn('mediaSession', call)

    def test_from_end_to_end_where_neither_offers(self):
        """There is nobody to make an offer up: it is refused, and rings on."""
        self.passed()
        ringing, messages = self.ringing()
        calling = self.caller('8123', LATE_CALLER, recv('200'))
        dialog = self.rung_dialog(messages)
        taker = self.taker(dialog, *pick_up(recv('488'), request('ACK', 1, to='[peer_tag_param]')))
        self.finish(taker)
        refusal = next(r for r in self.cluster.items('refusals') if r['reason'] == 'MEDIA_REFUSED')
        self.assertEqual(refusal['sipStatus'], 488)
        calling.stop()
        ringing.stop()


if __name__ == '__main__':
    main()
