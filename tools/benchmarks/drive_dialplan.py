#!/usr/bin/env python3
"""Runs one load on a real dialplan over mutual TLS, and prints what came out.

    tools/benchmarks/drive_dialplan.py stream|resolve|memory|bare --dialplan=BINARY ...

The store is made anew, holds the plan of a region, and is thrown away. `bare`
puts the load of `resolve` on a gRPC server that does nothing (--bare_server).
The last line is one JSON object of numbers.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.getcwd())

from tests.harness.cluster import Cluster, TRUST_DOMAIN  # noqa: E402
from tests.harness.process import Failed, Process, wait_until  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('scenario', choices=('stream', 'resolve', 'memory', 'bare'))
    parser.add_argument('--dialplan', default='')
    parser.add_argument('--make_region', default='')
    parser.add_argument('--bare_server', default='')
    parser.add_argument('--load', default='', help='the load program; not for memory')
    parser.add_argument('--cpu', default='', help='core of dialplan; empty: any')
    parser.add_argument('--load_cpus', default='', help='cores of the load; empty: any')
    parser.add_argument('--realtime', action='store_true',
                        help='before all other work of the machine, where that is allowed')
    parser.add_argument('--favoured', action='store_true',
                        help='nice -20, for what never sleeps: at realtime priority the kernel would stop it')
    parser.add_argument('--spinning', action='store_true', help='the load never sleeps')
    parser.add_argument('--decisions', action='store_true', help='at the decision listener')
    parser.add_argument('--busy_poll', default='', help='of the decision listener: 0.001s')
    parser.add_argument('--tenants', type=int, default=1000)
    parser.add_argument('--partitions', type=int, default=1000)
    parser.add_argument('--peers', type=int, default=10000)
    parser.add_argument('--patterns', type=int, default=100000)
    parser.add_argument('--users', type=int, default=0)
    parser.add_argument('--option', action='append', default=[], help='passed to the load program')
    return parser.parse_args()


def pinned(args, cpus, command, load=False):
    """The command as it is to be scheduled: who measures microseconds must not
    wait for a compiler."""
    spins = args.spinning if load else args.busy_poll
    if spins and args.favoured:
        first = ['nice', '-n', '-20']
    elif args.realtime and not spins:
        first = ['chrt', '-f', '5']
    else:
        first = []
    if first and subprocess.run([*first, 'true'], capture_output=True).returncode == 0:
        command = [*first, *command]
    return ['taskset', '-c', cpus, *command] if cpus else command


def resident_kb(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return int(re.search(r'VmRSS:\s+(\d+) kB', f.read()).group(1))


class Server:
    """One process under load."""

    def __init__(self, args):
        self.args = args
        self.process = None
        self.address = ''
        self.pki = ''

    def load(self, region):
        if '_load' in self.args.load and self.args.scenario in ('resolve', 'bare'):
            self.args.option.append(f'--server_pid={self.process.pid}')
        shape = [f'--{name}={region[name]}' for name in ('tenants', 'partitions', 'patterns')]
        command = [self.args.load, f'--target={self.address}', f'--pki={self.pki}', *shape, *self.args.option]
        done = subprocess.run(pinned(self.args, self.args.load_cpus, command, load=True), capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(done.stderr.strip() or f'exit status {done.returncode}')
        values = json.loads(done.stdout.strip().splitlines()[-1])
        values['server_rss_mb'] = resident_kb(self.process.pid) / 1024
        return values


class Bare(Server):
    """The gRPC server that does nothing."""

    def __init__(self, args, folder):
        super().__init__(args)
        cluster = Cluster(folder)
        cluster.make_pki()
        self.pki = cluster.pki
        self.process = Process('bare_server', pinned(args, args.cpu, [args.bare_server, f'--pki={self.pki}']),
                               os.path.join(folder, 'bare.log'))
        self.process.start()

        def bound():
            found = re.search(r'"grpc": (\d+)', self.process.text())
            return found and found.group(1)
        self.address = f"127.0.0.1:{wait_until(bound, 'the bare server becomes ready')}"


class Dialplan(Server):
    """A dialplan with a region's plan."""

    def __init__(self, args, folder, region):
        super().__init__(args)
        store = os.path.join(folder, 'plan.db')
        shape = [f'--{name}={value}' for name, value in region.items()]
        done = subprocess.run([args.make_region, f'--store={store}', *shape], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f'make_region: {done.stderr.strip()}')
        self.made = json.loads(done.stdout)
        cluster = Cluster(folder)
        cluster.make_pki()
        self.pki = cluster.pki
        server = cluster.server_config('dialplan')
        server['listen_address'] = '127.0.0.1:0'
        server['metrics_address'] = '127.0.0.1:0'
        decisions = {'listen_address': '127.0.0.1:0'} if args.decisions else {}
        if args.busy_poll:
            decisions['busy_poll'] = args.busy_poll
        config = cluster.write_config('dialplan', {'server': server, 'store': {'sqlite_file': store},
                                                   'decision_listener': decisions})
        ready = server['ready_file']
        self.process = Process('dialplan', pinned(args, args.cpu, [args.dialplan, f'--config={config}']),
                               os.path.join(folder, 'dialplan.log'))
        self.process.start()

        def bound():
            try:
                with open(ready, encoding='utf-8') as f:
                    return json.load(f)
            except (FileNotFoundError, ValueError):
                if not self.process.running():
                    raise Failed('dialplan ended: ' + self.process.text()[-500:])
                return None
        ports = wait_until(bound, 'dialplan becomes ready', 120)
        self.address = f"127.0.0.1:{ports['decisions' if args.decisions else 'grpc']}"


def run(args, folder, region):
    """One process from start to end."""
    os.makedirs(folder)
    server = Bare(args, folder) if args.scenario == 'bare' else Dialplan(args, folder, region)
    try:
        if args.scenario == 'memory':
            return {'rss_kb': resident_kb(server.process.pid), 'resources': server.made['resources']}
        return server.load(region)
    finally:
        server.process.stop()


def main():
    args = arguments()
    assert TRUST_DOMAIN == 'demo.sallyport.test'
    region = {name: getattr(args, name) for name in ('tenants', 'partitions', 'peers', 'patterns', 'users')}
    with tempfile.TemporaryDirectory(prefix='sallyport-bench-') as folder:
        try:
            if args.scenario != 'memory':
                values = run(args, os.path.join(folder, 'a'), region)
            else:
                # What the patterns cost is what a plan without them does not.
                whole = run(args, os.path.join(folder, 'a'), region)
                without = run(args, os.path.join(folder, 'b'), {**region, 'patterns': 0})
                values = {
                    'bytes_per_pattern': (whole['rss_kb'] - without['rss_kb']) * 1024 / region['patterns'],
                    'rss_mb': whole['rss_kb'] / 1024, 'resources': whole['resources']}
        except Failed as e:
            print(f'drive_dialplan: {e}', file=sys.stderr)
            return 1
    print(json.dumps(values))
    return 0


if __name__ == '__main__':
    sys.exit(main())
