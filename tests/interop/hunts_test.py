#!/usr/bin/env python3
"""Hunts through the real dialplan, edge and relay: baresip as caller and as
every member, sipp as voicemail server. Top down, circular, longest idle and
broadcast; who is busy, does not answer or is not there; and what the
redirecting number says in voicemail (RFC 5806, RFC 7044). CUC-53, CUC-54."""

import os
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.peers import Baresip  # noqa: E402
from tests.harness.process import wait_until  # noqa: E402
from tests.harness.sipp import SDP, SippCase, recv, response  # noqa: E402

PASSWORD = 'a-password-of-many'
CALLER, MEMBERS, ABSENT = '6100', ('6101', '6102', '6103'), '6104'
LINE = '''kind: Line
name: tenants/default/lines/{0}
spec:
  directory_number: "{0}"
  partition: tenants/default/partitions/default
  users: [tenants/default/users/{0}]
'''
# By pilot: how it hunts, and whom.
PILOTS = {'6001': ('TOP_DOWN', MEMBERS), '6002': ('CIRCULAR', MEMBERS), '6003': ('LONGEST_IDLE', MEMBERS),
          '6004': ('BROADCAST', MEMBERS), '6005': ('TOP_DOWN', (ABSENT, MEMBERS[1]))}
PILOT = '''kind: LineGroup
name: tenants/default/lineGroups/g{pilot}
spec:
  lines: [{lines}]
  algorithm: HUNT_ALGORITHM_{algorithm}
  ring_no_answer_reversion: 3s
---
kind: HuntList
name: tenants/default/huntLists/l{pilot}
spec:
  line_groups: [tenants/default/lineGroups/g{pilot}]
---
kind: HuntPilot
name: tenants/default/huntPilots/p{pilot}
spec:
  pattern: "{pilot}"
  partition: tenants/default/partitions/default
  hunt_list: tenants/default/huntLists/l{pilot}
  forward_busy: {{voicemail: true}}
  forward_no_answer: {{voicemail: true}}
'''


