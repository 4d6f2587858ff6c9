#!/usr/bin/env python3
"""A flood of messages and handshakes of nobody, of every kind, on an edge with
its usual limits: calls of trusted peers all succeed, strangers get 503 with
Retry-After before queues grow, scanners get no answer, and each has its reason
(issue 5, 9). How fast they are then, tools/bench says: signaling.flood."""

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, os.getcwd())

from tests.harness import configs, plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES  # noqa: E402

LOAD = 'services/signaling_edge/load/sip_load'
SOURCES = 200_000
# Of a machine that has other tests to run.
MESSAGES = 4_000
HANDSHAKES = 500
CALLS = 10


class FloodTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cls.edge = cluster.host('signaling_edge')
        cls.caller, cls.called = f'{cluster.network}.21', f'{cluster.network}.22'
        cluster.make_pki()
        configs.write_all(cluster)
        conf = configs.read(cluster, 'signaling_edge')
        # Limits are the edge's own; only a busy machine must not look like load.
        conf['limits'] = {'overload_lag': '1s'}
        cluster.write_config('signaling_edge', conf)
        for name in SERVICES:
            cluster.start_service(name)
        cls.demo.provision()
        plans.apply(cluster, 'flood', plans.two_peers(cls.caller, cls.called, 'TCP'))
        cls.demo.wait_snapshot()

    def load(self, work, *options, seconds):
        path = LOAD if os.path.exists(LOAD) else os.path.join('bazel-bin', LOAD)
        done = subprocess.run(
            [path, f'--work={work}', '--transport=tcp', f'--target={self.edge}:5060', f'--tls_target={self.edge}:5061',
             f'--flood_target={self.edge}:5060', f'--domain={DOMAIN}', f'--flood_sources={SOURCES}',
             f'--seconds={seconds}', *options], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.strip().splitlines()[-1])

    def counters(self):
        with urllib.request.urlopen(f'http://{self.edge}:9464/metrics', timeout=10) as answer:
            text = answer.read().decode()
        found = {reason: float(value) for reason, value in re.findall(
            r'^sallyport_signaling_edge_refusals_total\{[^}]*reason="(\w+)"[^}]*\} (\S+)', text, re.M)}
        for name in ('malformed', 'challenges'):
            found[name] = sum(float(value) for value in re.findall(
                rf'^sallyport_signaling_edge_{name}_total(?:{{[^}}]*}})? (\S+)', text, re.M))
        return found

    def memory(self):
        return self.cluster.processes['signaling_edge'].resident_bytes()

    def test_calls_of_peers_all_succeed_beside_a_flood(self):
        calls = ('--work=calls', f'--sources={self.caller}:5065', f'--called={self.called}:5070', '--prefix=8',
                 f'--rate={CALLS}')
        flood = (f'--flood={MESSAGES}', f'--flood_handshakes={HANDSHAKES}')
        self.load('calls', *calls[1:], *flood, seconds=2)  # what is made once is made
        before, held = self.counters(), self.memory()
        seen = self.load('calls', *calls[1:], *flood, seconds=4)
        self.assertEqual(seen['failed'], 0, seen)
        self.assertGreater(seen['per_second'], CALLS * 0.5, seen)
        self.assertGreater(seen['flood_per_second'], MESSAGES * 0.5, seen)
        self.assertGreater(seen['handshakes_per_second'], HANDSHAKES * 0.3, seen)
        # Of as many sources: nothing is kept of each.
        self.assertLess(self.memory() - held, 16 << 20)

        def acted():
            now = self.counters()
            return {reason: now[reason] - before.get(reason, 0) for reason in now}
        # Each kind, as far as a busy machine has time to read it.
        # The demo's users are never asked for a password in clear.
        self.cluster.wait_for(lambda: acted().get('SCANNER_USER_AGENT', 0) > 20 and acted()['malformed'] > 20 and
                              acted().get('SECURITY_MODE_TLS_REQUIRED', 0) + acted().get('OVERLOADED', 0) > 20,
                              'each kind has its reason', 10)

    def test_a_single_source_is_read_up_to_its_limit(self):
        seen = self.load('flood', '--flood=4000', '--flood_sources=1', seconds=3)
        # 100 a second and four seconds' worth at once, of 12 000; scanners less.
        self.assertGreater(seen['flood_answers'], 10, seen)
        self.assertLess(seen['flood_answers'], 900, seen)

    def test_strangers_are_told_to_come_later_before_queues_grow(self):
        """As much as there is time to send, from sources each within its limit."""
        stop, most = threading.Event(), [0.0]

        def watch():
            while not stop.wait(0.3):
                most[0] = max(most[0], self.counters().get('OVERLOADED', 0))
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            busy = 0
            for _ in range(4):
                seen = self.load('flood', '--flood=400000', seconds=3)
                busy += seen['flood_busy']
                if busy > 100:
                    break
        finally:
            stop.set()
            watcher.join()
        self.assertGreater(busy, 100, seen)
        self.assertGreater(most[0], 100)
        # It is itself again, and a call goes through.
        calls = self.load('calls', f'--sources={self.caller}:5065', f'--called={self.called}:5070', '--prefix=8',
                          '--rate=10', '--warm_up=3', seconds=2)
        self.assertEqual(calls['failed'], 0, calls)


if __name__ == '__main__':
    main()
