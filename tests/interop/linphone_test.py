#!/usr/bin/env python3
"""linphone, with SRTP that it insists on: as a phone, which registers over TLS
with SHA-256, calls and is called; and as the user agent of a gateway. It takes no connection by TLS ("not handled" it says) and answers
by a connection of its own to where Via says, so that a mere wrapper is not
enough: Kamailio stands before it, as a session border controller would."""

import json
import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import configs, kamailio, plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES  # noqa: E402
from tests.harness.linphone import Linphone, account  # noqa: E402
from tests.harness.process import wait_until  # noqa: E402
from tests.harness.sipp import ACK, BYE, SDP, SippCase, recv, request, response  # noqa: E402

USER, PASSWORD = '3001', 'a-password-of-3001'


class LinphoneTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.cluster.make_pki()
        configs.write_all(cls.cluster)
        edge = configs.read(cls.cluster, 'signaling_edge')
        edge['service_route_host'] = cls.cluster.host('signaling_edge')
        cls.cluster.write_config('signaling_edge', edge)
        for name in SERVICES:
            cls.cluster.start_service(name)
        cls.demo.provision()
        cls.demo.enroll()
        cls.demo.start_user_agents()
        plans.apply(cls.cluster, 'linphone', plans.manifest(
            plans.user(USER, DOMAIN, PASSWORD, 'secured', digest_algorithm='DIGEST_ALGORITHM_SHA_256',
                       allow_without_certificate='true')))
        cls.demo.wait_snapshot()

    def start(self):
        edge = f'{self.cluster.host("signaling_edge")}:5061'
        phone = Linphone(self.cluster.path('linphone'), f'{self.cluster.pki}/sip-ca.pem',
                         account(USER, PASSWORD, DOMAIN, edge, 'tls'), arguments=('--auto-answer',))
        self.addCleanup(phone.stop)
        return phone.start()

    def registered(self):
        def held():
            return [r for r in self.cluster.items('registrations') if r.get('user', '').endswith('/' + USER)]
        return wait_until(held, 'linphone is registered', 20)[0]

    def live_call(self):
        call = self.cluster.wait_for(
            lambda: [c for c in self.cluster.items('calls') if c.get('state') == 'CALL_STATE_ANSWERED'],
            'the edge has the call', 5)[0]
        self.assertEqual([leg.get('srtpSuite') for leg in call['legs']],
                         ['SRTP_SUITE_AES_CM_128_HMAC_SHA1_80'] * 2)
        return call

    def over(self):
        self.cluster.wait_for(lambda: not [c for c in self.cluster.items('calls')
                                           if c.get('state') == 'CALL_STATE_ANSWERED'], 'the call is over', 5)

    def test_a_phone(self):
        linphone = self.start()
        one = self.registered()
        self.assertEqual(one['authentication'], 'AUTHENTICATION_METHOD_DIGEST_SHA_256', one)
        self.assertEqual(one['remoteAddress']['transport'], 'TRANSPORT_TLS', one)
        # RFC 3608: where it is to send what it asks for; it has read that.
        route = f'Service-Route: <sip:{self.cluster.host("signaling_edge")};transport=tls;lr>'
        wait_until(lambda: route in linphone.debug_log(), 'linphone has read the answer', 5)
        # The demo's phone, baresip with SRTP that it insists on as well, calls it.
        phone = self.demo.phone
        established = len(phone.seen('CALL_ESTABLISHED'))
        phone.dial(f'sip:{USER}@{DOMAIN}')
        phone.wait_event('CALL_ESTABLISHED', 'linphone answers', count=established + 1)
        self.live_call()
        phone.hang_up()
        self.over()
        # And is called by it.
        rang = len(phone.seen('CALL_INCOMING'))
        linphone.command(f'call sip:1001@{DOMAIN}')
        phone.wait_event('CALL_INCOMING', 'the phone rings', count=rang + 1)
        phone.command('accept')
        phone.wait_event('CALL_ESTABLISHED', 'it is answered', count=established + 2)
        self.live_call()
        # A tone of its, by SRTP to the relay and on to the phone.
        linphone.command('incall-player-start ' + os.path.join(linphone.folder, 'tone.wav'))
        self.cluster.wait_for(
            lambda: int(self.live_call()['legs'][0].get('statistics', {}).get('packetsReceived', 0)) > 20,
            'the relay hears linphone', 15)
        linphone.command('terminate')
        self.over()


