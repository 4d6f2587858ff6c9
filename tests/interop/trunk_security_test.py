#!/usr/bin/env python3
"""What a trunk security profile allows, with sipp as trunks at both sides:
charging headers (RFC 7315) pass between trunks that may have them, and go to no
other; offers to a trunk that filters V.150.1 have no modem relay."""

import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.sipp import ACK, BYE, SDP, SippCase, recv, request, response  # noqa: E402

VECTOR = 'P-Charging-Vector: icid-value=AyretyU0dm023551024;orig-ioi=home1.test'
ADDRESSES = 'P-Charging-Function-Addresses: ccf=192.0.2.71;ecf=192.0.2.72'
THEIRS = 'P-Charging-Vector: icid-value=AyretyU0dm023551024;term-ioi=home2.test'
FILTER = 'SIP_V150_OUTBOUND_SDP_OFFER_FILTERING'
# Modem relay by V.150.1 beside audio.
MODEM = SDP.replace('RTP/AVP 0', 'RTP/AVP 0 118') + '''      a=rtpmap:118 v150fw/8000
      a=sqn:0
      a=cdsc:1 audio RTP/AVP 118
      a=cdsc:2 audio udpsprt 120
      a=ptime:20
'''


def told(what, *lines, missing=(), **attributes):
    """A message that has these lines, and none of these headers."""
    checks = ''.join(f'<ereg regexp="{line}" search_in="msg" check_it="true" assign_to="1"/>' for line in lines)
    checks += ''.join(f'<ereg regexp="{name}" search_in="msg" check_it_inverse="true" assign_to="1"/>'
                      for name in missing)
    return recv(what, f'<action>{checks}</action>', **attributes)


class TrunkSecurityTest(SippCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        network = cls.cluster.network

        def trunk(profile):
            return {'trunk_security_profile': f'tenants/default/trunkSecurityProfiles/{profile}'}

        plans.apply(cls.cluster, 'profiles', plans.manifest(
            plans.profile('charging', allow_charging_header='true'), plans.profile('plain'),
            plans.caller(f'{network}.21', **trunk('charging')), plans.called(f'{network}.22', **trunk('charging')),
            plans.peer('plain', f'{network}.23', 5070, **trunk('plain')), plans.route('plain', 7, 'plain')))
        plans.apply(cls.cluster, 'modem', plans.manifest(
            plans.profile('no-mer', **{FILTER.lower(): f'{FILTER}_REMOVE_MER'}),
            plans.peer('modem', f'{network}.25', 5070, **trunk('no-mer')), plans.route('modem', 6, 'modem')))
        cls.demo.wait_snapshot()

    def media(self, mode):
        """Of all peers here."""
        plans.apply(self.cluster, 'media', plans.CLEAR.rstrip() + f'\n  media_mode: MEDIA_MODE_{mode}\n')
        self.demo.wait_snapshot()

    def modem_call(self, number, invite):
        """An offer of modem relay, and what the called checks in what it gets of it."""
        called = self.sipp('called', {'8': 22, '6': 25}[number[0]], 5070,
                           (invite, response(200, body=SDP), recv('ACK'), recv('BYE'), response(200, tag='')))
        caller = self.caller(
            number, request('INVITE', 1, '', MODEM, retrans='500'), recv('100', optional='true'),
            recv('200', rrs='true'), ACK, '<pause milliseconds="200"/>', BYE)
        self.finish(caller, called)

    def call(self, number, invite, ringing, answer):
        """What the called checks in the INVITE, and the caller in its answers."""
        called = self.sipp('called', 22 if number[0] == '8' else 23, 5070,
                           (invite, response(180, THEIRS), response(200, f'{THEIRS}\n      {ADDRESSES}', SDP),
                            recv('ACK'), recv('BYE'), response(200, tag='')))
        caller = self.caller(
            number, request('INVITE', 1, f'{VECTOR}\n      {ADDRESSES}', SDP, retrans='500'),
            recv('100', optional='true'), ringing, answer, ACK, '<pause milliseconds="200"/>', BYE)
        self.finish(caller, called)

    def test_charging_headers_pass_between_trunks_that_may(self):
        self.call('8123', told('INVITE', VECTOR, ADDRESSES),
                  told('180', THEIRS, missing=('P-Charging-Function',)), told('200', THEIRS, ADDRESSES, rrs='true'))

    def test_charging_headers_go_to_no_other_trunk(self):
        self.call('7123', told('INVITE', missing=('P-Charging',)), told('180', missing=('P-Charging',)),
                  told('200', missing=('P-Charging',), rrs='true'))

    def test_offers_to_a_trunk_that_filters_have_no_modem_relay(self):
        filtered = told('INVITE', 'm=audio [0-9]+ RTP/AVP 0', 'a=ptime:20',
                        missing=('AVP 0 118', 'v150fw', 'cdsc', 'sqn'))
        self.modem_call('8123', told('INVITE', 'AVP 0 118', 'a=rtpmap:118 v150fw/8000'))
        self.modem_call('6123', filtered)
        self.media('PASS_THROUGH')
        self.addCleanup(self.media, 'ANCHORED')
        self.modem_call('8123', told('INVITE', 'AVP 0 118', 'a=rtpmap:118 v150fw/8000', 'a=cdsc:2 audio udpsprt 120'))
        self.modem_call('6123', filtered)


if __name__ == '__main__':
    main()
