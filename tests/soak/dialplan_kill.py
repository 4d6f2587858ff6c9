"""kill -9 of dialplan in the middle of writing, again and again.

Many clients write over gRPC, each to resources of its own; dialplan is killed
at a random moment; then its store is looked at as it lies on the disk, dialplan
is started again, and everything that was acknowledged must be there, what was
not answered whole or not at all. Fails at the first fault, and keeps the store.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time

from tests.harness.cluster import Cluster, find_binary
from tests.harness.process import Failed, Process, wait_until


def write_load():
    folder = os.environ.get('SALLYPORT_BIN')
    places = [os.path.join(folder, 'write_load')] if folder else []
    for place in places + ['services/dialplan/load/write_load', 'bazel-bin/services/dialplan/load/write_load']:
        if os.access(place, os.X_OK):
            return os.path.abspath(place)
    raise Failed('not built: bazel build //services/dialplan/load:write_load')


class Run:
    def __init__(self, folder, clients, rng):
        self.folder = folder
        self.clients = clients
        self.rng = rng
        self.cluster = Cluster(folder)
        self.cluster.make_pki()
        self.server = self.cluster.server_config('dialplan')
        self.server['listen_address'] = '127.0.0.1:0'
        self.server['metrics_address'] = '127.0.0.1:0'
        self.process = None
        self.target = ''
        self.store = ''
        self.totals = {'kills': 0, 'writes': 0, 'cut_off': 0, 'checked': 0, 'imports': 0}

    def fresh_store(self, number):
        self.store = os.path.join(self.folder, 'data', f'plan{number}.db')
        config = self.cluster.write_config(
            'dialplan', {'server': self.server, 'store': {'sqlite_file': self.store}})
        self.process = Process('dialplan', [find_binary('dialplan'), f'--config={config}'],
                               os.path.join(self.folder, 'log', 'dialplan.log'))

    def start(self):
        ready = self.server['ready_file']
        if os.path.exists(ready):
            os.unlink(ready)
        self.process.start()

        def bound():
            try:
                with open(ready, encoding='utf-8') as f:
                    return json.load(f)
            except (FileNotFoundError, ValueError):
                return None
        ports = self.process.wait_for(bound, 'dialplan becomes ready', 60)
        self.target = f'127.0.0.1:{ports["grpc"]}'

    def load(self, *arguments):
        return [write_load(), *arguments]

    def kill_once(self, number):
        """One kill under load; what was written meanwhile goes to a journal."""
        journal = os.path.join(self.folder, 'data', f'journal{number}')
        loader = subprocess.Popen(
            self.load('run', self.target, self.cluster.pki, f'--clients={self.clients}', '--seconds=60',
                      f'--journal={journal}', f'--prefix=r{number}'),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        log = self.store + '-wal'
        before = os.stat(log).st_mtime_ns if os.path.exists(log) else 0
        # Not before it writes: the store's log of this moment grows.
        wait_until(lambda: os.path.exists(log) and os.stat(log).st_mtime_ns != before
                   or loader.poll() is not None, 'writing begins', 20, 0.002)
        time.sleep(self.rng.uniform(0.05, 0.6))
        self.process.kill()
        out, errors = loader.communicate(timeout=90)
        if loader.returncode != 0:
            raise Failed(f'write_load: {errors.strip()}')
        figures = json.loads(out.splitlines()[-1])
        self.totals['kills'] += 1
        self.totals['writes'] += figures['writes']
        self.totals['cut_off'] += figures['clients_cut_off']
        return journal

    def look_at_store(self):
        """A copy of it, as the kill has left it."""
        copy = os.path.join(self.folder, 'data', 'copy.db')
        for ending in ('', '-wal'):
            shutil.copyfile(self.store + ending, copy + ending)
        database = sqlite3.connect(copy)
        try:
            faults = []

            def one(query):
                return database.execute(query).fetchone()[0]
            if one('PRAGMA integrity_check') != 'ok':
                faults.append('integrity_check')
            version = int(one("SELECT value FROM settings WHERE name = 'version'"))
            if one('SELECT count(*) FROM audit') != version or one('SELECT max(version) FROM audit') != version:
                faults.append(f'version {version} and the audit log differ')
            if one('SELECT max(version) FROM changes') != version:
                faults.append(f'version {version} and the log of changes differ')
            # Every resource is as its last audit record has it.
            last = ('SELECT resource, after_body FROM audit a JOIN '
                    '(SELECT max(version) v FROM audit GROUP BY resource) ON v = version '
                    "WHERE after_body <> ''")
            if one(f'SELECT count(*) FROM ({last}) JOIN resources ON name = resource '
                   'WHERE body = after_body') != one('SELECT count(*) FROM resources') \
                    or one(f'SELECT count(*) FROM ({last})') != one('SELECT count(*) FROM resources'):
                faults.append('resources and their audit records differ')
            if faults:
                raise Failed(f'{self.store}: {"; ".join(faults)}')
        finally:
            database.close()
            for ending in ('', '-wal', '-shm'):
                if os.path.exists(copy + ending):
                    os.unlink(copy + ending)

    def check(self, journal):
        done = subprocess.run(self.load('check', self.target, self.cluster.pki, f'--journal={journal}'),
                              capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise Failed(f'{journal}: {done.stderr.strip()[:2000]}')
        figures = json.loads(done.stdout.splitlines()[-1])
        self.totals['checked'] += figures['checked']
        self.totals['imports'] += figures['imports']


def run(folder, kills, clients=64, kills_per_store=20, seed=None, say=print):
    """The totals; Failed at the first fault."""
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    say(f'seed {seed}')
    it = Run(folder, clients, random.Random(seed))
    start = time.monotonic()
    try:
        for number in range(kills):
            if number % kills_per_store == 0:
                if it.process is not None:
                    it.process.stop()
                it.fresh_store(number)
                it.start()
                journals = []
            journals.append(it.kill_once(number))
            it.look_at_store()
            it.start()
            # What an earlier kill has spared, no later one may take.
            for journal in {journals[0], journals[-1]}:
                it.check(journal)
            if (number + 1) % 10 == 0:
                say(f'{number + 1} kills, {it.totals["writes"]} acknowledged writes, none lost, '
                    f'{time.monotonic() - start:.0f} s')
    finally:
        if it.process is not None:
            it.process.stop()
    it.totals['seconds'] = round(time.monotonic() - start)
    it.totals['lost'] = 0
    return it.totals


def main(argv):
    parser = argparse.ArgumentParser(prog='tools/soak dialplan_kill', description=__doc__)
    parser.add_argument('--kills', type=int, default=200)
    parser.add_argument('--clients', type=int, default=64)
    parser.add_argument('--seed', type=int)
    parser.add_argument('--folder', help='kept; default: a temporary one, kept on a fault')
    args = parser.parse_args(argv)
    folder = args.folder or tempfile.mkdtemp(prefix='sallyport_soak_')
    try:
        totals = run(folder, args.kills, args.clients, seed=args.seed)
    except Failed as error:
        print(f'FAILED: {error}\nkept: {folder}')
        return 1
    print(json.dumps(totals))
    if not args.folder:
        shutil.rmtree(folder)
    return 0
