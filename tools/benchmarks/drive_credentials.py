#!/usr/bin/env python3
"""Runs a load on a real credential_issuer over mutual TLS.

    tools/benchmarks/drive_credentials.py sqlite|file|postgres --issuer=BINARY --load=BINARY ...

The store is made anew and thrown away. Every credential that was handed out
has to be in the audit, which is on the disk before it goes out; if it is not,
there is no figure. The last line is one JSON object of numbers.
"""

import argparse
import glob
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.getcwd())

from tests.harness.cluster import Cluster  # noqa: E402
from tests.harness.process import Failed, Process, wait_until  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('audit', choices=('sqlite', 'file', 'postgres'), help='where the audit goes')
    parser.add_argument('--issuer', required=True)
    parser.add_argument('--load', required=True)
    parser.add_argument('--cpu', default='', help='cores of the issuer; empty: any')
    parser.add_argument('--load_cpus', default='', help='cores of the load; empty: any')
    parser.add_argument('--realtime', action='store_true',
                        help='before all other work of the machine, where that is allowed')
    parser.add_argument('--option', action='append', default=[], help='passed to the load program')
    return parser.parse_args()


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f'{command[0]}: {(done.stderr or done.stdout).strip()[-300:]}')
    return done.stdout.strip()


def pinned(args, cpus, command):
    """The command as it is to be scheduled: not behind the compilers of others."""
    if args.realtime and subprocess.run(['chrt', '-f', '5', 'true'], capture_output=True).returncode == 0:
        command = ['chrt', '-f', '5', *command]
    return ['taskset', '-c', cpus, *command] if cpus else command


class Postgres:
    """A server with its defaults, fsync among them."""

    def __init__(self, args, folder):
        binaries = sorted(glob.glob('/usr/lib/postgresql/*/bin'))
        if not binaries:
            raise Failed('postgresql is not installed')
        self.bin = binaries[-1]
        self.data = os.path.join(folder, 'pg')
        # It refuses to be root.
        self.user = ['runuser', '-u', 'postgres', '--'] if os.getuid() == 0 else []
        os.makedirs(self.data)
        os.chmod(folder, 0o755)
        if self.user:
            shutil.chown(self.data, 'postgres')
        run([*self.user, f'{self.bin}/initdb', '-A', 'trust', '-U', 'sallyport', '-D', f'{self.data}/db'])
        scheduled = pinned(args, '', []) if args.realtime else []
        run([*scheduled, *self.user, f'{self.bin}/pg_ctl', '-w', '-l', f'{self.data}/log', '-D', f'{self.data}/db', '-o',
             f'-k {self.data} -h ""', 'start'])
        self.connection = f'host={self.data} user=sallyport dbname=sallyport'
        self.sql('postgres', 'CREATE DATABASE sallyport')

    def sql(self, database, text):
        return run([*self.user, f'{self.bin}/psql', '-At', '-h', self.data, '-U', 'sallyport', '-d', database,
                    '-c', text])

    def stop(self):
        run([*self.user, f'{self.bin}/pg_ctl', '-w', '-m', 'immediate', '-D', f'{self.data}/db', 'stop'])


def measure(args, folder, postgres):
    cluster = Cluster(folder)
    cluster.make_pki()
    server = cluster.server_config('credential_issuer')
    store = os.path.join(folder, 'issuer.db')
    audit = os.path.join(folder, 'audit.jsonl')
    config = {
        'server': server,
        'store': {'postgres': {'connection': postgres.connection}} if postgres else {'sqlite_file': store},
        'master_key_file': os.path.join(folder, 'master'),
        'max_issues_per_second': 1000000, 'max_issues_per_subject_minute': 1000000,
        'max_issues_per_caller_second': 1000000,
        'relays': [{'relay': f'relay-{i}', 'internet_uris': [f'turn:relay-{i}.test:3478?transport=udp']}
                   for i in range(4)],
    }
    if args.audit == 'file':
        config['audit_file'] = audit
    path = cluster.write_config('credential_issuer', config)
    process = Process('credential_issuer', pinned(args, args.cpu, [args.issuer, f'--config={path}']),
                      os.path.join(folder, 'issuer.log'))
    process.start()
    try:
        wait_until(lambda: os.path.exists(server['ready_file']), 'credential_issuer becomes ready', 30)
        values = json.loads(run(pinned(args, args.load_cpus, [
            args.load, f"--target={server['listen_address']}", f'--pki={cluster.pki}', *args.option,
        ])).splitlines()[-1])
        if postgres:
            records = int(postgres.sql('sallyport', 'SELECT COUNT(*) FROM audit'))
        elif args.audit == 'file':
            with open(audit, encoding='utf-8') as f:
                records = sum(1 for line in f if json.loads(line)['event'] == 'issue')
        else:
            process.stop()  # it has the file to itself
            with sqlite3.connect(store + '.audit') as db:
                records = db.execute('SELECT COUNT(*) FROM audit').fetchone()[0]
        if records != values['issued']:
            raise Failed(f"{values['issued']} issued, {records} in the audit")
        return values
    finally:
        process.stop()


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix='sallyport-bench-') as folder:
        postgres = None
        try:
            if args.audit == 'postgres':
                postgres = Postgres(args, folder)
            values = measure(args, os.path.join(folder, 'issuer'), postgres)
        except Failed as e:
            print(f'drive_credentials: {e}', file=sys.stderr)
            return 1
        finally:
            if postgres:
                postgres.stop()
    print(json.dumps(values))
    return 0


if __name__ == '__main__':
    sys.exit(main())
