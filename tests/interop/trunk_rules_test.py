#!/usr/bin/env python3
"""What a trunk over TLS agrees on beyond calls, with Kamailio at its other end:
who is told who calls (RFC 3323, 3325), `sips` (RFC 5630), and one connection
for both ways (RFC 5923), whoever has opened it."""

import os
import re
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import kamailio, plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.peers import Baresip, accepts  # noqa: E402
from tests.harness.process import Process  # noqa: E402
from tests.harness.sipp import ACK, BYE, SDP, SippCase, recv, request, response  # noqa: E402

# What comes by UDP is of its side, and asserted by it where X-Private asks;
# what comes by TLS leaves the trust domain (RFC 3325 section 7). Its Via says
# alias to the edge.
ONWARD = '''
  if ($proto == "tls") {{
    xlog("L_ERR", "told: $ru from $fu contact $ct asserted $hdr(P-Asserted-Identity) privacy $hdr(Privacy)\\n");
    if ($hdr(Privacy) =~ "id") {{ remove_hf("P-Asserted-Identity"); }}
    $ru = "sip:" + $rU + "@{behind}:5070";
  }} else {{
    if (is_present_hf("X-Private")) {{
      append_hf("P-Asserted-Identity: <sip:5550100@gw.{domain}>\\r\\n");
      append_hf("Privacy: id\\r\\n");
    }}
    if (is_present_hf("X-Sips")) {{ $ru = "sips:" + $rU + "@{domain}"; }}
    else {{ $rd = "{domain}"; }}
    # It has parameters with values alone; this makes two.
    $xavp(via=>by) = "us;alias";
    via_add_xavp_params("1");
    $du = "sip:{edge}:5061;transport=tls";
  }}
'''

ANSWERED = (recv('100', optional='true'), recv('180', optional='true'), recv('200', rrs='true'))
ENDS = tuple(step.replace('Max-Forwards: 70', 'Max-Forwards: 70\n      [routes]')
             for step in (ACK, '<pause milliseconds="300"/>', BYE))
ROUTED = '[last_Record-Route:]'


def invite(headers='', anonymous=False):
    text = request('INVITE', 1, headers, SDP, retrans='500')
    if anonymous:
        text = text.replace('From: <sip:5550100@[local_ip]:[local_port]>',
                            'From: "Anonymous" <sip:anonymous@anonymous.invalid>')
    return text


def seen(*checks, missing=()):
    """Of the INVITE that comes: header and pattern; and what must not be there."""
    ereg = ''.join(f'<ereg regexp="{pattern}" search_in="hdr" header="{name}:" check_it="true" assign_to="1"/>'
                   for name, pattern in checks)
    ereg += ''.join(f'<ereg regexp="{name}:" search_in="msg" check_it_inverse="true" assign_to="1"/>'
                    for name in missing)
    return recv('INVITE', f'<action>{ereg}</action>' if ereg else '')


