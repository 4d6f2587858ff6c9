#!/usr/bin/env python3
"""What a trunk security profile allows, with sipp as trunks at both sides:
charging headers (RFC 7315) pass between trunks that may have them, and go to no
other."""

import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.sipp import ACK, BYE, SDP, SippCase, recv, request, response  # noqa: E402

VECTOR = 'P-Charging-Vector: icid-value=AyretyU0dm023551024;orig-ioi=home1.test'
ADDRESSES = 'P-Charging-Function-Addresses: ccf=192.0.2.71;ecf=192.0.2.72'
THEIRS = 'P-Charging-Vector: icid-value=AyretyU0dm023551024;term-ioi=home2.test'


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
        cls.demo.wait_snapshot()

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


if __name__ == '__main__':
    main()
