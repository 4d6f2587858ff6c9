#!/usr/bin/env python3
"""What the plan allows a tenant (limits of tenant.proto), with sipp on both sides
and the real services between: calls at a time, calls in a second, contacts. On
one loop, and on three that share the limits."""

import concurrent.futures
import os
import re
import sys
import time
import urllib.request

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.process import Process  # noqa: E402
from tests.harness.sip import Client  # noqa: E402
from tests.harness.sipp import (  # noqa: E402
    ACK, BYE, CALLER_BEGINS, SDP, SippCase, ereg, recv, request, scenario)

USERS = ('2001', '2002')


def held(milliseconds):
    """A call that is answered and held, or gets 503 with Retry-After."""
    return (request('INVITE', 1, body=SDP, retrans='500'), recv('100', optional='true'),
            recv('503', ereg('Retry-After:', '1', '[0-9]+', check=True), optional='true', next='refused'),
            recv('180', optional='true'), recv('200', rrs='true'), ACK, f'<pause milliseconds="{milliseconds}"/>', BYE,
            '<nop next="over"/>\n', '<label id="refused"/>\n', request('ACK', 1, to='[peer_tag_param]'),
            '<label id="over"/>\n')


class TenantLimitsTest(SippCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.edge = cls.cluster.host('signaling_edge')
        plans.apply(cls.cluster, 'more', plans.manifest(
            plans.route('help', 1, 'called').replace('"1.!"', '"1.12"') + '  toll_class: TOLL_CLASS_EMERGENCY\n',
            *(plans.user(user, DOMAIN, f'a-password-of-{user}', max_contacts=50) for user in USERS)))
        cls.demo.wait_snapshot()

    def limits(self, **limits):
        spec = ', '.join(f'{name}: {value}' for name, value in limits.items())
        plans.apply(self.cluster, 'limits', f'kind: Tenant\nname: tenants/default\nspec: {{limits: {{{spec}}}}}\n')
        self.demo.wait_snapshot()

    def setUp(self):
        self.limits(max_calls=0)
        uas = Process('uas', ['sipp', '-sn', 'uas', '-i', f'{self.cluster.network}.22', '-p', '5070', '-nostdin'],
                      self.cluster.path('log', f'{self._testMethodName}-uas.log')).start()
        self.addCleanup(uas.stop)

    def metric(self, name):
        with urllib.request.urlopen(f'http://{self.edge}:9464/metrics', timeout=5) as answer:
            found = re.search(rf'(?m)^sallyport_signaling_edge_{re.escape(name)} (\S+)$', answer.read().decode())
        return int(float(found.group(1))) if found else 0

    def refused(self, reason):
        return self.metric(f'refusals_total{{reason="{reason}"}}')

    def calls(self, name, count, hold, rate=200):
        """So many, each from a UDP port of its own, so that any loop may have it."""
        path = self.cluster.path('conf', f'{self._testMethodName}-{name}.xml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(scenario(*held(hold)))
        process = Process(
            name, ['sipp', '-sf', path, '-i', f'{self.cluster.network}.21', '-p', '5080', '-t', 'un', '-s', '8123',
                   '-m', str(count), '-l', str(count), '-r', str(rate), '-max_socket', '500', '-nostdin',
                   '-timeout', '60s', '-trace_err', '-error_file', path + '.err', f'{self.edge}:5060'],
            self.cluster.path('log', f'{self._testMethodName}-{name}.log')).start()
        self.addCleanup(process.stop)
        process.errors = path + '.err'
        return process

    def wait_live(self, count):
        self.cluster.wait_for(lambda: self.metric('active_calls') == count, f'{count} calls live', 10)

    def test_calls_at_a_time(self):
        self.limits(max_calls=5)
        before = self.refused('TENANT_CALL_LIMIT')
        caller = self.calls('held', 30, 8000)
        self.cluster.wait_for(lambda: self.refused('TENANT_CALL_LIMIT') - before == 25, '25 are refused', 10)
        self.wait_live(5)
        # Calls for help go nevertheless.
        self.finish(self.caller('112', CALLER_BEGINS, '<pause milliseconds="100"/>', BYE))
        refusal = [r for r in self.cluster.items('refusals') if r['reason'] == 'TENANT_CALL_LIMIT'][0]
        self.assertEqual(refusal['sipStatus'], 503)
        self.assertEqual(refusal['steps'][-1], 'admission: TENANT_CALL_LIMIT')
        # A lower bound ends none of those that there are.
        self.limits(max_calls=2)
        self.wait_live(5)
        self.finish(caller)
        self.assertEqual(self.refused('TENANT_CALL_LIMIT') - before, 25)
        self.wait_live(0)
        # As many as before find room, and two by the bound of now.
        self.limits(max_calls=5)
        self.finish(self.calls('again', 5, 1000))
        self.assertEqual(self.refused('TENANT_CALL_LIMIT') - before, 25)
        self.wait_live(0)
        self.limits(max_calls=2)
        self.finish(self.calls('fewer', 5, 1500))
        self.cluster.wait_for(lambda: self.refused('TENANT_CALL_LIMIT') - before == 28, 'three more are refused', 10)

    def test_calls_in_a_second(self):
        self.limits(max_calls_per_second=10)
        calls, begun = self.metric('calls_total'), time.monotonic()
        before = self.refused('TENANT_RATE_LIMITED')
        self.finish(self.calls('fast', 60, 100))
        most = 10 + 10 * (time.monotonic() - begun)
        self.wait_live(0)
        # Metrics follow once a second.
        taken = self.cluster.wait_for(
            lambda: self.refused('TENANT_RATE_LIMITED') > before and 60 - self.refused('TENANT_RATE_LIMITED') + before,
            'some are refused', 10)
        self.assertGreaterEqual(taken, 10)
        self.assertLess(taken, min(most, 50))
        # At half of the rate all go.
        before = self.refused('TENANT_RATE_LIMITED')
        self.finish(self.calls('slow', 20, 100, rate=5))
        time.sleep(1.5)
        self.assertEqual(self.refused('TENANT_RATE_LIMITED'), before)
        self.assertGreaterEqual(self.metric('calls_total') - calls, 30)

    def test_contacts(self):
        there = len(self.cluster.items('registrations'))
        self.limits(max_registrations=there + 4)
        phones = [Client(self.edge, user, f'a-password-of-{user}', DOMAIN, source=f'{self.cluster.network}.27')
                  for user in USERS * 8]
        for phone in phones:
            self.addCleanup(phone.close)
        with concurrent.futures.ThreadPoolExecutor(len(phones)) as at_once:
            answers = list(at_once.map(lambda phone: phone.register(phone.contact), phones))
        codes = [answer.code for answer in answers]
        self.assertEqual((codes.count(200), codes.count(503)), (4, 12), codes)
        self.assertTrue(all(a.header('Retry-After') for a in answers if a.code == 503))
        self.assertEqual(len(self.cluster.items('registrations')), there + 4)
        refusal = [r for r in self.cluster.items('refusals') if r['reason'] == 'TENANT_REGISTRATION_LIMIT'][0]
        self.assertEqual(refusal['steps'][-1], 'admission: TENANT_REGISTRATION_LIMIT')
        inside = [phone for phone, code in zip(phones, codes) if code == 200]
        outside = [phone for phone, code in zip(phones, codes) if code == 503]
        # What is there is refreshed and goes, also above a lower bound.
        self.limits(max_registrations=there + 1)
        self.assertEqual([phone.register(phone.contact).code for phone in inside], [200] * 4)
        self.assertEqual(inside[0].register(inside[0].contact, expires=0).code, 200)
        self.assertEqual(outside[0].register(outside[0].contact).code, 503)
        self.assertEqual([phone.register(phone.contact, expires=0).code for phone in inside[1:]], [200] * 3)
        self.assertEqual(outside[0].register(outside[0].contact).code, 200)
        self.assertEqual(outside[1].register(outside[1].contact).code, 503)
        self.assertEqual(outside[0].register(outside[0].contact, expires=0).code, 200)


if __name__ == '__main__':
    main()