class TrunkRulesTest(SippCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        plans.apply(cls.cluster, 'trunk', plans.manifest(
            plans.GATEWAY, plans.tls_peer('other', 'somebody.else.test', calls=False), plans.user('3002', DOMAIN, 'password-3002', digest_algorithm='DIGEST_ALGORITHM_MD5')))
        cls.demo.wait_snapshot()
        cls.gateway = cls.cluster.host('gateway')

    def setUp(self):
        """Kamailio anew, so that no connection is open."""
        self.cluster.wait_for(lambda: not self.connections(), 'nothing is open', 5)
        routes = kamailio.proxy(
            ONWARD.format(behind=f'{self.cluster.network}.22', edge=self.cluster.host('signaling_edge'), domain=DOMAIN),
            others=f'  if (!is_method("INVITE")) {kamailio.ANSWER}')
        self.kamailio = kamailio.kamailio(
            self.cluster, f'kamailio-{self._testMethodName}', (f'udp:{self.gateway}:5060', f'tls:{self.gateway}:5061'),
            routes, modules=('xlog', 'corex'),
            settings=f'tcp_accept_aliases=yes\ntcp_source_ipv4={self.gateway}\nxavp_via_params="via"\n',
            tls_config=kamailio.tls(self.cluster))
        self.addCleanup(self.kamailio.stop)
        self.kamailio.wait_for(lambda: accepts(self.gateway, 5061), 'Kamailio listens')

    def outward(self, first, called):
        """From the peer in clear by the edge and Kamailio to the sipp behind it."""
        steps = (called, response(200, ROUTED, SDP), recv('ACK'), recv('BYE'), response(200, tag=''))
        behind = self.sipp('behind', 22, 5070, steps)
        self.finish(self.caller('95551234', first, *ANSWERED, *ENDS), behind)

    def inward(self, number, first, *rest):
        """From the sipp behind Kamailio."""
        return self.sipp('behind-caller', 22, 5069, (first, *rest), '-s', number, f'{self.gateway}:5060')

    def told(self):
        """What Kamailio was told by TLS, the last time."""
        lines = re.findall(r'told: (\S+) from (\S+) contact (\S+) asserted (.*?) privacy (\S+)', self.kamailio.text())
        return lines[-1]

    def test_who_calls_is_told_to_the_trunk_alone(self):
        self.outward(invite('P-Asserted-Identity: <sip:5550100@[local_ip]>\n      Privacy: id', anonymous=True),
                     seen(('From', 'anonymous@anonymous.invalid'), missing=('P-Asserted-Identity',)))
        _, caller, _, asserted, privacy = self.told()
        self.assertEqual(caller, 'sip:anonymous@anonymous.invalid')
        self.assertRegex(asserted, '^<sip:5550100@')
        self.assertEqual(privacy, 'id')
        # Who asks for nothing is told to everybody.
        self.outward(invite(), seen(('From', 'sip:5550100@'), ('P-Asserted-Identity', 'sip:5550100@')))
        self.assertEqual(self.told()[4], '<null>')

    def test_what_the_trunk_asserts_is_believed(self):
        steps = (seen(('From', 'anonymous@anonymous.invalid'), ('P-Asserted-Identity', 'sip:5550100@'),
                      ('Privacy', 'id')), response(200, body=SDP), recv('ACK'), recv('BYE'), response(200, tag=''))
        called = self.called(*steps)
        self.finish(self.inward('81234', invite('X-Private: yes', anonymous=True), *ANSWERED, *ENDS), called)
        self.assertEqual(self.ended('NORMAL_CLEARING')[-1]['legs'][0]['callingNumber'], '5550100')

    def test_a_phone_is_told_nothing(self):
        edge = self.cluster.host('signaling_edge')
        phone = Baresip(self.cluster.folder, 'phone',
                        f'<sip:3002@{DOMAIN}>;auth_pass=password-3002;outbound="sip:{edge}";regint=60;answermode=auto',
                        media_ports=(36100, 36199)).start()
        self.addCleanup(phone.stop)
        phone.wait_registered()
        self.finish(self.inward('3002', invite('X-Private: yes', anonymous=True), *ANSWERED, *ENDS))
        event = phone.wait_event('CALL_ESTABLISHED', 'the phone has answered')
        self.assertEqual(event['peeruri'], 'sip:anonymous@anonymous.invalid')
        self.assertNotIn('5550100', str(event))

    def test_sips_stays_on_tls(self):
        # To a peer in clear it does not go at all (RFC 5630 section 5.3).
        refused = recv('480', '<action><ereg regexp="380.*SIPS Not Allowed" search_in="hdr" header="Warning:"'
                       ' check_it="true" assign_to="1"/></action>')
        self.finish(self.inward('81234', invite('X-Sips: yes'), recv('100', optional='true'), refused,
                                request('ACK', 1, to='[peer_tag_param]')))
        reasons = [r['reason'] for r in self.cluster.items('refusals', '--parent', 'tenants/-')]
        self.assertIn('SIPS_NOT_ALLOWED', reasons)
        # From one over TLS to another it goes as such.
        pki, other = self.cluster.pki, f'{self.cluster.network}.23'
        wrapper = Process('other', [
            'socat', f'TCP-LISTEN:5060,bind={other},reuseaddr,fork',
            f'OPENSSL:{self.cluster.host("signaling_edge")}:5061,cert={pki}/wrong_name.pem,key={pki}/wrong_name.key,'
            f'cafile={pki}/sip-ca.pem,commonname=edge.demo.sallyport.test'], self.cluster.path('log', 'other.log')).start()
        self.addCleanup(wrapper.stop)
        wrapper.wait_for(lambda: accepts(other, 5060), 'the wrapper listens')
        steps = (recv('INVITE'), response(200, ROUTED, SDP), recv('ACK'), recv('BYE'), response(200, tag=''))
        behind = self.sipp('behind', 22, 5070, steps)
        secured = [step.replace('SIP/2.0/UDP', 'SIP/2.0/TLS').replace('Contact: <sip:', 'Contact: <sips:')
                   .replace('sip:[service]@[remote_ip]', f'sips:[service]@{DOMAIN}')
                   for step in (invite(), *ANSWERED, *ENDS)]
        self.finish(self.sipp('secured', 23, 5065, secured, '-s', '95551234', '-t', 't1', f'{other}:5060'), behind)
        uri, _, contact, _, _ = self.told()
        self.assertTrue(uri.startswith('sips:5551234@'), uri)
        self.assertTrue(contact.startswith('<sips:'), contact)

    def calls_by_one_connection(self, *calls):
        for call in calls:
            call()
        found = self.connections()
        self.assertEqual(len(found), 1, found)
        used = [leg['connection'] for call in self.ended('NORMAL_CLEARING')[-2:] for leg in call['legs']
                if leg.get('peer', '').endswith('/gateway')]
        self.assertEqual(used, [found[0]['name']] * 2)
        return found[0].get('incoming', False)

    def test_our_connection_is_taken_for_both_ways(self):
        """RFC 5923: our Via says alias, and Kamailio accepts that; it finds the
        connection by the address that the edge comes from."""
        self.assertFalse(self.calls_by_one_connection(self.out_call, self.in_call))

    def test_its_connection_is_taken_for_both_ways(self):
        self.assertTrue(self.calls_by_one_connection(self.in_call, self.out_call))

    def out_call(self):
        self.outward(invite(), recv('INVITE'))

    def in_call(self):
        called = self.called(recv('INVITE'), response(200, body=SDP), recv('ACK'), recv('BYE'), response(200, tag=''))
        self.finish(self.inward('81234', invite(), *ANSWERED, *ENDS), called)

    def connections(self):
        return [c for c in self.cluster.items('connections') if c.get('peer', '').endswith('/gateway')]


if __name__ == '__main__':
    main()
