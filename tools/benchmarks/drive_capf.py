#!/usr/bin/env python3
"""Runs many phones against a real capf, over its own protocol and TLS.

    tools/benchmarks/drive_capf.py p256|rsa2048|wait [--postgres] --capf=BINARY --load=BINARY ...

With `wait` as many phones as one process of this machine may have descriptors
for, if that is fewer than --phones, stay connected while they make their keys.
Every phone has an enrolment with a string of its own and a fresh key. Every
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


def measure(args, folder, postgres):
    shares = [args.phones]
    if args.what == 'wait':
        # Each side has one descriptor a phone; the load is two processes, capf is one.
        phones = min(args.phones, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - OWN_DESCRIPTORS)
        shares = [phones // 2, phones - phones // 2]
    cluster = Cluster(folder)
    cluster.make_pki()
    server = cluster.server_config('capf')
    host = cluster.host('capf')
    audit = os.path.join(folder, 'audit.jsonl')
    config = {
        'server': server,
        'store': ({'postgres': {'connection': postgres.connection}} if postgres
                  else {'sqlite_file': os.path.join(folder, 'capf.db')}),
        'authority': {'key_file': os.path.join(folder, 'ca.key'),
                      'certificate_file': os.path.join(folder, 'ca.pem'),
                      'passphrase_file': passphrase_file(cluster),
                      'rsa_bits': 2048 if args.what == 'rsa2048' else 0},
        'capf': {'address': host, 'server_names': [f'IP:{host}'],
                 'max_connections': 200000, 'connections_per_second_per_source': 1000000},
        'audit_file': audit,
    }
    path = cluster.write_config('capf', config)
    process = Process('capf', pinned(args, args.cpu, [args.capf, f'--config={path}']),
                      os.path.join(folder, 'capf.log'))
    process.start()
    try:
        wait_until(lambda: os.path.exists(server['ready_file']), 'capf becomes ready', 30)
        # taskset and chrt become what they run.
        pid = process.pid
        loads = []
        for number in range(len(shares)):
            loads.append(subprocess.Popen(
                pinned(args, args.load_cpus, [
                    args.load, f"--target={server['listen_address']}", f'--pki={cluster.pki}',
                    '--operator_name=operator', f'--capf={host}:3804',
                    f"--authority={os.path.join(folder, 'ca.pem')}", f'--first={sum(shares[:number])}',
                    f'--phones={shares[number]}', f'--wait={shares[number] if args.what == "wait" else 0}']),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))

        def go(word):
            for load in loads:
                line = load.stdout.readline().strip()
                if line != word:
                    raise Failed(f'load said {line!r}: {load.stderr.read()[-300:]}')

        def tell():
            for load in loads:
                load.stdin.write('\n')
                load.stdin.flush()

        go('ready')
        before = resident(pid)
        used = cpu_seconds(pid)
        tell()
        if args.what == 'wait':
            go('waiting')
            grown = resident(pid) - before
            tell()
        outs = [load.communicate()[0] for load in loads]
        if any(load.returncode for load in loads):
            raise Failed('the load failed')
        told = [json.loads(out.splitlines()[-1]) for out in outs]
        values = told[0]
        used = cpu_seconds(pid) - used
        failed = sum(one['failed'] for one in told)
        if failed:
            raise Failed(f'{failed} phones failed')
        if args.what == 'wait':
            values['waiting'] = sum(one['waiting'] for one in told)
            values['bytes_per_phone'] = grown / values['waiting']
            return values
        values['cpu_seconds'] = used
        values['per_core'] = values['enrolled'] / used
        with open(audit, encoding='utf-8') as f:
            events = [json.loads(line)['event'] for line in f]
        # One is the port's own certificate.
        issued, stored = events.count('ISSUED') - 1, events.count('LSC_STORED')
        if (issued, stored) != (values['enrolled'], values['enrolled']):
            raise Failed(f"{values['enrolled']} enrolled, {issued} issued and {stored} stored in the audit")
        return values
    finally:
        process.stop()


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix='sallyport-bench-') as folder:
        postgres = None
        try:
            if args.postgres:
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
