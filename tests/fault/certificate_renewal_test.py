#!/usr/bin/env python3
"""Certificates of 20 seconds: every service renews its own, under load.

capf signs for all five and for what the edge shows to phones. Calls go on
while every certificate is replaced more than once, none is refused; capf dies
as a renewal falls due, which is counted, and nothing else happens (capability 7).
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, EDGE_NAME, SERVICES  # noqa: E402
from tests.harness.process import Failed  # noqa: E402

LIFE = 20
CYCLES = 2


def openssl(*arguments, **options):
    return subprocess.run(['openssl', *arguments], check=True, capture_output=True, text=True, **options).stdout


def append(path, more):
    with open(more, encoding='utf-8') as f:
        text = f.read()
    with open(path, encoding='utf-8') as f:
        text = f.read() + text
    with open(path + '.part', 'w', encoding='utf-8') as f:
        f.write(text)
    os.replace(path + '.part', path)


class CertificateRenewalTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cluster.make_pki()
        configs.write_all(cluster)
        for name in SERVICES:
            config = configs.read(cluster, name)
            config['server']['certificate_renewal'] = {'folder': cluster.path('data', name + '-tls')}
            if name == 'capf':
                config['lifetimes'] = {'service': f'{LIFE}s', 'server': f'{LIFE}s'}
            else:
                config['server']['certificate_renewal']['capf'] = cluster.client_config('capf')
            if name == 'signaling_edge':
                config['renew_sip_certificates'] = True
            cluster.write_config(name, config)
        # The roots that everybody trusts hold capf's, which it makes itself.
        authority = cluster.path('data', 'capf-ca.pem')
        cluster.start_service('capf')
        append(f'{cluster.pki}/ca.pem', authority)
        # The first certificate of the edge's SIP port, by an operator.
        key, csr = f'{cluster.pki}/edge_sip.key', f'{cluster.pki}/edge_sip.csr'
        openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                '-subj', f'/CN={EDGE_NAME}', '-addext', f'subjectAltName=DNS:{EDGE_NAME},DNS:{DOMAIN}',
                '-keyout', key, '-out', csr)
        cluster.cli('certs', 'issue', csr, '--profile', 'server', '--to', f'{cluster.pki}/edge_sip.pem')
        for name in SERVICES:
            if name != 'capf':
                cluster.start_service(name)
        cls.demo.provision()
        append(f'{cluster.pki}/sip-ca.pem', authority)
        cls.demo.enroll()
        cls.demo.start_user_agents()

    def in_use(self):
        answer = self.cluster.cli('certs', 'services', '-o', 'json')
        return {(one['service'], one['use']): one for one in answer.get('serviceCertificates', [])}

    def metric(self, service, name, labels):
        url = f'http://{self.cluster.host(service)}:9464/metrics'
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        found = re.search(re.escape(f'{name}{{{labels}}}') + r' (\S+)', text)
        return float(found.group(1)) if found else 0.0

    def renewed(self, service, use='grpc'):
        return self.metric(service, 'sallyport_service_certificate_renewals_total',
                           f'outcome="renewed",use="{use}"')

    def failed(self, service, use='grpc'):
        return self.metric(service, 'sallyport_service_certificate_renewals_total',
                           f'outcome="failed",use="{use}"')

    def events(self):
        return self.cluster.cli('events', '--certificates', '-o', 'json')

    def test_every_certificate_is_replaced_and_no_call_is_lost(self):
        everything = [(name, 'grpc') for name in SERVICES] + [('signaling_edge', 'sip')]
        # Before capf's root was among the roots of all, some may have failed.
        settled = time.monotonic() + LIFE
        self.cluster.wait_for(lambda: time.monotonic() > settled or all(self.renewed(*w) > 0 for w in everything),
                              'each is renewed once', LIFE + 1)
        begin = {which: self.renewed(*which) for which in everything}
        failed = {which: self.failed(*which) for which in everything}
        seen = {}
        errors = []
        over = threading.Event()

        def ask():
            # Each call of the command line is a handshake with every service.
            while not over.is_set():
                try:
                    self.cluster.cli('get', 'status', '-o', 'json')
                    for which, one in self.in_use().items():
                        seen.setdefault(which, set()).add(one['certificate']['serial'])
                except Failed as error:
                    errors.append(str(error))
                time.sleep(0.3)

        asker = threading.Thread(target=ask)
        asker.start()
        try:
            calls = 0
            deadline = time.monotonic() + 4 * LIFE
            while time.monotonic() < deadline:
                self.demo.call(seconds=11)
                calls += 1
                if all(self.renewed(*which) >= begin[which] + CYCLES for which in everything):
                    break
        finally:
            over.set()
            asker.join()
        self.assertEqual(errors, [])
        for which in everything:
            self.assertGreaterEqual(self.renewed(*which), begin[which] + CYCLES, which)
            self.assertGreater(len(seen.get(which, ())), 1, which)
            self.assertEqual(self.failed(*which), failed[which], which)
        self.assertGreater(calls, 1)
        self.assertEqual(self.cluster.items('refusals', '--parent', 'tenants/-'), [])
        self.check_what_is_shown()
        self.check_capf_killed()

    def check_what_is_shown(self):
        """What strangers meet is the renewed one; its key lies in one file, 0600."""
        edge = self.cluster.host('signaling_edge')
        shown = subprocess.run(
            ['openssl', 's_client', '-connect', f'{edge}:5061', '-verify_return_error',
             '-CAfile', self.cluster.path('data', 'capf-ca.pem')],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=15)
        serial = openssl('x509', '-noout', '-serial', input=shown.stdout).strip().split('=')[1].lower()
        issued = {c['summary']['serial'] for c in self.cluster.items('certs')}
        self.assertIn(serial.lstrip('0'), issued)
        for name in SERVICES:
            path = self.cluster.path('data', name + '-tls', 'grpc.pem')
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            with open(f'{self.cluster.pki}/{name}.key', encoding='utf-8') as f:
                first = f.read().splitlines()[1]
            with open(path, encoding='utf-8') as f:
                self.assertNotIn(first, f.read())
        choice = self.cluster.cli('certs', 'choice', 'signaling_edge', EDGE_NAME, '-o', 'json')
        used = [c for c in choice['candidates'] if c.get('inUseBy')]
        self.assertEqual([c['inUseBy'] for c in used], [['signaling_edge/signaling_edge-0 sip']])
        # UM-111: in full, in the log of whoever uses it and among capf's events.
        lines = [line for line in self.cluster.log_lines('signaling_edge')
                 if line.get('message') == 'certificate in use' or line.get('msg') == 'certificate in use']
        self.assertTrue(lines)
        for field in ('issuer', 'serial', 'sha1', 'sha256'):
            self.assertTrue(lines[-1].get(field), field)
        text = json.dumps(self.events())
        self.assertIn('signaling_edge/signaling_edge-0 sip', text)
        self.assertIn('CERTIFICATE_EVENT_TYPE_IN_USE', text)

    def check_capf_killed(self):
        relay = 'media_relay'
        due = 'sallyport_service_certificate_next_attempt_timestamp_seconds'
        self.cluster.wait_for(
            lambda: 0 < self.metric(relay, due, 'use="grpc"') - time.time() < 2,
            'the relay is about to renew', LIFE)
        done, failed = self.renewed(relay), self.failed(relay)
        self.cluster.kill('capf')
        self.cluster.wait_for(lambda: self.failed(relay) > failed, 'the failure is counted', 8)
        self.assertEqual(self.renewed(relay), done)
        self.assertGreater(self.metric(relay, due, 'use="grpc"'), time.time() - 2)
        self.cluster.start_service('capf')
        self.cluster.wait_for(lambda: self.renewed(relay) > done, 'it is renewed after all', 10)
        self.demo.call(seconds=11)


if __name__ == '__main__':
    main()
