#!/usr/bin/env python3
"""Calls that are refused before anybody is called, with sipp as caller: the
record on disk, the ladder and the refusal step by step, all by the command
line. Who has proven nothing leaves no call behind."""

import json
import os
import re
import sys
import urllib.request

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.sipp import SDP, SippCase, recv, request  # noqa: E402

NOWHERE = '123999'


def refused(code):
    """An INVITE that gets this final answer, and its ACK."""
    return (request('INVITE', 1, '', SDP, retrans='500'), recv('100', optional='true'), recv(str(code)),
            request('ACK', 1, to='[peer_tag_param]'))


class RefusedCallsTest(SippCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        plans.apply(cls.cluster, 'user', plans.user('3002', DOMAIN, 'password-3002',
                                                    digest_algorithm='DIGEST_ALGORITHM_MD5'))
        cls.demo.wait_snapshot()

    def records(self):
        """The JSON lines of the edge's file."""
        path = self.cluster.path('log', 'calls.jsonl')
        if not os.path.exists(path):
            return []
        with open(path, encoding='utf-8') as f:
            return [json.loads(line) for line in f.read().splitlines()]

    def refusals(self, reason):
        return [r for r in self.cluster.items('refusals') if r['reason'] == reason]

    def record_of(self, call):
        return self.cluster.wait_for(lambda: [r for r in self.records() if r['call']['name'] == call],
                                     'the record is on disk', 10)[0]

    def test_a_number_that_leads_nowhere(self):
        self.finish(self.caller(NOWHERE, *refused(404)))
        refusal = self.refusals('ROUTE_NOT_FOUND')[0]
        self.assertEqual(refusal['steps'], [
            'sender: SOURCE_ADDRESS', 'dial_plan: tenants/default/dialPlans/clear', 'loop: none',
            'route: ROUTE_NOT_FOUND'])
        self.assertEqual(refusal['sipStatus'], 404)
        call = refusal['call']

        record = self.record_of(call)
        self.assertEqual(record['disposition'], 'CALL_DISPOSITION_FAILED')
        self.assertNotIn('duration', record)
        self.assertEqual(record['call']['reason'], 'ROUTE_NOT_FOUND')
        self.assertEqual(record['call']['state'], 'CALL_STATE_ENDED')
        self.assertEqual(record['call']['called_number'], NOWHERE)
        self.assertIn('end_time', record['call'])
        self.assertEqual(len(record['call']['legs']), 1)
        leg = record['call']['legs'][0]
        self.assertEqual(leg['peer'], refusal['peer'])
        self.assertEqual(leg['authentication'], 'AUTHENTICATION_METHOD_SOURCE_ADDRESS')
        self.assertEqual(leg['identity'], f'{self.cluster.network}.21')
        self.assertEqual(leg['security_mode'], 'SECURITY_MODE_UNSECURED')
        self.assertEqual(leg['sip_status'], 404)
        self.assertNotIn('media_protocol', leg)

        # The same by the API, and once.
        listed = [c for c in self.cluster.items('calls') if c['name'] == call]
        self.assertEqual([c['reason'] for c in listed], ['ROUTE_NOT_FOUND'])
        self.assertEqual(len([r for r in self.records() if r['call']['name'] == call]), 1)

        # AVE-48: by its ladder the failed step can be named.
        ladder = self.cluster.cli('trace', call, '-o', 'json')['messages']
        # What UDP's timers repeat stands there as often as it was sent.
        first = {}
        for m in ladder:
            first.setdefault(m['summary'], m)
        ladder = list(first.values())
        summaries = [m['summary'].split(' ')[0 if m['summary'].startswith('INVITE') else 1] for m in ladder]
        self.assertEqual(summaries[:3], ['INVITE', '100', '404'])
        self.assertEqual(ladder[2]['reason'], 'ROUTE_NOT_FOUND')
        self.assertNotIn(NOWHERE, str(ladder))
        shown = self.cluster.cli('trace', call)
        self.assertIn('ENDED, ROUTE_NOT_FOUND', shown)

        explained = self.cluster.cli('refusals', '--explain')
        self.assertIn(f'  call: {call}\n', explained)
        self.assertIn('  4. route: ROUTE_NOT_FOUND\n', explained)
        self.assertIn(call.rpartition('/')[2], self.cluster.cli('refusals'))

    def test_a_call_that_may_go_no_further(self):
        invite = request('INVITE', 1, '', SDP, retrans='500').replace('Max-Forwards: 70', 'Max-Forwards: 0')
        self.finish(self.caller('8123', invite, *refused(483)[1:]))
        refusal = self.refusals('TOO_MANY_HOPS')[0]
        self.assertEqual(refusal['steps'][-1], 'loop: TOO_MANY_HOPS')
        self.assertEqual(self.record_of(refusal['call'])['call']['legs'][0]['sip_status'], 483)

    def test_what_we_do_not_have(self):
        """RFC 3261 sections 8.2.2.1 and 8.2.2.3, of a caller that is known."""
        other = request('INVITE', 1, '', SDP, retrans='500', uri='http:[service]')
        self.finish(self.caller(NOWHERE, other, *refused(416)[1:]))
        frozen = request('INVITE', 1, 'Require: frozen', SDP, retrans='500')
        self.finish(self.caller('8123', frozen, *refused(420)[1:]))
        for reason, code, check in (('URI_SCHEME_UNSUPPORTED', 416, 'uri'),
                                    ('EXTENSION_UNSUPPORTED', 420, 'extensions')):
            refusal = self.refusals(reason)[0]
            self.assertEqual(refusal['sipStatus'], code)
            self.assertEqual(refusal['steps'], ['sender: SOURCE_ADDRESS',
                                                'dial_plan: tenants/default/dialPlans/clear', f'{check}: {reason}'])
            record = self.record_of(refusal['call'])
            self.assertEqual(record['disposition'], 'CALL_DISPOSITION_FAILED')
            self.assertEqual(len(record['call']['legs']), 1)
            self.assertEqual(record['call']['legs'][0]['sip_status'], code)
            ladder = self.cluster.cli('trace', refusal['call'], '-o', 'json')['messages']
            answers = [m for m in ladder if m['summary'].startswith(f'SIP/2.0 {code}')]
            self.assertEqual({m['reason'] for m in answers}, {reason})
            self.assertTrue(ladder[0]['summary'].startswith('INVITE '))
            self.assertNotIn(NOWHERE, str(ladder))

    def not_kept(self):
        """Calls without record so far, by whose were too many."""
        url = f'http://{self.cluster.host("signaling_edge")}:9464/metrics'
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        return {of: int(count) for of, count in
                re.findall(r'refused_calls_not_kept_total\{of="(\w+)"\} (\d+)', text)}

    def test_too_many_are_counted(self):
        """Of one caller 200 at once have a record, and 20 more a second."""
        self.assertEqual(self.not_kept(), {'caller': 0, 'all': 0})
        calls = len(self.cluster.items('calls'))
        edge = f'{self.cluster.host("signaling_edge")}:5060'
        # The last of the arguments counts.
        self.finish(self.sipp('many', 21, 5065, refused(404), '-m', '600', '-r', '600', '-l', '600',
                              '-s', NOWHERE, edge), timeout=60)

        def all_counted():
            kept = len(self.cluster.items('calls')) - calls
            return self.not_kept()['caller'] + kept == 600
        self.cluster.wait_for(all_counted, 'each has a record or is counted', 10)
        self.assertGreater(self.not_kept()['caller'], 100)
        self.assertEqual(self.not_kept()['all'], 0)

    def test_who_has_proven_nothing_leaves_no_call(self):
        calls, records = len(self.cluster.items('calls')), len(self.records())
        edge = f'{self.cluster.host("signaling_edge")}:5060'
        # One of no domain of ours, and one who says to be a user and has no password.
        self.finish(self.sipp('nobody', 29, 5065, refused(403), '-s', '1001', edge))
        claims = [step.replace('sip:5550100@[local_ip]:[local_port]>;tag', f'sip:3002@{DOMAIN}>;tag')
                  for step in refused(407)]
        self.finish(self.sipp('pretender', 29, 5066, claims, '-s', '1001', edge))
        self.assertTrue(self.refusals('IDENTITY_NOT_ALLOWED'))
        self.assertNotIn('call', self.refusals('IDENTITY_NOT_ALLOWED')[0])
        self.assertEqual(self.refusals('IDENTITY_NOT_ALLOWED')[0]['steps'],
                         ['source: stranger', 'address: no peer is declared there',
                          'identity: IDENTITY_NOT_ALLOWED'])
        # Who has no password is asked for it, whatever it wants.
        frozen = [step.replace('Max-Forwards: 70', 'Max-Forwards: 70\n      Require: frozen') for step in claims]
        self.finish(self.sipp('frozen', 29, 5067, frozen, '-s', '1001', edge))
        # What comes after it is there, so that it would be too.
        self.finish(self.caller(NOWHERE, *refused(404)))
        self.cluster.wait_for(lambda: len(self.records()) > records, 'the next record is there', 10)
        self.assertEqual(len(self.records()), records + 1)
        self.assertEqual(len(self.cluster.items('calls')), calls + 1)


if __name__ == '__main__':
    main()