class HuntsTest(SippCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            plans.apply(cls.cluster, 'hunts', plans.manifest(
                *(plans.user(user, DOMAIN, PASSWORD, digest_algorithm='DIGEST_ALGORITHM_MD5',
                             allow_without_certificate='true') for user in (CALLER, *MEMBERS, ABSENT)),
                *(LINE.format(number) for number in (*MEMBERS, ABSENT)),
                *(PILOT.format(pilot=pilot, algorithm=algorithm,
                               lines=', '.join(f'tenants/default/lines/{line}' for line in lines))
                  for pilot, (algorithm, lines) in PILOTS.items())))
            cls.demo.wait_snapshot()
            cls.phones = {}
            for user in (CALLER, *MEMBERS):
                cls.phones[user] = cls.phone(user)
        except BaseException:
            cls.show_logs()
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        for phone in cls.phones.values():
            phone.stop()
        super().tearDownClass()

    @classmethod
    def phone(cls, user):
        edge = cls.cluster.host('signaling_edge')
        phone = Baresip(
            cls.cluster.folder, f'phone-{user}',
            f'<sip:{user}@{DOMAIN};transport=udp>;auth_user={user};auth_pass={PASSWORD}'
            f';outbound="sip:{edge}:5060;transport=udp";regint=600;answermode=manual;audio_codecs=pcmu',
            media_ports=(35000, 35199), options=('module sndfile.so', 'snd_path .'))
        phone.start()
        phone.wait_registered()
        return phone

    def setUp(self):
        # What each phone has seen before this test.
        self.before = {user: {kind: len(phone.seen(kind)) for kind in
                              ('CALL_INCOMING', 'CALL_RINGING', 'CALL_ESTABLISHED', 'CALL_CLOSED')}
                       for user, phone in self.phones.items()}

    def count(self, user, kind):
        return len(self.phones[user].seen(kind)) - self.before[user][kind]

    def wait(self, user, kind, count=1, timeout=10):
        wait_until(lambda: self.count(user, kind) >= count, f'{user}: {kind} for time {count}', timeout)

    def dial(self, pilot):
        self.phones[CALLER].dial(f'sip:{pilot}@{DOMAIN}')

    def rings(self):
        return [self.count(user, 'CALL_INCOMING') for user in MEMBERS]

    def answer(self, user, calls=1):
        """The member answers the caller's call; who is connected hangs up."""
        self.phones[user].command('accept')
        self.wait(user, 'CALL_ESTABLISHED', calls)
        self.wait(CALLER, 'CALL_ESTABLISHED', calls)

    def end(self, calls=1):
        self.phones[CALLER].command('hangup')
        self.wait(CALLER, 'CALL_CLOSED', calls)
        # The edge knows who is idle once it has no call any more.
        wait_until(lambda: not [c for c in self.cluster.items('calls') if c['state'] != 'CALL_STATE_ENDED'],
                   'every call is over', 10)
        time.sleep(0.2)

    def test_top_down_past_the_busy_and_who_does_not_answer(self):
        first, second, third = MEMBERS
        self.dial('6001')
        self.wait(first, 'CALL_INCOMING')
        self.assertEqual(self.rings(), [1, 0, 0])
        self.phones[first].command('hangup')  # 486
        self.wait(second, 'CALL_INCOMING')
        self.assertEqual(self.rings(), [1, 1, 0])
        self.wait(third, 'CALL_INCOMING')
        self.wait(second, 'CALL_CLOSED')  # it has rung long enough
        self.answer(third)
        self.assertEqual(self.rings(), [1, 1, 1])
        self.end()

    def one_at_a_time(self, pilot):
        """Who rings first, and answers, in four calls."""
        order = []
        for call in range(1, 5):
            rung = self.rings()
            self.dial(pilot)
            wait_until(lambda rung=rung: self.rings() != rung, 'somebody rings', 10)
            order.append(next(i for i in range(3) if self.rings()[i] != rung[i]))
            member = MEMBERS[order[-1]]
            self.phones[member].command('accept')
            self.wait(CALLER, 'CALL_ESTABLISHED', call)
            self.end(call)
        self.assertEqual(sum(self.rings()), 4)
        return order

    def test_circular_goes_on_after_the_last(self):
        order = self.one_at_a_time('6002')
        self.assertEqual(order, [(order[0] + i) % 3 for i in range(4)])

    def test_the_longest_idle_is_first(self):
        order = self.one_at_a_time('6003')
        self.assertEqual(sorted(order[:3]), [0, 1, 2])
        self.assertEqual(order[3], order[0])

    def test_broadcast_rings_all_and_one_answers(self):
        self.dial('6004')
        for user in MEMBERS:
            self.wait(user, 'CALL_INCOMING')
        self.answer(MEMBERS[1])
        for user in (MEMBERS[0], MEMBERS[2]):
            self.wait(user, 'CALL_CLOSED')
            self.assertEqual(self.count(user, 'CALL_ESTABLISHED'), 0)
        self.end()

    def test_who_is_not_there_is_passed_over(self):
        self.dial('6005')
        self.wait(MEMBERS[1], 'CALL_INCOMING')
        self.answer(MEMBERS[1])
        self.assertEqual(self.rings(), [0, 1, 0])
        self.end()

    def to_voicemail(self, reason, cause):
        """A voicemail server that wants to hear why, and for whom."""
        return self.voicemail(
            recv('INVITE', '<action>'
                 f'<ereg regexp="sip:6001@{DOMAIN}.*reason={reason}" search_in="hdr" header="Diversion:"'
                 ' check_it="true" assign_to="1"/>'
                 f'<ereg regexp="sip:6001@{DOMAIN}.*cause%3D{cause}.*index=1" search_in="hdr"'
                 ' header="History-Info:" check_it="true" assign_to="2"/></action>'),
            response(200, body=SDP), recv('ACK'), recv('BYE'), response(200, tag=''))

    def test_all_are_busy_and_it_goes_to_voicemail(self):
        voicemail = self.to_voicemail('user-busy', 486)
        self.dial('6001')
        for user in MEMBERS:
            self.wait(user, 'CALL_INCOMING')
            self.phones[user].command('hangup')
        self.wait(CALLER, 'CALL_ESTABLISHED')
        self.end()
        self.finish(voicemail)

    def test_nobody_answers_and_it_goes_to_voicemail(self):
        voicemail = self.to_voicemail('no-answer', 408)
        self.dial('6001')
        self.wait(CALLER, 'CALL_ESTABLISHED', timeout=25)
        self.assertEqual(self.rings(), [1, 1, 1])
        self.end()
        self.finish(voicemail)


if __name__ == '__main__':
    main()
