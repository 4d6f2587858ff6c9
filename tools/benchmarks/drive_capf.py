#!/usr/bin/env python3
"""Runs many phones against a real capf, over its own protocol and TLS.

    tools/benchmarks/drive_capf.py p256|rsa2048|wait [--postgres] --capf=BINARY --load=BINARY ...

With `wait` all phones stay connected while they make their keys, and get their
certificates once all have waited; at one capf, or, if one process of this
machine may not have so many descriptors, at two of one installation, which
have one PostgreSQL and the same keys. `replicas` says which was done.
Every phone has an enrolment with a string of its own and a fresh key, and
offers what phones have: TLS 1.2, AES-GCM, P-256 and P-384; with --tls13 TLS
1.3, and X25519 before those. Every
certificate that was handed out has to be in the audit file, which is on the
disk before it goes out; if it is not, there is no figure. `per_core` is
enrolments by the CPU time of capf, the audit's and the handshakes' included;
with --postgres the database's own time is not.
The last line is one JSON object of numbers.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, os.getcwd())

from tests.harness.cluster import Cluster  # noqa: E402
from tests.harness.configs import passphrase_file  # noqa: E402
from tests.harness.process import Failed, Process, wait_until  # noqa: E402
from tools.benchmarks.drive_credentials import Postgres  # noqa: E402


# What capf keeps for itself beside its phones.
OWN_DESCRIPTORS = 256


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('what', choices=('p256', 'rsa2048', 'wait'))
    parser.add_argument('--postgres', action='store_true', help='the store is a PostgreSQL server of its own')
    parser.add_argument('--capf', required=True)
    parser.add_argument('--load', required=True)
    parser.add_argument('--tls13', action='store_true', help='phones offer TLS 1.3 and X25519 too')
    parser.add_argument('--phones', type=int, default=10000)
    parser.add_argument('--cpu', default='', help='cores of capf; empty: any')
    parser.add_argument('--load_cpus', default='', help='cores of the load; empty: any')
    parser.add_argument('--realtime', action='store_true',
                        help='before all other work of the machine, where that is allowed')
    return parser.parse_args()


def pinned(args, cpus, command):
    """The command as it is to be scheduled: not behind the compilers of others."""
    if args.realtime and subprocess.run(['chrt', '-f', '5', 'true'], capture_output=True).returncode == 0:
        command = ['chrt', '-f', '5', *command]
    return ['taskset', '-c', cpus, *command] if cpus else command


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as f:
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def resident(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        for line in f:
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * 1024
    raise Failed('no VmRSS')


class Replica:
    """One capf of the installation."""

    def __init__(self, args, cluster, number, postgres):
        hosts = [cluster.host('capf'), cluster.network + '.199']
        host = hosts[number]
        self.address = f'{host}:3804'
        keys = os.path.join(cluster.folder, 'keys')
        os.makedirs(keys, exist_ok=True)
        self.authority = os.path.join(keys, 'ca.pem')
        self.audit = os.path.join(cluster.folder, f'audit-{number}.jsonl')
        self.server = cluster.server_config('capf')
        self.server['listen_address'] = f'{host}:7005'
        self.server['metrics_address'] = f'{host}:9464'
        self.server['ready_file'] = cluster.path('ready', f'capf-{number}.json')
        self.server['instance_id'] = f'capf-{number}'
        config = {
            'server': self.server,
            'store': ({'postgres': {'connection': postgres.connection}} if postgres
                      else {'sqlite_file': os.path.join(cluster.folder, 'capf.db')}),
            'authority': {'key_file': os.path.join(keys, 'ca.key'),
                          'certificate_file': self.authority,
                          'passphrase_file': passphrase_file(cluster),
                          'rsa_bits': 2048 if args.what == 'rsa2048' else 0},
            'capf': {'address': host, 'server_names': [f'IP:{one}' for one in hosts],
                     'max_connections': 200000, 'connections_per_second_per_source': 1000000},
            'audit_file': self.audit,
        }
        path = cluster.write_config(f'capf-{number}', config)
        self.process = Process(f'capf-{number}', pinned(args, args.cpu, [args.capf, f'--config={path}']),
                               os.path.join(cluster.folder, f'capf-{number}.log'))

    def start(self):
        self.process.start()
        wait_until(lambda: os.path.exists(self.server['ready_file']), 'capf becomes ready', 30)
        # taskset and chrt become what they run.
        self.pid = self.process.pid

    def load(self, args, cluster, first, phones):
        return subprocess.Popen(
            pinned(args, args.load_cpus, [
                args.load, f"--target={self.server['listen_address']}", f'--pki={cluster.pki}',
                '--operator_name=operator', f'--capf={self.address}', f'--authority={self.authority}',
                f'--first={first}', f'--phones={phones}', f'--wait={phones if args.what == "wait" else 0}',
                f'--tls13={"true" if args.tls13 else "false"}']),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def fits_one(phones):
    return phones + OWN_DESCRIPTORS <= resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def measure(args, folder, postgres):
    cluster = Cluster(folder)
    cluster.make_pki()
    count = 1 if args.what != 'wait' or fits_one(args.phones) else 2
    replicas = [Replica(args, cluster, number, postgres) for number in range(count)]
    try:
        for replica in replicas:
            replica.start()
        # Each side has one descriptor a phone.
        loads = []
        share = args.phones // (2 if args.what == 'wait' else 1)
        for first in range(0, args.phones, share):
            loads.append(replicas[len(loads) % count].load(args, cluster, first, min(share, args.phones - first)))

        def go(word):
            for load in loads:
                line = load.stdout.readline().strip()
                if line != word:
                    raise Failed(f'load said {line!r}: {load.stderr.read()[-300:]}')

        def tell():
            for load in loads:
                load.stdin.write('\n')
                load.stdin.flush()

        def memory():
            return sum(resident(replica.pid) for replica in replicas)

        go('ready')
        before = memory()
        used = cpu_seconds(replicas[0].pid)
        tell()
        if args.what == 'wait':
            go('waiting')
            grown = memory() - before
            tell()
        outs = [load.communicate()[0] for load in loads]
        if any(load.returncode for load in loads):
            raise Failed('the load failed')
        told = [json.loads(out.splitlines()[-1]) for out in outs]
        values = told[0]
        used = cpu_seconds(replicas[0].pid) - used
        for name in ('failed', 'enrolled', 'waiting'):
            if name in values:
                values[name] = sum(one[name] for one in told)
        if values['failed']:
            raise Failed(f"{values['failed']} phones failed")
        # Replicas write one chain; each has what it wrote itself in its file.
        events = []
        for replica in replicas:
            with open(replica.audit, encoding='utf-8') as f:
                events += [(one['event'], one['sequence']) for one in map(json.loads, f)]
        events = [event for event, _ in set(events)]
        # One is the ports' own certificate.
        issued, stored = events.count('ISSUED') - 1, events.count('LSC_STORED')
        if (issued, stored) != (values['enrolled'], values['enrolled']):
            raise Failed(f"{values['enrolled']} enrolled, {issued} issued and {stored} stored in the audit")
        if args.what == 'wait':
            if values['waiting'] != args.phones:
                raise Failed(f"{values['waiting']} of {args.phones} waited")
            return {'waiting': values['waiting'], 'bytes_per_phone': grown / values['waiting'], 'replicas': count}
        values['cpu_seconds'] = used
        values['per_core'] = values['enrolled'] / used
        return values
    finally:
        for replica in replicas:
            replica.process.stop()


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix='sallyport-bench-') as folder:
        postgres = None
        try:
            if args.postgres or (args.what == 'wait' and not fits_one(args.phones)):
                postgres = Postgres(args, folder)
            values = measure(args, folder, postgres)
        except Failed as e:
            print(f'drive_capf: {e}', file=sys.stderr)
            return 1
        finally:
            if postgres:
                postgres.stop()
    print(json.dumps(values))
    return 0


if __name__ == '__main__':
    sys.exit(main())
