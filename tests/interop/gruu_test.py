#!/usr/bin/env python3
"""Two phones of one user, and a third who calls one of them by its GRUU (RFC
5627): the public one, a temporary one, and whichever flow is left (RFC 5626)."""

import os
import re
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import configs, plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES  # noqa: E402
from tests.harness.phone import Phone  # noqa: E402

USERS = ('2001', '2002')
DESK = 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6'
POCKET = 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7'


class GruuTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cluster.make_pki()
        configs.write_all(cluster, unlimited=True)
        for name in SERVICES:
            cluster.start_service(name)
        cls.demo.provision()
        plans.apply(cluster, 'gruu', plans.manifest(
            plans.CLEAR, plans.GATEWAY,
            *(plans.user(user, DOMAIN, 'a-password', digest_algorithm='DIGEST_ALGORITHM_SHA_256') for user in USERS)))
        cls.demo.wait_snapshot()

    def phone(self, user):
        phone = Phone(self.cluster.host('signaling_edge'), user, 'a-password', DOMAIN)
        self.addCleanup(phone.close)
        return phone

    def registered(self, phone, urn, supported='gruu', params='', expires=600):
        """Registers; the GRUUs of this device, public and temporary."""
        answer = phone.register(f'{phone.contact};+sip.instance="<{urn}>"{params}', expires, [f'Supported: {supported}'])
        self.assertEqual(answer.code, 200, answer.text)
        own = [c for c in answer.all('Contact') if f'{phone.address}:{phone.port}' in c]
        if not own:
            return None, None
        found = [re.search(rf';{kind}="([^"]*)"', own[0]) for kind in ('pub-gruu', 'temp-gruu')]
        return tuple(one and one.group(1) for one in found)

    def called(self, uri, rings, silent):
        """One call that is answered; all else is quiet."""
        caller = self.phone(USERS[1])
        call = caller.invite(uri)
        invite = rings.wait('INVITE')
        self.assertEqual(invite.first.split()[1], rings.contact[1:-1], 'what rings is asked by its contact')
        for phone in silent:
            self.assertIsNone(phone.read(0.2))
        rings.respond(invite, 180)
        rings.respond(invite, 200, sdp=True)
        self.assertEqual(caller.outcome(call), 200)
        rings.wait('ACK')
        self.assertEqual(rings.hang_up_on(invite), 200)
        return invite

    def refused(self, uri):
        caller = self.phone(USERS[1])
        return caller.outcome(caller.invite(uri))

    def forget(self, *phones):
        for phone, urn in phones:
            self.registered(phone, urn, expires=0)

    def test_each_device_by_its_own(self):
        desk, pocket = self.phone(USERS[0]), self.phone(USERS[0])
        public, temporary = self.registered(desk, DESK)
        other_public, other_temporary = self.registered(pocket, POCKET)
        self.assertEqual(public, f'sip:{USERS[0]}@{DOMAIN};gr={DESK}')
        self.assertEqual(other_public, f'sip:{USERS[0]}@{DOMAIN};gr={POCKET}')
        self.assertRegex(temporary, rf'^sip:tgruu\.[\w-]+@{re.escape(DOMAIN)};gr$')
        self.assertNotIn(USERS[0], temporary)
        for uri in (public, temporary):
            self.called(uri, desk, [pocket])
        for uri in (other_public, other_temporary):
            self.called(uri, pocket, [desk])
        self.assertEqual(self.refused(f'sip:{USERS[0]}@{DOMAIN};gr=urn:uuid:another'), 480)
        self.forget((desk, DESK), (pocket, POCKET))
        self.assertEqual([self.refused(uri) for uri in (public, temporary)], [480, 480])

    def test_temporary_ones_end_with_their_registration(self):
        """RFC 5627 section 5.2: a refresh leaves them good, another Call-ID ends all."""
        desk = self.phone(USERS[0])
        _, first = self.registered(desk, DESK)
        _, second = self.registered(desk, DESK)
        self.assertNotEqual(first, second)
        for uri in (first, second):
            self.called(uri, desk, [])
        desk.call_id = os.urandom(8).hex()
        public, third = self.registered(desk, DESK)
        self.assertEqual([self.refused(uri) for uri in (first, second)], [480, 480])
        for uri in (public, third):
            self.called(uri, desk, [])
        self.forget((desk, DESK))

    def test_a_device_that_asks_for_none_gets_none(self):
        desk = self.phone(USERS[0])
        self.assertEqual(self.registered(desk, DESK, 'path'), (None, None))
        self.called(f'sip:{USERS[0]}@{DOMAIN};gr={DESK}', desk, [])
        self.forget((desk, DESK))

    def test_the_flow_that_is_left_takes_the_call(self):
        """RFC 5626: two flows of one device are one GRUU."""
        one, two = self.phone(USERS[0]), self.phone(USERS[0])
        two.call_id = one.call_id
        public, _ = self.registered(one, DESK, 'outbound, gruu', ';reg-id=1')
        two.cseq = one.cseq
        public_again, temporary = self.registered(two, DESK, 'outbound, gruu', ';reg-id=2')
        self.assertEqual(public_again, public)
        self.called(public, two, [one])
        caller = self.phone(USERS[1])
        call = caller.invite(temporary)
        two.respond(two.wait('INVITE'), 430)
        two.wait('ACK')
        invite = one.wait('INVITE')
        one.respond(invite, 200, sdp=True)
        self.assertEqual(caller.outcome(call), 200)
        one.wait('ACK')
        self.assertEqual(one.hang_up_on(invite), 200)
        self.called(public, one, [two])
        one.register('*', 0)


if __name__ == '__main__':
    main()
