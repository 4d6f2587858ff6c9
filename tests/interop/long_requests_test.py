#!/usr/bin/env python3
"""What is too long for UDP (RFC 3261 section 18.1.1), both ways: Kamailio, which
takes TCP beside UDP and does the same; sipp, which has no TCP; a port that
answers no connection; a peer whose profile keeps it to UDP."""

import os
import re
import socket
import sys
import time
import urllib.request

sys.path.insert(0, os.getcwd())

from tests.harness import kamailio, plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.sipp import (ACK, BYE, SDP, SippCase, recv, request, response)  # noqa: E402

# Codecs enough for an INVITE of more than 1 300 octets.
LONG_SDP = SDP + ''.join(f'      a=fmtp:0 {"x" * 60}{i:02}\n' for i in range(16))

# To sipp and back, by whatever transport each of them has.
SAID = '  xlog("L_ERR", "$rm by $proto of $ml octets from $si\\n");'
ONWARD = '''
  if ($si == "{edge}") {{ $du = "sip:{behind}:5070"; }}
  else {{ $du = "sip:{edge}:5060"; }}
'''
SETTINGS = 'tcp_source_ipv4={address}\n'
# What is longer leaves it by TCP.
SWITCHES = 'udp_mtu=1300\nudp_mtu_try_proto=TCP\n'

ANSWERED = (recv('100', optional='true'), recv('180', optional='true'), recv('200', rrs='true'))
ENDS = tuple(step.replace('Max-Forwards: 70', 'Max-Forwards: 70\n      [routes]')
             for step in (ACK, '<pause milliseconds="200"/>', BYE))

PROFILE = '''kind: SipProfile
name: tenants/default/sipProfiles/udp
spec: {long_requests: LONG_REQUESTS_UDP}
'''


class LongRequestsTest(SippCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        network = cls.cluster.network
        plans.apply(cls.cluster, 'long', plans.manifest(
            PROFILE, plans.peer('proxy', f'{network}.25', 5060), plans.route('proxy', 7, 'proxy'),
            plans.peer('deaf', f'{network}.26', 5070), plans.route('deaf', 6, 'deaf'),
            plans.peer('kept', f'{network}.27', 5070, sip_profile='tenants/default/sipProfiles/udp'),
            plans.route('kept', 5, 'kept')))
        cls.demo.wait_snapshot()

    def went_by(self):
        """Long requests by TCP and by UDP so far."""
        url = f'http://{self.cluster.host("signaling_edge")}:9464/metrics'
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        found = dict(re.findall(r'long_requests_total\{by="(\w+)"\} (\d+)', text))
        return int(found['tcp']), int(found['udp'])

    def wait_went_by(self, before, tcp, udp):
        wanted = (before[0] + tcp, before[1] + udp)
        self.cluster.wait_for(lambda: self.went_by() == wanted, f'{wanted} were counted, not {self.went_by()}', 5)

    def call(self, number, host, *more):
        """A call with a long offer that `host` answers; how long it took."""
        steps = (recv('INVITE'), response(180, '[last_Record-Route:]'), response(200, '[last_Record-Route:]', SDP),
                 recv('ACK'), recv('BYE'), response(200, tag=''))
        called = self.sipp('called', host, 5070, steps)
        begin = time.monotonic()
        self.finish(self.caller(number, self.invite(), *ANSWERED, *ENDS), called)
        return time.monotonic() - begin

    @staticmethod
    def invite():
        return request('INVITE', 1, body=LONG_SDP, retrans='500')

    def proxy(self, settings=''):
        address = f'{self.cluster.network}.25'
        process = kamailio.kamailio(
            self.cluster, f'proxy-{self._testMethodName}', (f'udp:{address}:5060', f'tcp:{address}:5060'),
            kamailio.proxy(ONWARD.format(edge=self.cluster.host('signaling_edge'), behind=f'{self.cluster.network}.22'),
                           first=SAID), modules=('xlog',), settings=SETTINGS.format(address=address) + settings)
        self.addCleanup(process.stop)
        process.wait_for(lambda: self.takes_tcp(address, 5060), 'Kamailio listens')
        return process

    @staticmethod
    def takes_tcp(address, port):
        try:
            socket.create_connection((address, port), 0.5).close()
            return True
        except OSError:
            return False

    def test_a_peer_with_tcp(self):
        process = self.proxy()
        before = self.went_by()
        self.call('71234', 22)
        self.wait_went_by(before, 1, 0)
        lines = re.findall(r'(\w+) by (\w+) of (\d+) octets', process.text())
        invite = next(line for line in lines if line[0] == 'INVITE')
        self.assertEqual(invite[1], 'tcp')
        self.assertGreater(int(invite[2]), 1300)
        # Its Record-Route says by which of its two sides it is reached.
        self.assertEqual({line[0]: line[1] for line in lines}['ACK'], 'tcp')
        connections = [c for c in self.cluster.items('connections') if c.get('peer', '').endswith('/peers/proxy')]
        self.assertEqual([c['remoteAddress']['transport'] for c in connections], ['TRANSPORT_TCP'])

    def test_a_peer_that_sends_what_is_long_by_tcp(self):
        """And is answered by the connection that it came by."""
        process = self.proxy(SWITCHES)
        before = self.went_by()
        called = self.sipp('called', 27, 5070, (
            recv('INVITE'), response(180), response(200, body=SDP), recv('ACK'), recv('BYE'), response(200, tag='')))
        caller = self.sipp('caller', 28, 5069, (self.invite(), *ANSWERED, *ENDS), '-s', '51234',
                           f'{self.cluster.network}.25:5060')
        self.finish(caller, called)
        call = self.ended('NORMAL_CLEARING')[-1]
        self.assertTrue(call['legs'][0]['peer'].endswith('/peers/proxy'))
        ladder = self.cluster.cli('trace', call['name'], '-o', 'json')
        self.assertEqual(
            [(m['summary'].split()[0], m.get('sent', False), m['transport']) for m in ladder['messages']
             if m.get('leg', 0) == 0 and m['summary'].split()[0] in ('INVITE', 'SIP/2.0')][:3],
            [('INVITE', False, 'TRANSPORT_TCP')] + [('SIP/2.0', True, 'TRANSPORT_TCP')] * 2)
        self.wait_went_by(before, 0, 1)
        self.assertIn('INVITE by udp', process.text())

    def test_a_peer_without_tcp(self):
        """A refused connection costs no time, and is not made again."""
        before = self.went_by()
        self.assertLess(self.call('81234', 22), 5)
        self.wait_went_by(before, 1, 1)
        self.call('81234', 22)
        self.wait_went_by(before, 1, 2)

    def test_a_peer_behind_a_wall(self):
        """One that answers no SYN: the accept queue of somebody's listener is full."""
        host = f'{self.cluster.network}.26'
        with socket.socket() as listener:
            listener.bind((host, 5070))
            listener.listen(0)
            held = []
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex((host, 5070))
                held.append(one)
            time.sleep(0.1)
            self.assertFalse(self.takes_tcp(host, 5070))
            before = self.went_by()
            self.assertGreater(self.call('61234', 26), 1.4)
            self.wait_went_by(before, 1, 1)
            self.assertLess(self.call('61234', 26), 1.4)
            self.wait_went_by(before, 1, 2)
            for one in held:
                one.close()

    def test_a_peer_whose_profile_keeps_it_to_udp(self):
        before = self.went_by()
        self.call('51234', 27)
        self.wait_went_by(before, 0, 1)


if __name__ == '__main__':
    main()