class LinphoneGatewayTest(SippCase):
    """Kamailio takes mutual TLS from the edge and TCP from linphone."""

    ONWARD = '''
  if ($proto == "tls") {{
    $du = "sip:{agent}:5070;transport=tcp";
  }} else {{
    $du = "sip:{edge}:5061;transport=tls";
  }}
'''
    PLAN = '''kind: DialPlan
name: tenants/default/dialPlans/gateway
spec:
  security_mode: SECURED
  number_of_digits_in_extension: 4
  calling_search_space: everything
  srtp_suites: [SRTP_SUITE_AES_CM_128_HMAC_SHA1_80]
'''

    @classmethod
    def configure(cls):
        Linphone.allow_media(cls.cluster)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        plans.apply(cls.cluster, 'agent', plans.manifest(
            cls.PLAN, plans.tls_peer('gateway', f'gw.{DOMAIN}', plan='gateway')))
        cls.demo.wait_snapshot()

    def gateway(self):
        address, agent = self.cluster.host('gateway'), f'{self.cluster.network}.26'
        process = kamailio.kamailio(
            self.cluster, 'kamailio', (f'tls:{address}:5061', f'tcp:{address}:5060'),
            kamailio.proxy(self.ONWARD.format(agent=agent, edge=self.cluster.host('signaling_edge')),
                           others=f'  if (!is_method("INVITE")) {kamailio.ANSWER}'),
            settings=f'tcp_source_ipv4={address}\n', tls_config=kamailio.tls(self.cluster))
        self.addCleanup(process.stop)
        linphone = Linphone(self.cluster.path('agent'), f'{self.cluster.pki}/sip-ca.pem',
                            account(USER, PASSWORD, DOMAIN, f'{address}:5060', 'tcp', register=False),
                            address=agent, tcp=5070, tls=0, arguments=('--auto-answer',))
        self.addCleanup(linphone.stop)
        linphone.start().command('ipv6 disable')
        return linphone

    def test_the_user_agent_of_a_gateway(self):
        linphone = self.gateway()
        done = self.cluster.cli('test-connectivity', 'gateway', '--secured', '--media-secured', '--phone', '5550100',
                                '-o', 'json', check=False)
        answer = json.loads(done.stdout)
        self.assertTrue(answer.get('succeeded'), answer)
        self.assertEqual(answer['steps'][-1]['detail'], 'it answers with RTP/SAVP, AES_CM_128_HMAC_SHA1_80')
        # Called by RTP from sipp, and calling it.
        caller = self.caller('95551234', request('INVITE', 1, body=SDP, retrans='500'), recv('100', optional='true'),
                             recv('180', optional='true'), recv('200', rrs='true'), ACK,
                             '<pause milliseconds="300"/>', BYE)
        self.finish(caller)
        called = self.called(recv('INVITE'), response(180), response(200, body=SDP), recv('ACK'), recv('BYE'),
                             response(200, tag=''))
        linphone.command(f'call sip:81234@{DOMAIN}')
        self.cluster.wait_for(lambda: [c for c in self.cluster.items('calls')
                                       if c.get('state') == 'CALL_STATE_ANSWERED'], 'it is answered', 10)
        linphone.command('terminate')
        self.finish(called)
        calls = self.ended('NORMAL_CLEARING')
        for call, ours in zip(calls[-2:], (1, 0)):
            self.assertTrue(call['legs'][ours]['peer'].endswith('/peers/gateway'), call)
            self.assertEqual(call['legs'][ours]['srtpSuite'], 'SRTP_SUITE_AES_CM_128_HMAC_SHA1_80')
            self.assertNotIn('srtpSuite', call['legs'][1 - ours])


if __name__ == '__main__':
    main()
