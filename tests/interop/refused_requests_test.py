#!/usr/bin/env python3
"""Requests within a call and outside of calls that the edge refuses, requests
of dialogs that are not there, and messages that cannot be read, with sipp as
caller: why, and of which call, by the command line (CUC-69, AVE-48)."""

import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness.case import main  # noqa: E402
from tests.harness.sipp import (ACK, BYE, CALLER_BEGINS, IN_DIALOG, SDP, SippCase, recv, request,  # noqa: E402
                                response)

PARTY = ['sender: SOURCE_ADDRESS', 'dial_plan: tenants/default/dialPlans/clear']


class RefusedRequestsTest(SippCase):

    def refusals(self, reason):
        return [r for r in self.cluster.items('refusals') if r['reason'] == reason]

    def answers(self, call, code):
        """Our reasons of the responses with this code in the ladder of a call."""
        ladder = self.cluster.cli('trace', call, '-o', 'json')['messages']
        return [m.get('reason', '') for m in ladder if m['summary'].startswith(f'SIP/2.0 {code}')]

    def test_a_re_invite_that_requires_what_we_do_not_have(self):
        called = self.called(recv('INVITE'), response(200, body=SDP), recv('ACK'), recv('BYE'),
                             response(200, tag=''))
        again = request('INVITE', 2, 'Require: frozen', SDP, **IN_DIALOG)
        caller = self.caller('8123', *CALLER_BEGINS, again, recv('100', optional='true'), recv('420'),
                             request('ACK', 2, **IN_DIALOG), BYE)
        self.finish(caller, called)
        refusal = self.refusals('EXTENSION_UNSUPPORTED')[0]
        self.assertEqual(refusal['sipStatus'], 420)
        self.assertEqual(refusal['sipMethod'], 'INVITE')
        self.assertEqual(refusal['kind'], 'REFUSAL_KIND_REQUEST')
        self.assertEqual(refusal['steps'][:2], PARTY)
        self.assertEqual(refusal['steps'][-3:], ['call: answered', 'leg: caller', 'extensions: EXTENSION_UNSUPPORTED'])
        call = refusal['call']
        self.assertEqual(set(self.answers(call, 420)), {'EXTENSION_UNSUPPORTED'})
        # It is the call that there was, and went on.
        ended = [c for c in self.cluster.items('calls') if c['name'] == call]
        self.assertEqual([c['reason'] for c in ended], ['NORMAL_CLEARING'])
        explained = self.cluster.cli('refusals', '--explain')
        self.assertIn(f'  call: {call}\n', explained)
        self.assertIn('. extensions: EXTENSION_UNSUPPORTED\n', explained)

    def test_a_dialog_that_is_not_there(self):
        calls = len(self.cluster.items('calls'))
        lost = request('INVITE', 7, body=SDP, to=';tag=nobody', retrans='500')
        self.finish(self.caller('8123', lost, recv('481'), request('ACK', 7, to=';tag=nobody')))
        refusal = self.refusals('DIALOG_NOT_FOUND')[0]
        self.assertEqual(refusal['sipStatus'], 481)
        self.assertEqual(refusal['steps'], PARTY + ['dialog: DIALOG_NOT_FOUND'])
        self.assertTrue(refusal['peer'].startswith('tenants/default/peers/'), refusal)
        self.assertNotIn('call', refusal)
        self.assertEqual(len(self.cluster.items('calls')), calls)

    def test_requests_outside_of_a_call(self):
        for method, headers, code, reason, check in (
                ('OPTIONS', 'Require: frozen', 420, 'EXTENSION_UNSUPPORTED', 'extensions'),
                ('MESSAGE', '', 405, 'METHOD_NOT_ALLOWED', 'method'),
                ('UNHEARD', '', 501, 'METHOD_UNKNOWN', 'method'),
                ('SUBSCRIBE', 'Event: presence', 489, 'EVENT_UNSUPPORTED', 'request'),
                ('CANCEL', '', 481, 'TRANSACTION_NOT_FOUND', 'dialog')):
            with self.subTest(method=method):
                self.finish(self.caller('8123', request(method, 1, headers), recv(str(code))))
                refusal = self.refusals(reason)[0]
                self.assertEqual(refusal['sipStatus'], code)
                self.assertEqual(refusal.get('sipMethod', ''), '' if method == 'UNHEARD' else method)
                self.assertEqual(refusal['kind'], 'REFUSAL_KIND_REQUEST')
                self.assertEqual(refusal['steps'], PARTY + [f'{check}: {reason}'])
                self.assertTrue(refusal['peer'].startswith('tenants/default/peers/'), refusal)
                self.assertNotIn('call', refusal)
        explained = self.cluster.cli('refusals', '--explain')
        self.assertIn('. request: EVENT_UNSUPPORTED\n', explained)

    def test_an_invite_that_cannot_be_read(self):
        broken = request('INVITE', 1, '', SDP, retrans='500').replace('Max-Forwards: 70', 'Max-Forwards: seventy')
        self.finish(self.caller('8123', broken, recv('400'), ACK.replace('[next_url]', 'sip:[service]@[remote_ip]')))
        refusal = self.refusals('SIP_HEADER_MALFORMED')[0]
        self.assertEqual(refusal['explanation'], 'Max-Forwards, line 8')
        self.assertEqual(refusal['sipStatus'], 400)
        self.assertEqual(refusal['steps'], PARTY + ['parser: SIP_HEADER_MALFORMED'])
        self.assertTrue(refusal['peer'].startswith('tenants/default/peers/'), refusal)
        call = next(c for c in self.cluster.items('calls') if c['name'] == refusal['call'])
        self.assertEqual(call['reason'], 'SIP_HEADER_MALFORMED')
        self.assertEqual(len(call['legs']), 1)
        self.assertEqual(call['legs'][0]['sipStatus'], 400)
        self.assertEqual(set(self.answers(call['name'], 400)), {'SIP_HEADER_MALFORMED'})
        self.assertNotIn('seventy', str(self.cluster.items('refusals')))


if __name__ == '__main__':
    main()
