#!/usr/bin/env python3
"""What an operator sees of calls and does to them, with sipp on both sides and
the real services between."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.sipp import (  # noqa: E402
    BYE, CALLER_BEGINS, SDP, SippCase, ereg, recv, response)


class CallOperationsTest(SippCase):

    def answered(self):
        """The call that is up, as `sallyport calls` shows it."""
        return self.cluster.wait_for(
            lambda: [c for c in self.cluster.items('calls')
                     if c.get('state') == 'CALL_STATE_ANSWERED'],
            'the call is answered', 10)[0]

    def test_a_trace_shows_the_ladder_and_nobodys_number(self):
        called = self.called(recv('INVITE'), response(180), response(200, body=SDP), recv('ACK'),
                             recv('BYE'), response(200, tag=''))
        caller = self.caller('8123', CALLER_BEGINS, '<pause milliseconds="1500"/>', BYE)
        name = self.answered()['name']
        # CCE-67: a leg in clear fails it, live or over.
        for options in ((), (name,)):
            path = self.cluster.cli('verify', 'call-path', *options, check=False)
            self.assertEqual(path.returncode, 1)
            self.assertIn('LEG_IN_CLEAR', path.stderr)
            self.assertIn('IN CLEAR', path.stdout)
        live = self.cluster.cli('trace', name)
        self.assertIn('ANSWERED', live)
        self.finish(caller, called)
        self.ended('NORMAL_CLEARING')
        # It is over, and still to be seen; by its short name too.
        ladder = self.cluster.cli('trace', name.rsplit('/', 1)[1])
        arrows = [re.sub('-{2,}', '--', line[11:]).strip('| ') for line in ladder.splitlines()
                  if '-- ' in line]
        words = [re.search(r'(INVITE|ACK|BYE|\d{3} .*?) ', a + ' ').group(1)[:6] for a in arrows]
        self.assertEqual([w.split()[0] for w in words],
                         ['INVITE', '100', 'INVITE', '180', '180', '200', 'ACK', '200', 'ACK',
                          'BYE', '200', 'BYE', '200'], ladder)
        whole = self.cluster.cli('trace', name, '--messages')
        self.assertIn('m=audio', whole)
        for hidden in ('5550100', '8123', '@' + self.cluster.network):
            self.assertNotIn(hidden, whole)

    def test_a_call_is_ended_by_a_cause(self):
        steps = (recv('BYE', ereg('Reason:', '1', 'Q.850;cause=41', check=True)),
                 response(200, tag=''))
        called = self.called(recv('INVITE'), response(200, body=SDP), recv('ACK'), *steps)
        caller = self.caller('8123', CALLER_BEGINS, *steps)
        name = self.answered()['name']
        self.cluster.cli('end-call', name, '--cause', '41')
        self.finish(caller, called)
        self.ended('ENDED_BY_OPERATOR')

    def media_mode(self, mode):
        manifest = self.cluster.path('conf', 'mode.yaml')
        with open(manifest, 'w', encoding='utf-8') as f:
            f.write(plans.CLEAR.rstrip() + f'\n  media_mode: {mode}\n')
        self.cluster.cli('apply', '-f', manifest)
        self.demo.wait_snapshot()

    def test_media_goes_from_end_to_end_where_the_plan_says_so(self):
        self.media_mode('MEDIA_MODE_PASS_THROUGH')
        self.addCleanup(self.media_mode, 'MEDIA_MODE_ANCHORED')
        theirs = ('<action><ereg regexp="c=IN IP4 {0}.*m=audio 6000" search_in="body"'
                  ' check_it="true" assign_to="1"/></action>')
        called = self.called(
            recv('INVITE', theirs.format(f'{self.cluster.network}.21')),
            response(200, body=SDP), recv('ACK'), recv('BYE'), response(200, tag=''))
        caller = self.caller('8123', CALLER_BEGINS, '<pause milliseconds="1500"/>', BYE)
        self.assertNotIn('mediaSession', self.answered())
        self.finish(caller, called)

    def refused_by(self, alert, source, *arguments):
        """What `openssl s_client` with these arguments leaves in the list of refusals."""
        edge = self.cluster.host('signaling_edge')
        subprocess.run(['openssl', 's_client', '-connect', f'{edge}:5061', '-quiet', *arguments],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=10, check=False)
        return self.cluster.wait_for(
            lambda: [r for r in self.cluster.items('refusals', '--parent', 'tenants/-')
                     if r.get('tlsAlert', r.get('tls_alert')) == alert
                     and r.get('tlsAlertSource', r.get('tls_alert_source')) == source],
            f'{alert} {source}', 10)[0]

    def test_alerts_are_named_and_have_a_sender(self):
        """CUC-69: openssl with a certificate of nobody's, and one that does not trust us."""
        key, certificate = self.cluster.path('conf', 's.key'), self.cluster.path('conf', 's.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=stranger.test',
                        '-keyout', key, '-out', certificate], check=True, capture_output=True)
        for version in ('-tls1_2', '-tls1_3'):
            self.refused_by('unknown_ca', 'TLS_ALERT_SOURCE_SENT', version,
                            '-cert', certificate, '-key', key)
            self.refused_by('unknown_ca', 'TLS_ALERT_SOURCE_RECEIVED', version,
                            '-CAfile', certificate, '-verify_return_error')
        # "Authenticated" mode, TLS without encryption, has a name of its own.
        refused = self.refused_by('handshake_failure', 'TLS_ALERT_SOURCE_SENT', '-tls1_2', '-cipher',
                                  'eNULL:@SECLEVEL=0')
        self.assertEqual(refused['reason'], 'NULL_CIPHER_NOT_ALLOWED', refused)
        # CCE-08, CCE-20: nothing below TLS 1.2.
        self.refused_by('protocol_version', 'TLS_ALERT_SOURCE_SENT', '-tls1_1', '-cipher',
                        'ALL:@SECLEVEL=0')


if __name__ == '__main__':
    main()
