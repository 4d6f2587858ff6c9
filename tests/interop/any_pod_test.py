#!/usr/bin/env python3
"""Any pod serves (design.md section 6): three edges behind HAProxy, which
speaks PROXY protocol v2 to them over TCP and TLS and spreads connections in
turn; every message of a call goes by another connection."""

import asyncio
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import GRPC_PORTS, find_binary  # noqa: E402
from tests.harness.process import Process  # noqa: E402
from tests.harness.spray import many  # noqa: E402
from tests.harness.spray_case import SprayCase  # noqa: E402

CALLS = 1000
EDGES = 3

HAPROXY = '''
global
  maxconn 4000
defaults
  mode tcp
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  balance roundrobin
  source {balancer}
  default-server check inter 300ms fastinter 100ms fall 3 rise 1 on-marked-down shutdown-sessions send-proxy-v2
listen sip
  bind {balancer}:5060
{tcp}
listen sips
  bind {balancer}:5061
{tls}
'''


class AnyPodTest(SprayCase):

    ways = EDGES
    each = 4

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cls.balancer = f'{cluster.network}.30'
        cls.open_door(cls.balancer)
        cls.hosts = [f'{cluster.network}.{i}' for i in (1, 41, 42)]
        cls.extra = []
        cluster.make_pki()
        configs.write_all(cluster, unlimited=True)
        with open(cluster.path('data', 'cluster.key'), 'w', encoding='ascii') as f:
            f.write(os.urandom(32).hex() + '\n')
        for number in range(EDGES):
            cls.write_edge(number)
        for name in ('dialplan', 'capf', 'credential_issuer', 'media_relay', 'signaling_edge'):
            cluster.start_service(name)
        for number in range(1, EDGES):
            cls.extra.append(cls.start_edge(number))
        cls.demo.provision()
        cls.apply()
        cls.start_haproxy()
        for number in range(EDGES):
            cluster.wait_for(lambda n=number: cls.linked(n), f'edge {number} sees the others', 10)

    @classmethod
    def name_of(cls, number):
        return 'signaling_edge' if number == 0 else f'signaling_edge{number}'

    @classmethod
    def write_edge(cls, number):
        """Its own address and name; to the outside it is the balancer."""
        cluster, host = cls.cluster, cls.hosts[number]
        name = cls.name_of(number)
        conf = configs.read(cluster, 'signaling_edge')
        server = conf['server']
        server['listen_address'] = f'{host}:{GRPC_PORTS["signaling_edge"]}'
        server['metrics_address'] = f'{host}:9464'
        server['ready_file'] = cluster.path('ready', name + '.json')
        server['instance_id'] = f'signaling_edge-{number}'
        for listener in conf['listeners']:
            listener['address'] = host
            listener['advertised_address'] = cls.balancer
        conf['proxy_protocol_prefixes'] = [cls.balancer]
        conf['token_key_file'] = cluster.path('data', 'cluster.key')
        for field in ('snapshot_cache_file', 'trust_cache_file', 'call_record_file'):
            conf[field] = cluster.path('data', f'{name}-{field}')
        conf['cluster'] = {'edge_id': f'edge-{number}', 'listen_address': f'{host}:7012',
                           'peers': [f'{each}:7012' for each in cls.hosts]}
        cluster.write_config(name, conf)

    @classmethod
    def start_edge(cls, number):
        cluster, name = cls.cluster, cls.name_of(number)
        process = Process(name, [find_binary('signaling_edge'), '--config=' + cluster.path('conf', name + '.json')],
                          cluster.path('log', name + '.log'))
        process.start()
        cluster.processes[name] = process
        process.wait_for(lambda: os.path.exists(cluster.path('ready', name + '.json')), f'{name} is ready', 20)
        return process

    @classmethod
    def linked(cls, number):
        text = cls.cluster.processes[cls.name_of(number)].text()
        return text.count('linked to another edge') >= EDGES - 1

    @classmethod
    def start_haproxy(cls):
        def servers(port):
            return '\n'.join(f'  server e{i} {h}:{port}' for i, h in enumerate(cls.hosts))
        conf = cls.cluster.path('conf', 'haproxy.cfg')
        with open(conf, 'w', encoding='ascii') as f:
            f.write(HAPROXY.format(balancer=cls.balancer, tcp=servers(5060), tls=servers(5061)))
        cls.haproxy = Process('haproxy', [shutil.which('haproxy') or '/usr/sbin/haproxy', '-f', conf, '-db'],
                              cls.cluster.path('log', 'haproxy.log')).start()
        cls.cluster.processes['haproxy'] = cls.haproxy

        def up():
            return subprocess.run(['bash', '-c', f'exec 3<>/dev/tcp/{cls.balancer}/5060'],
                                  capture_output=True).returncode == 0
        cls.haproxy.wait_for(up, 'HAProxy listens', 10)

    @classmethod
    def tearDownClass(cls):
        for name in ('haproxy', 'signaling_edge1', 'signaling_edge2'):
            if name in cls.cluster.processes:
                cls.cluster.processes[name].stop()
        super().tearDownClass()

    # ------------------------------------------------------------------ calls

    def metric(self, number, name):
        return self.metric_at(self.hosts[number], name)

    def test_a_root_reaches_every_edge(self):
        """UM-45: trusted by one action, in force at all three."""
        def versions():
            return [self.metric(number, 'trust_version') for number in range(EDGES)]
        before = max(versions())
        self.cluster.cli('trust', 'add', 'CallManager-trust', f'{self.cluster.pki}/ca.pem')
        self.cluster.wait_for(lambda: min(versions()) > before, 'every edge has the root', 10)

    def spray(self, source, port, tls, calls):
        before = [self.metric(n, 'handed_over_total') for n in range(EDGES)]
        self.sprayed(source, port, tls, calls)
        # Each edge had calls of its own and messages of others'.
        for number in range(EDGES):
            self.assertGreater(self.metric(number, 'handed_over_total') - before[number], calls / 10)
        self.cluster.wait_for(
            lambda: all(self.metric(n, 'active_calls') == 0 for n in range(EDGES)), 'all calls are over', 10)

    def test_a_thousand_calls_sprayed_over_tcp(self):
        self.spray(self.caller_ip, 5060, None, CALLS)

    def test_calls_sprayed_over_mutual_tls(self):
        """Whose connection it is, the edge knows that shook hands: its facts go along."""
        self.spray(f'{self.cluster.network}.23', 5061, self.gateway_tls(), CALLS // 2)

    def test_an_attended_transfer_joins_calls_of_different_edges(self):
        """Two calls of one party, each at the edge that its INVITE came to: REFER with Replaces makes one call of
        their far sides, and what these send then still finds it, by any connection."""
        pairs = 15

        async def run():
            called, caller = await self.called(), await self.caller()
            said = await self.join(caller, called, pairs)
            refused = await self.join_with_a_stranger(caller)
            await self.end(caller, called)
            return said, refused, called
        said, refused, called = asyncio.run(run())
        self.assertEqual({end.split()[1] for end in said}, {'200'}, said)
        self.assertNotIn(' 200 ', refused)
        self.assertEqual((called.hung_up, called.byes, called.failed), (pairs, pairs + 2, []))
        self.cluster.wait_for(
            lambda: all(self.metric(n, 'active_calls') == 0 for n in range(EDGES)), 'all calls are over', 10)

    def test_sipp_with_a_connection_for_each_call(self):
        uas = Process('uas', ['sipp', '-sn', 'uas', '-i', self.called_ip, '-p', '5070', '-t', 't1', '-nostdin'],
                      self.cluster.path('log', 'uas.log')).start()
        self.addCleanup(uas.stop)
        done = subprocess.run(
            ['sipp', '-sn', 'uac', '-s', '85551234', '-i', self.caller_ip, '-p', '5065', '-t', 'tn', '-r', '40',
             '-m', '200', '-d', '200', '-max_socket', '1000', '-nostdin', '-timeout', '60s',
             f'{self.balancer}:5060'],
            capture_output=True, text=True, errors='replace', timeout=90, cwd=self.cluster.folder)
        self.assertEqual(done.returncode, 0, done.stdout[-1500:])
        # The client that an edge sees is not the balancer.
        self.assertGreater(self.metric(0, 'connections_total'), 20)

    def test_z_an_edge_that_dies_takes_its_own_calls_and_no_other(self):
        async def run():
            called, caller = await self.called(), await self.caller()
            held = asyncio.ensure_future(many(caller, ['85550001'] * 90, at_once=90, hold=6.0))
            await asyncio.sleep(3.0)
            live = [self.metric(n, 'active_calls') for n in range(EDGES)]
            self.extra[-1].kill()
            await asyncio.sleep(1.5)  # the balancer has ended its connections
            await caller.pool.open(EDGES)
            fresh = await many(caller, self.numbers(60))
            ends = await held
            await self.end(caller, called)
            return live, ends, fresh
        live, (well, wrong), (fresh_well, fresh_wrong) = asyncio.run(run())
        self.assertEqual(sum(live), 90, live)
        self.assertGreater(live[-1], 0)
        # Those of the dead edge, each told so, and no other.
        self.assertEqual(len(wrong), live[-1], wrong)
        self.assertEqual(well, 90 - live[-1])
        for end in wrong:
            self.assertRegex(end, '481|503')
        self.assertEqual((fresh_well, fresh_wrong), (60, []))
        refusals = self.cluster.cli('refusals', '-o', 'json')
        self.assertIn('CALL_OWNER_', str(refusals))


if __name__ == '__main__':
    main()
