#!/usr/bin/env python3
"""Message waiting (RFC 3842) from a voicemail server to phones that others wrote:
baresip, which subscribes (RFC 6665), and linphone, which does not and is told
all the same; and to who asks only once."""

import os
import re
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.linphone import Linphone, account  # noqa: E402
from tests.harness.peers import Baresip  # noqa: E402
from tests.harness.sip import Client  # noqa: E402

LINE = '''kind: Line
name: tenants/default/lines/{number}
spec:
  directory_number: "{number}"
  partition: tenants/default/partitions/default
  users: [tenants/default/users/{number}]
'''

# A server that shows the digest of an application, which must be allowed what its trunk is (protocols.md section 8).
TRUNK = plans.profile('application', enable_digest_authentication='true',
                      enable_application_level_authorization='true', accept_unsolicited_notification='true')


def application(**rights):
    return plans.user('application', DOMAIN, 'a-password-of-it', number='3990',
                      digest_algorithm='DIGEST_ALGORITHM_MD5', **rights)


class MessageWaitingTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.demo.start_services()
        cls.demo.provision()
        cls.edge = cls.cluster.host('signaling_edge')
        cls.server = f'{cls.cluster.network}.24'
        plans.apply(cls.cluster, 'lamps', plans.manifest(
            plans.CLEAR,
            plans.user('3001', DOMAIN, 'password-3001', 'secured', digest_algorithm='DIGEST_ALGORITHM_SHA_256',
                       allow_without_certificate='true'),
            plans.user('3002', DOMAIN, 'password-3002', digest_algorithm='DIGEST_ALGORITHM_MD5'),
            *(LINE.format(number=number) for number in ('3001', '3002')),
            plans.peer('voicemail', cls.server, 5070, kind='VOICEMAIL_SERVER',
                       message_waiting_indicator_allowed='true'),
            TRUNK, application(),
            plans.peer('application', f'{cls.cluster.network}.25', 5070, 'TCP', kind='VOICEMAIL_SERVER',
                       message_waiting_indicator_allowed='true', digest_user='application',
                       trunk_security_profile='application')))
        cls.demo.wait_snapshot()

    def setUp(self):
        self.voicemail = Client(self.edge, 'voicemail', '', DOMAIN, source=self.server)
        self.addCleanup(self.voicemail.close)

    def notify(self, number, new, old, source=None):
        """What is answered to the server that says so many messages are there."""
        body = (f'Messages-Waiting: {"yes" if new else "no"}\n'
                f'Message-Account: sip:{number}@{DOMAIN}\nVoice-Message: {new}/{old} (0/0)\n')
        lines = ['Event: message-summary', 'Subscription-State: active', f'Contact: <sip:voicemail@{self.server}:5070>',
                 'Content-Type: application/simple-message-summary']
        sender, uri = source or self.voicemail, f'sip:{number}@{DOMAIN}'

        def ask(authorization=None):
            return sender.exchange(sender.request('NOTIFY', lines, authorization, uri=uri, to=f'<{uri}>',
                                                  call_id=os.urandom(8).hex(), body=body))
        answer = ask()
        if answer.code == 407 and sender.password:
            answer = ask(sender.authorize(answer, 'NOTIFY', uri))
        return answer.code

    def registered(self, number):
        self.cluster.wait_for(lambda: [r for r in self.cluster.items('registrations')
                                       if r.get('user', '').endswith('/' + number)], f'{number} is registered', 20)

    def test_a_phone_that_subscribes(self):
        phone = Baresip(self.cluster.folder, 'lamp',
                        f'<sip:3002@{DOMAIN}>;auth_pass=password-3002;outbound="sip:{self.edge}";regint=60;mwi=yes',
                        media_ports=(36000, 36099), options=('module_app mwi.so',), late=True).start()
        self.addCleanup(phone.stop)
        self.registered('3002')

        def told(state, counts=''):
            """What it has shown last."""
            last = phone.process.text().rpartition('----- MWI for')[2]
            return f'Messages-Waiting: {state}' in last and counts in last

        phone.process.wait_for(lambda: told('no'), 'it is told at once (RFC 6665)', 10)
        self.assertEqual(self.notify('3002', 2, 1), 200)
        phone.process.wait_for(lambda: told('yes', '2/1'), 'its lamp is lit', 5)
        self.assertEqual(self.notify('3002', 0, 3), 200)
        phone.process.wait_for(lambda: told('no', '0/3'), 'its lamp is dark', 5)

    def test_a_phone_that_does_not(self):
        phone = Linphone(self.cluster.path('linphone'), f'{self.cluster.pki}/sip-ca.pem',
                         account('3001', 'password-3001', DOMAIN, f'{self.edge}:5061', 'tls'))
        self.addCleanup(phone.stop)
        phone.start()
        self.registered('3001')
        self.assertEqual(self.notify('3001', 4, 0), 200)

        def told(state, counts):
            """It says 200 to what it was sent last."""
            last = phone.debug_log().rpartition('\nNOTIFY sip:')[2]
            return (f'Messages-Waiting: {state}' in last and f'Voice-Message: {counts}' in last
                    and re.search(r'\nSIP/2.0 200 (?:.*\n)+?CSeq: \d+ NOTIFY', last.replace('\r', '')))

        phone.process.wait_for(lambda: told('yes', '4/0'), 'it is told', 5)
        self.assertEqual(self.notify('3001', 0, 4), 200)
        phone.process.wait_for(lambda: told('no', '0/4'), 'it is told again', 5)

    def test_who_may_light_lamps(self):
        stranger = Client(self.edge, 'voicemail', '', DOMAIN, source=f'{self.cluster.network}.99')
        self.addCleanup(stranger.close)
        self.assertIn(self.notify('3001', 1, 0, source=stranger), (403, 407))
        self.assertEqual(self.notify('3999', 1, 0), 404)

    def test_an_application_must_be_allowed_too(self):
        server = Client(self.edge, 'application', 'a-password-of-it', DOMAIN, source=f'{self.cluster.network}.25')
        wrong = Client(self.edge, 'application', 'another-password', DOMAIN, source=f'{self.cluster.network}.25')
        self.addCleanup(server.close)
        self.addCleanup(wrong.close)
        self.assertEqual(self.notify('3002', 1, 0, source=wrong), 407)
        self.assertEqual(self.notify('3002', 1, 0, source=server), 403)
        plans.apply(self.cluster, 'application', application(accept_unsolicited_notification='true'))
        self.demo.wait_snapshot()
        self.assertEqual(self.notify('3002', 1, 0, source=server), 200)
        self.assertEqual(self.notify('3002', 0, 1, source=server), 200)
        self.assertEqual(self.notify('3002', 1, 0, source=wrong), 407)


if __name__ == '__main__':
    main()
