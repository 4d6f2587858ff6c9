#!/usr/bin/env python3
"""What happens to a call whose media does not: kill -9 of the media relay during
a call of real user agents, and while it rings (it goes on at another relay), and
a phone that stops sending while its signalling lives (the call ends,
MEDIA_SILENT)."""

import json
import os
import signal
import sys
import urllib.request

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import SERVICES, find_binary  # noqa: E402
from tests.harness.demo import DIALLED, DOMAIN  # noqa: E402
from tests.harness.process import Process  # noqa: E402


class RelayKilledTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cluster.make_pki()
        configs.write_all(cluster)
        relay = configs.read(cluster, 'media_relay')
        relay['media_timeout'] = '2s'
        cluster.write_config('media_relay', relay)
        # The same again, on an address of its own.
        cls.second = f'{cluster.network}.14'
        relay['server'].update(listen_address=f'{cls.second}:7003', instance_id='media_relay-1',
                               metrics_address=f'{cls.second}:9464',
                               ready_file=cluster.path('ready', 'media_relay_2.json'))
        relay['external'] = {'addresses': [cls.second]}
        relay['session_listener'] = {'listen_address': f'{cls.second}:7013'}
        relay['keys_cache_file'] = cluster.path('data', 'relay-2-keys.cache')
        cluster.write_config('media_relay_2', relay)
        edge = configs.read(cluster, 'signaling_edge')
        edge['media_relays'].append({**edge['media_relays'][0], 'target': f'{cls.second}:7003'})
        edge['timers'] = {'media_statistics_interval': '1s', 'media_silence': '2s',
                          'relay_lost_after': '1s'}
        cluster.write_config('signaling_edge', edge)
        cluster.processes['media_relay_2'] = Process(
            'media_relay_2',
            [find_binary('media_relay'), '--config=' + cluster.path('conf', 'media_relay_2.json')],
            cluster.path('log', 'media_relay_2.log'))
        cluster.start_service('media_relay_2')
        for name in SERVICES:
            cluster.start_service(name)
        cls.demo.provision()
        cls.demo.enroll()
        cls.demo.start_user_agents()

    def begin(self):
        """A call from the phone (SRTP) to the gateway (RTP); its name."""
        phone, gateway = self.demo.phone, self.demo.gateway
        answered = len(gateway.seen('CALL_ESTABLISHED'))
        established = len(phone.seen('CALL_ESTABLISHED'))
        phone.dial(f'sip:{DIALLED}@{DOMAIN}')
        phone.wait_event('CALL_ESTABLISHED', 'the call is answered', count=established + 1)
        gateway.wait_event('CALL_ESTABLISHED', 'the gateway has it', count=answered + 1)
        return [c for c in self.cluster.items('calls')
                if c.get('state') == 'CALL_STATE_ANSWERED'][0]['name']

    def address(self, relay):
        """Of a relay by the name of its process, as calls tell it."""
        return f'{self.second}:7003' if relay == 'media_relay_2' \
            else f'{self.cluster.host("media_relay")}:7003'

    def others(self, target):
        """The process of this relay, and the address of the other one."""
        mine, other = ('media_relay', 'media_relay_2')
        if self.address(mine) != target:
            mine, other = other, mine
        self.assertEqual(self.address(mine), target)
        return mine, self.address(other)

    def call(self, name):
        return next(c for c in self.cluster.items('calls') if c['name'] == name)

    @staticmethod
    def received(call):
        """Packets that the relay took from each side, as the edge tells."""
        return [int(leg.get('statistics', {}).get('packetsReceived', 0)) for leg in call['legs']]

    def wait_media(self, name, relay, packets):
        def flows():
            call = self.call(name)
            return call if call.get('mediaRelay') == relay and min(self.received(call)) > packets \
                else None
        return self.cluster.wait_for(flows, f'media of both sides at {relay}', 15)

    def test_a_call_outlives_its_relay(self):
        name = self.begin()
        first = self.call(name)['mediaRelay']
        # Statistics of a live call, nobody having asked the relay.
        self.wait_media(name, first, 50)
        # So is the load of its relay.
        self.cluster.wait_for(lambda: 0 < self.relays()[first].get('load', 0) <= 1, 'the load is told', 10)
        # The edge was told of the port for that, and is there.
        with urllib.request.urlopen(f'http://{first.rsplit(":", 1)[0]}:9464/metrics', timeout=5) as answer:
            self.assertRegex(answer.read().decode(), r'(?m)^sallyport_rpc_loop_connections [1-9]')
        killed, other = self.others(first)
        self.cluster.kill(killed)
        moved = self.wait_media(name, other, 100)
        self.assertEqual(moved['state'], 'CALL_STATE_ANSWERED')
        self.assertEqual(moved['legs'][0]['mediaProtocol'], 'MEDIA_PROTOCOL_SDES_SRTP')
        self.assertEqual(int(moved['legs'][0]['statistics'].get('authenticationFailures', 0)), 0)
        ladder = self.cluster.cli('trace', name)
        self.assertEqual(ladder.count('- INVITE'), 4, ladder)
        self.demo.phone.hang_up()
        ended = self.cluster.wait_for(
            lambda: self.call(name) if self.call(name).get('reason') else None, 'the end', 10)
        self.assertEqual(ended['reason'], 'NORMAL_CLEARING')
        # The record is whole: suite, lock state, quality.
        self.assertGreater(ended['legs'][0]['statistics'].get('meanOpinionScore', 0), 3)
        self.assertFalse(ended.get('secure', False))
        self.cluster.start_service(killed)

    def lose_while_ringing(self, mode, notice):
        """A call that rings at a gateway whose user takes it by hand, `mode` as baresip calls it. Its relay is killed
        meanwhile, and the answer follows after `notice`."""
        phone, gateway = self.demo.phone, self.demo.gateway
        self.cluster.wait_for(lambda: len(self.available()) == 2, 'both relays are there', 10)
        answered = len(gateway.seen('CALL_ESTABLISHED'))
        told = 'CALL_PROGRESS' if mode == 'early' else 'CALL_RINGING'
        rung = len(phone.seen(told))
        gateway.command('answermode', mode)
        phone.dial(f'sip:{DIALLED}@{DOMAIN}')
        phone.wait_event(told, 'the gateway rings', count=rung + 1)
        call = self.cluster.wait_for(
            lambda: next((c for c in self.cluster.items('calls')
                          if c.get('mediaRelay') and c['state'] != 'CALL_STATE_ENDED'), None),
            'the call has a relay', 10)
        self.assertNotEqual(call['state'], 'CALL_STATE_ANSWERED')
        name = call['name']
        killed, other = self.others(call['mediaRelay'])
        self.cluster.kill(killed)
        try:
            notice(killed)
            gateway.command('accept')
            gateway.wait_event('CALL_ESTABLISHED', 'the call is answered', count=answered + 1)
            moved = self.wait_media(name, other, 100)
            self.assertEqual(moved['state'], 'CALL_STATE_ANSWERED')
            self.assertEqual(moved['legs'][0]['mediaProtocol'], 'MEDIA_PROTOCOL_SDES_SRTP')
            self.assertEqual(moved['legs'][1]['mediaProtocol'], 'MEDIA_PROTOCOL_RTP')
            ladder = self.cluster.cli('trace', name)
            phone.hang_up()
            ended = self.cluster.wait_for(
                lambda: self.call(name) if self.call(name).get('reason') else None, 'the end', 10)
            self.assertEqual(ended['reason'], 'NORMAL_CLEARING')
        finally:
            gateway.command('answermode', 'auto')
            phone.command('hangup')
            self.cluster.start_service(killed)
        return ladder

    def relays(self):
        """What the edge tells of them, by address."""
        # Not every service answers while one is killed.
        done = self.cluster.cli('get', 'status', '-o', 'json', check=False)
        return {relay['target']: relay for relay in json.loads(done.stdout)['signaling_edge']['relays']}

    def available(self):
        """Those that the edge would ask."""
        return {target for target, relay in self.relays().items() if relay.get('available')}

    def noticed(self, killed):
        """The edge has seen that the relay is gone."""
        self.cluster.wait_for(
            lambda: self.address(killed) not in self.available(), f'{killed} is lost', 10)

    def test_a_call_that_rings_outlives_its_relay(self):
        ladder = self.lose_while_ringing('manual', self.noticed)
        # The caller is told of the new one by the answer, the gateway by a re-INVITE.
        self.assertEqual(ladder.count('- INVITE'), 3, ladder)

    def test_an_answer_before_anybody_has_noticed(self):
        ladder = self.lose_while_ringing('manual', lambda killed: None)
        self.assertEqual(ladder.count('- INVITE'), 3, ladder)

    def test_a_call_with_early_media_outlives_its_relay(self):
        ladder = self.lose_while_ringing('early', self.noticed)
        # Both had a description of the old one.
        self.assertEqual(ladder.count('- INVITE'), 4, ladder)

    def test_media_that_stops_ends_the_call(self):
        name = self.begin()
        self.wait_media(name, self.call(name)['mediaRelay'], 50)
        os.kill(self.demo.gateway.process.pid, signal.SIGSTOP)
        try:
            ended = self.cluster.wait_for(
                lambda: self.call(name) if self.call(name).get('reason') else None,
                'the call ends', 15)
        finally:
            os.kill(self.demo.gateway.process.pid, signal.SIGCONT)
        self.assertEqual(ended['reason'], 'MEDIA_SILENT')


if __name__ == '__main__':
    main()
