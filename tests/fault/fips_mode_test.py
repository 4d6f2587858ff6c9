#!/usr/bin/env python3
"""FIPS mode of the whole installation, switched by the command line (IMP-66 to IMP-76).

Five services that renew their certificates at capf: each ends when the mode is
switched, is started again as an orchestrator would, and refuses then what the
mode does not allow. It stays in the mode while capf is down, and halts when a
self test fails.
"""

import json
import os
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent import futures

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES  # noqa: E402
from tests.harness.sip import Client  # noqa: E402

OTHERS = [name for name in SERVICES if name != 'capf']
PASSWORD = 'a long password'
USERS = '''
kind: Tenant
name: tenants/default
spec:
  domains: [{domain}]
---
kind: DialPlan
name: tenants/default/dialPlans/clear
spec:
  security_mode: UNSECURED
  number_of_digits_in_extension: 4
---
kind: User
name: tenants/default/users/old
spec:
  username: "old"
  domain: {domain}
  password: {password}
  digest_algorithm: DIGEST_ALGORITHM_MD5
  allow_without_certificate: true
  dial_plan: tenants/default/dialPlans/clear
---
kind: User
name: tenants/default/users/new
spec:
  username: "new"
  domain: {domain}
  password: {password}
  allow_without_certificate: true
  dial_plan: tenants/default/dialPlans/clear
'''


class FipsModeTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cluster.make_pki()
        configs.write_all(cluster)
        for name in OTHERS:
            config = configs.read(cluster, name)
            config['server']['certificate_renewal'] = {
                'folder': cls.folder(name), 'capf': cluster.client_config('capf'), 'report_interval': '0.5s'}
            cluster.write_config(name, config)
        cluster.start_service('capf')
        # What is renewed leads to capf's authority, which it has made itself.
        with open(cluster.path('data', 'capf-ca.pem'), encoding='utf-8') as f:
            authority = f.read()
        with open(f'{cluster.pki}/ca.pem', 'a', encoding='utf-8') as f:
            f.write(authority)
        cls.each_of_others(cluster.start_service)
        cls.manifest = cluster.path('conf', 'users.yaml')
        with open(cls.manifest, 'w', encoding='utf-8') as f:
            f.write(USERS.format(domain=DOMAIN, password=PASSWORD))
        cluster.cli('apply', '-f', cls.manifest)
        cls.demo.wait_snapshot()

    @classmethod
    def folder(cls, name):
        return cls.cluster.path('data', name + '-tls')

    # A child dies with the thread that has started it: they last.
    threads = futures.ThreadPoolExecutor(len(OTHERS))

    @classmethod
    def each_of_others(cls, action):
        """Side by side; raises what one of them raises."""
        list(cls.threads.map(action, OTHERS))

    def status(self):
        done = self.cluster.cli('fips', 'status', '-o', 'json', check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return json.loads(done.stdout), done.returncode

    def modes(self):
        """Each service's mode, once nothing differs and all have reported."""
        status, code = self.status()
        if code != 0:
            return None
        modes = {one['service']: one.get('enabled', False) for one in status['instances']}
        return modes if set(modes) == set(SERVICES) else None

    def restart_all(self):
        """As an orchestrator: whoever ends in order is started again."""
        def again(name):
            process = self.cluster.processes[name]
            self.cluster.wait_for(lambda: not process.running(), f'{name} ends', 15)
            self.assertEqual(process.exit_code(), 0, name)
            self.cluster.start_service(name)
        again('capf')
        self.each_of_others(again)

    def register(self, user):
        client = Client(self.cluster.host('signaling_edge'), user, PASSWORD, DOMAIN)
        try:
            return client.register()
        finally:
            client.close()

    def handshake(self, service, port, *options):
        return subprocess.run(
            ['openssl', 's_client', '-connect', f'{self.cluster.host(service)}:{port}',
             '-cert', f'{self.cluster.pki}/operator.pem', '-key', f'{self.cluster.pki}/operator.key', *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=15)

    def agreed(self, *arguments):
        shown = self.handshake(*arguments).stdout
        return re.search(r'Cipher is (\S+)', shown).group(1) != '(NONE)'

    def to_relay(self, packet, seconds):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(seconds)
            s.connect((self.cluster.host('media_relay'), 3478))
            s.send(packet)
            try:
                return s.recv(2048)
            except socket.timeout:
                return None

    def serials(self):
        answer = self.cluster.cli('certs', 'services', '-o', 'json')
        return {one['service']: one['certificate']['serial']
                for one in answer.get('serviceCertificates', []) if one['use'] == 'grpc'}

    def readiness(self, name):
        try:
            with urllib.request.urlopen(f'http://{self.cluster.host(name)}:9464/readyz', timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ''

    def test_the_installation_enters_and_leaves_the_mode(self):
        # IMP-67: off, everywhere.
        self.cluster.wait_for(lambda: self.modes() == dict.fromkeys(SERVICES, False), 'all report', 15)
        self.assertEqual(self.register('old').code, 200)
        self.assertTrue(self.agreed('signaling_edge', 5061, '-tls1_3'))

        # IMP-69, IMP-72: every process ends and is started again in the mode.
        before = self.serials()
        # It breaks off as capf ends, and goes on when it is back.
        self.cluster.cli('fips', 'enable', '-y', check=False)
        self.restart_all()
        self.cluster.cli('fips', 'enable', '-y', check=False)
        self.cluster.wait_for(lambda: self.modes() == dict.fromkeys(SERVICES, True), 'all are in the mode', 15)
        status, _ = self.status()
        for one in status['instances']:
            # IMP-71, IMP-73.
            self.assertTrue(one['selfTestsPassed'], one)
            self.assertIn('not validated', one['module'])
            self.assertRegex(one['programSha256'], '^[0-9a-f]{64}$')
        self.check_refusals()
        # IMP-69: no key of before is in use.
        self.cluster.wait_for(
            lambda: all(self.serials().get(name) not in (None, before.get(name)) for name in OTHERS),
            'keys are made anew', 30)
        self.check_halt()

        # As a procedure stores it: the one above still waits for an operator to
        # lead the installation to the new authority, and two are not open at once.
        self.cluster.processes['capf'].stop()
        store = sqlite3.connect(self.cluster.path('data', 'capf.db'))
        with store:
            store.execute("UPDATE counters SET value = 0 WHERE name = 'fips_mode'")
        store.close()
        self.restart_all()
        self.cluster.wait_for(lambda: self.modes() == dict.fromkeys(SERVICES, False), 'all have left it', 15)
        self.assertEqual(self.register('old').code, 200)

    def check_refusals(self):
        """IMP-70, in each service."""
        for service, port in (('signaling_edge', 5061), ('dialplan', 7011), ('media_relay', 7013)):
            self.assertTrue(self.agreed(service, port, '-tls1_2'), service)
            self.assertFalse(self.agreed(service, port, '-tls1_3'), service)
            self.assertFalse(self.agreed(service, port, '-tls1_2', '-groups', 'X25519'), service)
            self.assertFalse(self.agreed(service, port, '-tls1_2', '-cipher', 'CHACHA20'), service)
        refused = self.register('old')
        self.assertEqual(refused.code, 401)
        self.assertIn('algorithm=SHA-256', refused.header('WWW-Authenticate'))
        self.assertEqual(self.register('new').code, 200)
        with open(self.manifest, encoding='utf-8') as f:
            again = f.read().replace('"old"', '"older"').replace('users/old', 'users/older')
        done = self.cluster.cli('apply', '-f', '-', check=False, stdin=again)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('NOT_ALLOWED_IN_FIPS_MODE', done.stderr + done.stdout)

        transaction = os.urandom(12)
        allocate = struct.pack('!HHI', 3, 8, 0x2112A442) + transaction + struct.pack('!HHI', 0x19, 4, 17 << 24)
        challenge = self.to_relay(allocate, 5)
        self.assertIsNotNone(challenge)
        # PASSWORD-ALGORITHMS is there although the request is short, and holds SHA-256 alone.
        self.assertIn(struct.pack('!HHHH', 0x8002, 4, 2, 0), challenge)
        ms_turn = struct.pack('!HH', 3, 8) + os.urandom(16) + struct.pack('!HHI', 0x0F, 4, 0x72C64BC6)
        self.assertIsNone(self.to_relay(ms_turn, 0.5))
        url = f'http://{self.cluster.host("media_relay")}:9464/metrics'

        def counted():
            with urllib.request.urlopen(url, timeout=5) as answer:
                return 'reason="not_allowed_in_fips_mode"} 1' in answer.read().decode()
        self.cluster.wait_for(counted, 'the dropped message is counted', 5)

    def check_halt(self):
        """IMP-74 to IMP-76, with capf down: the mode is that of before."""
        self.cluster.kill('capf')
        self.each_of_others(self.check_halt_of)
        self.assertFalse(self.agreed('signaling_edge', 5061, '-tls1_3'))
        self.cluster.start_service('capf')
        self.cluster.wait_for(lambda: self.modes() == dict.fromkeys(SERVICES, True), 'all are in the mode', 15)

    def check_halt_of(self, name):
        process = self.cluster.processes[name]
        process.stop()
        config = configs.read(self.cluster, name)
        config['server']['fips'] = {'break_self_test': 'AES-256-GCM'}
        self.cluster.write_config(name, config)
        for _ in range(2):  # IMP-75: a transient fault would be cured by that
            process.start()
            self.cluster.wait_for(lambda: not process.running(), f'{name} ends', 15)
            self.assertEqual(process.exit_code(), 1, name)
        self.assertIn('self tests failed: AES-256-GCM', process.text())
        process.start()
        self.cluster.wait_for(lambda: 'self tests failed' in self.readiness(name)[1], f'{name} halts', 15)
        self.assertEqual(self.readiness(name)[0], 503)
        self.assertIn('deploy a verified image', process.text())
        self.assertFalse(os.path.exists(self.cluster.path('ready', name + '.json')))
        process.stop()
        del config['server']['fips']
        self.cluster.write_config(name, config)
        self.cluster.start_service(name)
        self.assertIn('capf does not say whether FIPS mode is on', process.text())


if __name__ == '__main__':
    main()
