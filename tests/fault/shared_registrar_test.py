#!/usr/bin/env python3
"""Two edges share their registrations by the packaged Redis, over TLS and with
a password: what one acknowledges the other has, a dead Redis costs no
acknowledged registration, and without it nothing is acknowledged."""

import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES, find_binary  # noqa: E402
from tests.harness.ports import free_ports  # noqa: E402
from tests.harness.process import Process, wait_until  # noqa: E402
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
  digest_algorithm: DIGEST_ALGORITHM_MD5
  dial_plan: tenants/default/dialPlans/clear
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
        cluster.write_config('signaling_edge', edge)
        # The second edge: addresses and files of its own.
        cls.second = f'{cluster.network}.31'
        text = json.dumps(edge)
        text = text.replace(cluster.host('signaling_edge') + '"', cls.second + '"')
        text = text.replace(cluster.host('signaling_edge') + ':', cls.second + ':')
        other = json.loads(text)
        other['server']['ready_file'] = cluster.path('ready', 'second.json')
        other['server']['instance_id'] = 'signaling_edge-1'
        for key in ('snapshot_cache_file', 'trust_cache_file'):
            other[key] += '.second'
        other['call_record_file'] += '.second'
        if 'cluster' in other:
            other['cluster']['edge_id'] = 'signaling_edge-1'
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
