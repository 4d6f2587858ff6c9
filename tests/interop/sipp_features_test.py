#!/usr/bin/env python3
"""What calls need beyond INVITE and BYE, with sipp on every side and the real
services between: reliable provisional responses (RFC 3262), transfers (RFC
3515), forwards to voicemail (RFC 5806), and ends that die (RFC 4028)."""

import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import configs, plans  # noqa: E402
from tests.harness.case import lane, main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.sipp import (  # noqa: E402
    ACK, BYE, CALLER_BEGINS, IN_DIALOG, OK_AGAIN, SDP, SippCase, ereg, recv,
    request, response, send)


class SippFeaturesTest(SippCase):

    @classmethod
    def configure(cls):
        config = configs.read(cls.cluster, 'signaling_edge')
        # As short as may be: a silent end is found within a minute.
        config['timers'] = {'session_expires': '90s', 't1': '0.1s'}
        cls.cluster.write_config('signaling_edge', config)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        network = cls.cluster.network
        plans.apply(cls.cluster, 'dies', plans.manifest(
            plans.peer('waits', f'{network}.28', 5065), plans.peer('dies', f'{network}.29', 5070),
            plans.route('dies', 7, 'dies')))
        cls.demo.wait_snapshot()

    @lane('peers')
    def test_reliable_provisional_responses(self):
        called = self.reliable_called()
        caller = self.caller(
            '8123',
            request('INVITE', 1, 'Supported: 100rel', SDP, retrans='500'),
            recv('100', optional='true'),
            recv('183', ereg('RSeq:', '1', '[0-9]+', check=True), rrs='true'),
            request('PRACK', 2, 'RAck: [$1] 1 INVITE', **IN_DIALOG),
            recv('200'), recv('200', rrs='true'), ACK, '<pause milliseconds="300"/>', BYE)
        self.finish(caller, called)

    def reliable_called(self):
        """The 200 to the INVITE must bear its own Via, which is kept."""
        return self.called(
            recv('INVITE', '<action>'
                 '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="1"/>'
                 '<ereg regexp="100rel" search_in="hdr" header="Supported:" check_it="true"'
                 ' assign_to="2"/></action>'),
            response(183, 'Require: 100rel\n      RSeq: 77', SDP),
            recv('PRACK', '<action><ereg regexp="77 1 INVITE" search_in="hdr" header="RAck:"'
                 ' check_it="true" assign_to="2"/></action>'),
            response(200, tag=''),
            send('''SIP/2.0 200 OK
      Via:[$1]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      CSeq: 1 INVITE
      Contact: <sip:[local_ip]:[local_port]>'''),
            recv('ACK'), recv('BYE'), response(200, tag=''))

    @lane('peers')
    def test_a_blind_transfer(self):
        """The called refers the caller to voicemail and sees it go."""
        target = self.voicemail(
            recv('INVITE'), response(180), response(200, body=SDP), recv('ACK'),
            recv('BYE'), response(200, tag=''))
        refer = send(f'''REFER sip:edge@{DOMAIN} SIP/2.0
      Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
      From:[$2];tag=[pid]s[call_number]
      To:[$1]
      Call-ID: [call_id]
      CSeq: 1 REFER
      Contact: <sip:[local_ip]:[local_port]>
      Max-Forwards: 70
      Refer-To: <sip:4999@{DOMAIN}>''')
        # A NOTIFY may overtake the 202 (RFC 6665 section 4.1.2.4), but not its successor.
        notified = recv('202', optional='true') + recv('NOTIFY') + response(200, tag='')
        called = self.called(
            recv('INVITE', '<action><ereg regexp=".*" search_in="hdr" header="From:" assign_to="1"/>'
                 '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="2"/></action>'),
            response(200, body=SDP), recv('ACK'), '<pause milliseconds="300"/>', refer,
            notified, notified, notified, recv('BYE'), response(200, tag=''))
        caller = self.caller('8123', CALLER_BEGINS, recv('INVITE'), OK_AGAIN, recv('ACK'),
                             '<pause milliseconds="500"/>', BYE)
        self.finish(caller, called, target)
        self.ended('TRANSFERRED')

    @lane('peers')
    def test_unregistered_goes_to_voicemail(self):
        """CUC-29, CUC-58: with the redirecting number as Diversion."""
        voicemail = self.voicemail(
            recv('INVITE', ereg('Diversion:', '1', f'sip:4001@{DOMAIN}.*reason=unavailable',
                                check=True)),
            response(200, body=SDP), recv('ACK'), recv('BYE'), response(200, tag=''))
        caller = self.caller('4001', CALLER_BEGINS, '<pause milliseconds="300"/>', BYE)
        self.finish(caller, voicemail)

    @lane('peers')
    def test_an_unanswered_phone_goes_to_voicemail(self):
        """The phone is baresip over TLS, SECURED; voicemail gets plain RTP."""
        self.demo.enroll()
        phone = self.demo.make_phone('phone', 'srtp-mand').start()
        self.addCleanup(phone.stop)
        phone.wait_registered()
        voicemail = self.voicemail(
            recv('INVITE', ereg('Diversion:', '1', f'sip:4001@{DOMAIN}.*reason=no-answer',
                                check=True)),
            response(200, body=SDP), recv('ACK'), recv('BYE'), response(200, tag=''))
        caller = self.caller('4001', CALLER_BEGINS, '<pause milliseconds="300"/>', BYE)
        phone.wait_event('CALL_INCOMING', 'the phone rings')
        phone.wait_event('CALL_CLOSED', 'the phone stops ringing')
        self.finish(caller, voicemail)
        self.ended('NO_ANSWER')

    def test_an_end_that_dies_ends_the_call(self):
        """The called is killed without a word; the caller gets a BYE. The most of
        a minute that it takes is the others' time as well."""
        called = self.sipp('dies', 29, 5070, (recv('INVITE'), response(200, body=SDP), recv('ACK'), recv('BYE')))
        caller = self.sipp(
            'waits', 28, 5065, (CALLER_BEGINS, recv('BYE', timeout='75000'), response(200, tag='')),
            '-s', '7123', f'{self.cluster.host("signaling_edge")}:5060')
        self.cluster.wait_for(lambda: self.own('CALL_STATE_ANSWERED'), 'the call is answered', 10)
        called.stop()
        self.finish(caller, timeout=75)
        over = self.cluster.wait_for(lambda: self.own('CALL_STATE_ENDED'), 'the call is over', 10)
        self.assertEqual([c.get('reason') for c in over], ['DIALOG_LOST'])

    def own(self, state):
        return [c for c in self.cluster.items('calls')
                if c.get('state') == state and c['legs'][0].get('peer', '').endswith('/peers/waits')]


if __name__ == '__main__':
    main(side_by_side=True)
