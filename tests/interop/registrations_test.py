#!/usr/bin/env python3
"""Registrations that others' software makes: baresip with two flows (RFC 5626),
and through Kamailio as the proxy at the edge of the network, which stays in
the path (RFC 3327); calls from sipp reach the phone by them."""

import os
import re
import sys

sys.path.insert(0, os.getcwd())

from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.peers import Baresip  # noqa: E402
from tests.harness.process import Process, wait_until  # noqa: E402
from tests.harness.sipp import BYE, CALLER_BEGINS, SippCase  # noqa: E402

USER = '''
kind: User
name: tenants/default/users/2001
spec:
  username: "2001"
  domain: {domain}
  password: a-password-of-2001
  digest_algorithm: DIGEST_ALGORITHM_MD5
  phone_numbers: ["2001"]
  dial_plan: tenants/default/dialPlans/clear
'''

KAMAILIO = '''#!KAMAILIO
fork=no
log_stderror=yes
debug=2
auto_aliases=no
listen=udp:{proxy}:5060
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "rr.so"
loadmodule "path.so"
loadmodule "textops.so"
loadmodule "siputils.so"
modparam("path", "use_received", 1)
request_route {{
  if (is_method("REGISTER")) {{
    add_path_received("", "ob");
    $du = "sip:{edge}:5060";
    t_relay();
    exit;
  }}
  record_route();
  loose_route();
  t_relay();
}}
'''


class RegistrationsTest(SippCase):

    def setUp(self):
        manifest = self.cluster.path('conf', 'registrations.yaml')
        with open(manifest, 'w', encoding='utf-8') as f:
            f.write(USER.format(domain=DOMAIN))
        self.cluster.cli('apply', '-f', manifest)
        self.demo.wait_snapshot()

    def phone(self, name, *ways):
        outbounds = ''.join(f';outbound{n}="{way}"' for n, way in zip(('', '2'), ways))
        phone = Baresip(
            self.cluster.folder, name,
            f'<sip:2001@{DOMAIN};transport=udp>;auth_user=2001;auth_pass=a-password-of-2001{outbounds}'
            ';sipnat=outbound;regint=60;answermode=auto', modules=('uuid',))
        self.addCleanup(phone.stop)
        return phone.start()

    def registrations(self, count):
        def held():
            found = [r for r in self.cluster.items('registrations') if r.get('user', '').endswith('/2001')]
            return found if len(found) == count else None
        return wait_until(held, f'{count} registrations of 2001', 15)

    def call(self):
        self.finish(self.caller('2001', CALLER_BEGINS, '<pause milliseconds="500"/>', BYE))

    def test_two_flows_are_one_phone(self):
        edge = self.cluster.host('signaling_edge')
        self.phone('flows', f'sip:{edge}:5060;transport=udp', f'sip:{edge}:5060;transport=tcp')
        two = self.registrations(2)
        self.assertNotEqual(two[0].get('connection'), two[1].get('connection'), two)
        before = len(self.cluster.items('calls'))
        self.call()
        # It rang once: one call was tried, not two.
        self.assertEqual(len(self.cluster.items('calls')), before + 1)

    def test_a_proxy_stays_in_the_path(self):
        edge = self.cluster.host('signaling_edge')
        proxy = f'{self.cluster.network}.26'
        path = self.cluster.path('conf', 'kamailio.cfg')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(KAMAILIO.format(proxy=proxy, edge=edge))
        kamailio = Process('kamailio', ['kamailio', '-f', path, '-DD', '-E', '-m', '64', '-M', '8'],
                           self.cluster.path('log', 'kamailio.log')).start()
        self.addCleanup(kamailio.stop)
        phone = self.phone('path', f'sip:{proxy}:5060;transport=udp')
        phone.wait_registered()
        one = self.registrations(1)[0]
        # It came from the proxy, and so do calls go there.
        self.assertTrue(re.search(re.escape(proxy), str(one)), one)
        before = len(self.cluster.items('calls'))
        self.call()
        self.assertEqual(len(self.cluster.items('calls')), before + 1)


if __name__ == '__main__':
    main()
