#!/usr/bin/env python3
"""kill -9 of dialplan, credential_issuer and capf during a call.

The call goes on, a second call to a known route succeeds meanwhile, and the
services come back with nothing lost (design.md sections 1 and 11).
"""

import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.demo import DIALLED, DOMAIN  # noqa: E402
from tests.harness.peers import turn_client  # noqa: E402

KILLED = ('dialplan', 'credential_issuer', 'capf')


class ServicesKilledTest(DemoCase):

    def stored(self):
        """Everything acknowledged that must still be there."""
        return {kind: sorted(str(item) for item in self.cluster.items_of(kind))
                for kind in ('tenants', 'dialPlans', 'peers', 'users', 'phones', 'partitions',
                             'routePatterns', 'keys', 'certificates', 'enrollments')}

    def test_calls_survive_and_nothing_is_lost(self):
        credential = self.cluster.cli('issue-credential', '--subject', 'killed', '-o', 'json')
        before = self.stored()
        self.assertTrue(all(before.values()), {k: len(v) for k, v in before.items()})
        second = self.demo.make_phone('second', 'srtp-mand', media_ports=(33000, 33199))
        second.start()
        second.wait_registered()

        def disaster():
            for name in KILLED:
                self.cluster.kill(name)
            second.dial(f'sip:{DIALLED}@{DOMAIN}')
            second.wait_event('CALL_ESTABLISHED', 'a second call is answered while they are dead')
            second.hang_up()
            # The relay still knows the keys.
            relayed = turn_client((self.cluster.host('media_relay'), 3478), credential['username'],
                                  credential['password'], credential['realm'], messages=20)
            self.assertEqual(relayed['lost'], 0)

        try:
            self.demo.call(during=disaster)
        finally:
            second.stop()
        self.assertEqual(self.demo.facts['phone']['lost_received'], 0)

        for name in KILLED:
            self.cluster.start_service(name)
        self.assertEqual(self.stored(), before)
        # And they work again: a new credential, a new route look-up.
        again = self.cluster.cli('issue-credential', '--subject', 'after', '-o', 'json')
        self.assertNotEqual(again['username'], credential['username'])
        self.assertIn(credential['keyId'], [again['keyId'], again['keyId'] - 1])
        self.demo.call(seconds=11)


if __name__ == '__main__':
    main()
