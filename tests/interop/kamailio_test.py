#!/usr/bin/env python3
"""Kamailio as a gateway behind mutual TLS, which stays in the path of its calls
(Record-Route), goes and comes back; and as a TLS client that must not get in:
without a certificate, with another's, with an old version, without a cipher."""

import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import kamailio, plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.sip import Client  # noqa: E402
from tests.harness.sipp import ACK, BYE, SDP, SippCase, recv, request, response  # noqa: E402

WATCHED = '''
kind: Peer
name: tenants/default/peers/gateway
spec:
  options_monitoring: {enabled: true, interval: 5s, out_of_service_interval: 5s, retry_interval: 0.5s, retries: 1}
'''

BEGINS = (request('INVITE', 1, body=SDP, retrans='500'), recv('100', optional='true'), recv('180', optional='true'),
          recv('200', rrs='true'), ACK)

# What comes by UDP is for the edge; what comes by TLS is for the sipp behind.
ONWARD = '''
  if ($proto == "tls") {{
    $du = "sip:{behind}:5070";
  }} else {{
    $rd = "{domain}";
    $du = "sip:{edge}:5061;transport=tls";
  }}
'''


class KamailioTest(SippCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        plans.apply(cls.cluster, 'watched', plans.manifest(plans.GATEWAY, WATCHED))
        cls.demo.wait_snapshot()

    def kamailio(self, name, address, certificate='gateway', method='TLSv1.2+', ciphers='', verify=True,
                 server='gateway'):
        """Started; `certificate` is what it shows as a client, None: nothing."""
        routes = kamailio.proxy(
            ONWARD.format(behind=f'{self.cluster.network}.22', edge=self.cluster.host('signaling_edge'), domain=DOMAIN),
            first=f'  if (is_method("OPTIONS") && $proto == "tls") {kamailio.ANSWER}',
            parameters='modparam("tm", "fr_timer", 4000)')
        process = kamailio.kamailio(
            self.cluster, name, (f'udp:{address}:5060', f'tls:{address}:5061'), routes,
            tls_config=kamailio.tls(self.cluster, server, certificate, method, ciphers, verify))
        self.addCleanup(process.stop)
        return process

    def gateway(self, certificate='gateway'):
        return self.kamailio('kamailio', self.cluster.host('gateway'), certificate, server=certificate)

    def in_service(self):
        for state in self.cluster.items('trunks'):
            if state['peer'].endswith('/peers/gateway'):
                return state.get('inService', False)
        return None

    def wait_service(self, up):
        self.cluster.wait_for(lambda: self.in_service() is up, f'the gateway is {"up" if up else "down"}', 25)

    def call(self, *caller):
        """One, answered by the sipp at the far end, which keeps the Record-Route."""
        called = self.called(recv('INVITE'), response(180, '[last_Record-Route:]'),
                             response(200, '[last_Record-Route:]', SDP), recv('ACK'), recv('BYE'),
                             response(200, tag=''))
        steps = [step.replace('Max-Forwards: 70', 'Max-Forwards: 70\n      [routes]') if '[next_url]' in step else step
                 for step in (*BEGINS, '<pause milliseconds="200"/>', BYE)]
        self.finish(self.sipp('caller', caller[0], caller[1], steps, *caller[2:]), called)

    def calls_both_ways(self):
        """Out by TLS to Kamailio and on to sipp; in from sipp by Kamailio."""
        before = len(self.cluster.items('calls'))
        self.call(21, 5065, '-s', '95551234', f'{self.cluster.host("signaling_edge")}:5060')
        self.call(22, 5069, '-s', '81234', f'{self.cluster.host("gateway")}:5060')
        legs = [[leg.get('peer', '').rpartition('/')[2] for leg in c['legs']]
                for c in self.cluster.items('calls')[before:]]
        self.assertIn(['caller', 'gateway'], legs)
        self.assertIn(['gateway', 'called'], legs)

    def test_a_certificate_for_sip_domains_alone(self):
        """RFC 5924: id-kp-sipDomain is enough, as a server and as a client."""
        self.gateway('sip_domain')
        self.wait_service(True)
        self.calls_both_ways()
        shown = [(c.get('incoming', False), *c['remoteCertificate'].get('extendedKeyUsages'))
                 for c in self.cluster.items('connections') if c.get('peer', '').endswith('/gateway')]
        self.assertEqual(set(shown), {(True, 'sipDomain'), (False, 'sipDomain')})

    def test_calls_through_kamailio_both_ways_and_its_state(self):
        process = self.gateway()
        self.wait_service(True)
        self.calls_both_ways()
        # It goes, and comes back.
        process.stop()  # its children too
        self.wait_service(False)
        self.gateway()
        self.wait_service(True)

    def hostile(self, name, number, reasons, **settings):
        """What an INVITE gets that such a client of ours passes on; what the edge says of it."""
        address = f'{self.cluster.network}.{number}'
        kamailio = self.kamailio(name, address, **settings)
        kamailio.wait_for(lambda: self.answers(address), f'{name} listens')
        client = Client(address, '5550100', '', DOMAIN, timeout=10)
        self.addCleanup(client.close)
        answer = client.exchange(client.request('INVITE', [f'Contact: {client.contact}'], uri=f'sip:81234@{DOMAIN}',
                                                to=f'<sip:81234@{DOMAIN}>'))
        found = not reasons or self.cluster.wait_for(
            lambda: [r for r in self.cluster.items('refusals', '--parent', 'tenants/-') if r['reason'] in reasons],
            f'{name}: one of {reasons} is listed', 10)
        kamailio.stop()
        return answer.code, found

    def answers(self, address):
        client = Client(address, 'x', '', DOMAIN, timeout=0.3)
        try:
            client.exchange(client.request('OPTIONS', uri=f'sip:{address}', to='<sip:x@x>;tag=known'))
            return True
        except (TimeoutError, OSError):
            return False
        finally:
            client.close()

    def test_hostile_clients_get_no_call(self):
        before = len(self.cluster.items('calls'))
        for name, number, reasons, settings in (
                ('none', 61, (), {'certificate': None}),
                ('other', 62, ('PEER_IDENTITY_MISMATCH',), {'certificate': 'wrong_name'}),
                ('usage', 65, ('PEER_CERTIFICATE_WRONG_USAGE',), {'certificate': 'wrong_usage'}),
                ('old', 63, ('TLS_HANDSHAKE_FAILED', 'TLS_ALERT_RECEIVED'),
                 {'method': 'TLSv1.1', 'ciphers': 'ALL:@SECLEVEL=0'}),
                ('null', 64, ('TLS_HANDSHAKE_FAILED', 'TLS_ALERT_RECEIVED'),
                 {'method': 'TLSv1.2', 'ciphers': 'NULL-SHA256:ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0'})):
            with self.subTest(name):
                code, found = self.hostile(name, number, reasons, **settings)
                # Without a certificate it is a phone that must prove itself; the
                # others are not even heard.
                self.assertIn(code, (403, 407) if name == 'none' else (408, 477, 478, 500, 503), found)
        self.assertEqual(len(self.cluster.items('calls')), before)


if __name__ == '__main__':
    main()
