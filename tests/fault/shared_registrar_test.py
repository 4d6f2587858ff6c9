#!/usr/bin/env python3
"""Two edges share their registrations by the packaged Redis, over TLS and with
a password: what one acknowledges the other has, a dead Redis costs no
acknowledged registration, and without it nothing is acknowledged."""

import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, EDGE_NAME, SERVICES, find_binary  # noqa: E402
from tests.harness.ports import free_ports  # noqa: E402
from tests.harness.process import Process, wait_until  # noqa: E402
from tests.harness.phone import Phone  # noqa: E402
from tests.harness.sip import Client  # noqa: E402

PLAN = '''
kind: DialPlan
name: tenants/default/dialPlans/clear
spec:
  security_mode: UNSECURED
  number_of_digits_in_extension: 4
  calling_search_space: everything
---
kind: User
name: tenants/default/users/2001
spec:
  username: "2001"
  domain: {domain}
  password: a-password-of-2001
  phone_numbers: ["2001"]
  dial_plan: tenants/default/dialPlans/clear
  max_contacts: 3
---
kind: User
name: tenants/default/users/2002
spec:
  username: "2002"
  domain: {domain}
  password: a-password-of-2002
  phone_numbers: ["2002"]
  digest_algorithm: DIGEST_ALGORITHM_MD5
  dial_plan: tenants/default/dialPlans/clear
---
kind: DialPlan
name: tenants/default/dialPlans/tls
spec:
  security_mode: SIP_SECURED
  number_of_digits_in_extension: 4
  calling_search_space: everything
---
kind: User
name: tenants/default/users/2003
spec:
  username: "2003"
  domain: {domain}
  password: a-password-of-2003
  phone_numbers: ["2003"]
  dial_plan: tenants/default/dialPlans/tls
  allow_without_certificate: true
'''


class SharedRegistrarTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cluster.make_pki()
        configs.write_all(cluster, unlimited=True)
        cls.make_redis()
        edge = configs.read(cluster, 'signaling_edge')
        edge['registry_address'] = f'localhost:{cls.redis_port}'
        edge['registry'] = {'password_file': cluster.path('redis', 'password'),
                            'ca_file': cluster.path('redis', 'redis.pem'), 'request_timeout': '0.5s'}
        edge['static_hosts']['localhost'] = '127.0.0.1'
        edge['timers'] = {'min_registration': '2s'}
        cls.second = f'{cluster.network}.31'
        with open(edge['token_key_file'], 'wb') as f:
            f.write(os.urandom(32))
        os.chmod(edge['token_key_file'], 0o600)
        edge['cluster'] = {'edge_id': 'edge-0', 'listen_address': cluster.host('signaling_edge') + ':7012',
                           'peers': [cluster.host('signaling_edge') + ':7012', cls.second + ':7012']}
        cluster.write_config('signaling_edge', edge)
        # The second edge: addresses and files of its own.
        text = json.dumps(edge)
        text = text.replace(cluster.host('signaling_edge') + '"', cls.second + '"')
        text = text.replace(cluster.host('signaling_edge') + ':', cls.second + ':')
        other = json.loads(text)
        other['server']['ready_file'] = cluster.path('ready', 'second.json')
        other['server']['instance_id'] = 'signaling_edge-1'
        for key in ('snapshot_cache_file', 'trust_cache_file'):
            other[key] += '.second'
        other['call_record_file'] += '.second'
        other['cluster'] = {**edge['cluster'], 'edge_id': 'edge-1', 'listen_address': cls.second + ':7012'}
        cls.second_config = cluster.write_config('second', other)
        for service in SERVICES:
            cluster.start_service(service)
        cls.demo.provision()
        manifest = cluster.path('conf', 'registrar.yaml')
        with open(manifest, 'w', encoding='utf-8') as f:
            f.write(PLAN.format(domain=DOMAIN))
        cluster.cli('apply', '-f', manifest)
        cls.demo.wait_snapshot()
        cls.edge = Process('second', [find_binary('signaling_edge'), '--config=' + cls.second_config],
                           cluster.path('log', 'second.log'))
        cls.start_second()

    @classmethod
    def start_second(cls):
        ready = cls.cluster.path('ready', 'second.json')
        if os.path.exists(ready):
            os.unlink(ready)
        cls.edge.start()
        cls.edge.wait_for(lambda: os.path.exists(ready), 'the second edge is ready')

    @classmethod
    def make_redis(cls):
        folder = cls.cluster.path('redis')
        os.makedirs(folder)
        cls.redis_port = free_ports(1)[0]
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-keyout', f'{folder}/redis.key', '-out', f'{folder}/redis.pem', '-days', '2',
                        '-subj', '/CN=redis', '-addext', 'subjectAltName=DNS:localhost',
                        '-addext', 'extendedKeyUsage=serverAuth'],
                       check=True, capture_output=True)
        with open(f'{folder}/password', 'w', encoding='utf-8') as f:
            f.write('a long password of redis\n')
        os.chmod(f'{folder}/password', 0o600)
        cls.redis = Process('redis', [
            '/usr/bin/redis-server', '--bind', '127.0.0.1', '--port', '0', '--tls-port', str(cls.redis_port),
            '--tls-cert-file', f'{folder}/redis.pem', '--tls-key-file', f'{folder}/redis.key',
            '--tls-ca-cert-file', f'{folder}/redis.pem', '--tls-auth-clients', 'no',
            '--requirepass', 'a long password of redis', '--dir', folder, '--save', '', '--appendonly', 'yes',
            '--appendfsync', 'always'], cls.cluster.path('log', 'redis.log')).start()

    @classmethod
    def tearDownClass(cls):
        cls.edge.stop()
        cls.redis.stop()
        super().tearDownClass()

    def phone(self, where, user='2001'):
        server = self.cluster.host('signaling_edge') if where == 1 else self.second
        client = Client(server, user, f'a-password-of-{user}', DOMAIN)
        self.addCleanup(client.close)
        return client

    def register(self, client, *arguments, **more):
        """Until the registrar can be reached."""
        def done():
            answer = client.register(*arguments, **more)
            return answer if answer.code != 503 else None
        return wait_until(done, 'the registrar answers', 10)

    def test_1_one_registrar(self):
        one, two = self.phone(1), self.phone(2)
        first = self.register(one, one.contact)
        self.assertEqual(first.code, 200, first.text)
        self.assertEqual(len(first.contacts()), 1)
        second = self.register(two, two.contact)
        self.assertEqual(second.code, 200, second.text)
        both = second.contacts()
        self.assertEqual(len(both), 2)
        self.assertEqual(one.register().contacts(), both)
        # RFC 3261 section 10.3: order and limits hold, whichever edge is asked.
        late = self.phone(2)
        late.call_id = one.call_id
        self.assertEqual(late.register(one.contact).code, 500)
        more = self.phone(1)
        self.assertEqual(more.register('<sip:2001@192.0.2.1>').code, 200)
        self.assertEqual(self.phone(2).register('<sip:2001@192.0.2.2>').code, 403)
        away = self.phone(2)
        away.cseq = 1000
        gone = away.register('*', expires=0)
        self.assertEqual((gone.code, gone.contacts()), (200, []))
        self.assertEqual(one.register().contacts(), [])

    # ----------------------------------------- calls to phones at another edge

    def sip_phone(self, where, user, tls=False):
        server = self.cluster.host('signaling_edge') if where == 1 else self.second
        phone = Phone(server, user, f'a-password-of-{user}', DOMAIN,
                      ca=f'{self.cluster.pki}/sip-ca.pem' if tls else None, server_name=EDGE_NAME)
        self.addCleanup(phone.close)
        return phone

    def pair(self, user, tls):
        """A phone at the second edge, and a caller at the first."""
        both = (self.edge, self.cluster.processes['signaling_edge'])
        wait_until(lambda: all('linked to another edge' in each.text() for each in both),
                   'the edges know each other', 15)
        called, caller = self.sip_phone(2, user, tls), self.sip_phone(1, '2002')
        self.assertEqual(self.register(called, called.contact).code, 200)
        self.addCleanup(self.forget, called)
        return called, caller

    def forget(self, phone):
        phone.cseq += 100
        phone.register('*', expires=0)

    def live(self):
        return [c for c in self.cluster.items('calls') if c.get('state') != 'CALL_STATE_ENDED']

    def all_ways_to_end(self, user, tls):
        called, caller = self.pair(user, tls)
        uri = f'sip:{user}@{DOMAIN}'
        # Refused.
        call = caller.invite(uri)
        invite = called.wait('INVITE')
        self.assertRegex(invite.first, rf'^INVITE sip:{user}@{re.escape(called.address)}:{called.port}')
        called.respond(invite, 180)
        caller.wait('180')
        called.respond(invite, 486)
        self.assertEqual(caller.outcome(call), 486)
        called.wait('ACK')
        # Given up.
        call = caller.invite(uri)
        invite = called.wait('INVITE')
        called.respond(invite, 180)
        caller.wait('180')
        caller.cancel(call)
        cancel = called.wait('CANCEL')
        called.respond(cancel, 200)
        called.respond(invite, 487)
        self.assertEqual(caller.outcome(call), 487)
        called.wait('ACK')
        # Answered, and ended by either.
        for by_caller in (True, False):
            call = caller.invite(uri)
            invite = called.wait('INVITE')
            self.assertIn('m=audio', invite.body)
            called.respond(invite, 200, sdp=True)
            self.assertEqual(caller.outcome(call), 200)
            called.wait('ACK')
            if by_caller:
                self.send_bye_and_answer(lambda: caller.hang_up(call), called)
            else:
                self.send_bye_and_answer(lambda: called.hang_up_on(invite), caller)
        wait_until(lambda: not self.live(), 'no call is left', 5)

    def send_bye_and_answer(self, hang_up, other):
        """Who hangs up hears 200 at once; the other gets a BYE."""
        self.assertEqual(hang_up(), 200)
        other.respond(other.wait('BYE'), 200)

    def test_1_a_phone_at_another_edge_is_called_over_udp(self):
        self.all_ways_to_end('2001', tls=False)

    def test_1_a_phone_at_another_edge_is_called_over_tls(self):
        self.all_ways_to_end('2003', tls=True)

    def test_1_many_refusals_over_udp_and_none_is_lost(self):
        called, caller = self.pair('2001', tls=False)
        for code in [486, 480, 603, 404] * 10:
            call = caller.invite(f'sip:2001@{DOMAIN}')
            called.respond(called.wait('INVITE'), code)
            self.assertEqual(caller.outcome(call), code)
            called.wait('ACK')

    def test_2_times_are_told_and_end(self):
        one, two = self.phone(1), self.phone(2)
        self.assertEqual(self.register(one, one.contact, expires=2).code, 200)
        self.assertEqual(len(two.register().contacts()), 1)
        wait_until(lambda: two.register().contacts() == [], 'the contact expires', 6)

    def test_3_a_killed_redis_forgets_nothing(self):
        one, two = self.phone(1), self.phone(2, '2002')
        self.assertEqual(self.register(one, one.contact).code, 200)
        self.assertEqual(self.register(two, two.contact).code, 200)
        self.redis.kill()
        refused = one.register(one.contact)
        self.assertEqual(refused.code, 503, refused.text)
        self.assertTrue(refused.header('Retry-After'))
        self.redis.start()
        again = self.register(one, one.contact)
        self.assertEqual(again.code, 200, again.text)
        # What the other edge had acknowledged is asked of this one.
        asked = self.phone(1, '2002').register()
        self.assertIn(two.contact.strip('<>'), asked.contacts())

    def test_4_a_redis_that_hangs_is_not_waited_for(self):
        one = self.phone(1)
        self.assertEqual(self.register(one, one.contact).code, 200)
        os.kill(self.redis.pid, signal.SIGSTOP)
        begun = time.monotonic()
        self.assertEqual(one.register(one.contact).code, 503)
        self.assertLess(time.monotonic() - begun, 2)
        # The loop goes on meanwhile.
        options = one.exchange(one.request('OPTIONS', uri=f'sip:{DOMAIN}'))
        self.assertEqual(options.code, 200)
        os.kill(self.redis.pid, signal.SIGCONT)
        self.assertEqual(self.register(one, one.contact).code, 200)

    def test_5_an_empty_redis_is_told_again(self):
        one, two = self.phone(1), self.phone(2, '2002')
        self.assertEqual(self.register(one, one.contact).code, 200)
        self.assertEqual(self.register(two, two.contact).code, 200)
        self.redis.kill()
        log = self.cluster.path('redis', 'appendonlydir')
        for path in (log, self.cluster.path('redis', 'appendonly.aof')):
            subprocess.run(['rm', '-rf', path], check=True)
        self.redis.start()
        self.register(one, one.contact)
        wait_until(lambda: two.contact.strip('<>') in self.phone(1, '2002').register().contacts(),
                   'each edge puts back what it holds', 10)

    def test_6_an_edge_that_is_killed_leaves_what_it_acknowledged(self):
        two = self.phone(2, '2002')
        self.assertEqual(self.register(two, two.contact).code, 200)
        self.edge.kill()
        self.assertIn(two.contact.strip('<>'), self.phone(1, '2002').register().contacts())
        self.start_second()
        moved = self.phone(1, '2002')
        self.assertEqual(moved.register(two.contact).code, 200)
        self.assertIn(two.contact.strip('<>'), self.register(self.phone(2, '2002')).contacts())


if __name__ == '__main__':
    main()
