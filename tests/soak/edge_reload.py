"""Plans, certificates and trust change under calls; nothing may be dropped.

An edge serves calls over TCP and mutual TLS, some of them held all the time,
while dialplan sends it one plan after the other, its own certificate is
replaced, and trust anchors come and go. Every call must end well, every
connection must stay, and in all those changes memory must not grow by more than
1 %; others before them fill what is of bounded size (the heap's caches of each
thread, the memory of past calls).
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import threading
import time

from tests.harness import configs, plans
from tests.harness.cluster import DOMAIN, EDGE_NAME, SERVICES, Cluster
from tests.harness.demo import Demo
from tests.harness.process import Failed, wait_until
from tests.harness.spray import Called, Caller, Pool

MOST_GROWN = 0.01
PEER = 'tenants/default/peers/called'


class Load(threading.Thread):
    """Calls without end, and calls that are held; `wrong` says what failed."""

    def __init__(self, cluster, at_once, held, pause):
        super().__init__(daemon=True)
        self.cluster, self.at_once, self.held, self.pause = cluster, at_once, held, pause
        self.ending = threading.Event()
        self.running = threading.Event()
        self.done, self.wrong, self.lost, self.connections = 0, [], 0, 0

    def run(self):
        try:
            asyncio.run(self.work())
        except Exception as error:  # told by finish()
            self.wrong.append(repr(error))
            self.running.set()

    async def work(self):
        network = self.cluster.network
        edge = self.cluster.host('signaling_edge')
        tls = ssl.create_default_context(cafile=f'{self.cluster.pki}/sip-ca.pem')
        tls.load_cert_chain(f'{self.cluster.pki}/gateway.pem', f'{self.cluster.pki}/gateway.key')
        called = Called(f'{network}.22', 5070, lambda on: Pool((edge, 5060), f'{network}.22', on))
        await called.start()
        callers = [Caller(f'{network}.21', lambda on: Pool((edge, 5060), f'{network}.21', on), DOMAIN),
                   Caller(f'{network}.23', lambda on: Pool((edge, 5061), f'{network}.23', on, tls), DOMAIN, 'TLS')]
        pools = [called.pool] + [caller.pool for caller in callers]
        for pool in pools:
            await pool.open(20)
        self.connections = sum(len(pool.writers) for pool in pools)
        held = [asyncio.ensure_future(self.hold(caller)) for caller in callers for _ in range(self.held)]
        await asyncio.sleep(1)
        self.running.set()
        await asyncio.gather(*(self.again(caller, i) for caller in callers for i in range(self.at_once)))
        for outcome in await asyncio.gather(*held):
            self.note(outcome)
        self.lost = sum(pool.lost for pool in pools)
        called.close()
        for caller in callers:
            caller.pool.close()
        await asyncio.sleep(0.1)

    def note(self, outcome):
        self.done += 1
        if outcome:
            self.wrong.append(outcome)

    async def hold(self, caller):
        """One call that lasts until the end; its INFO and BYE must arrive."""
        async def until_the_end():
            while not self.ending.is_set():
                await asyncio.sleep(0.2)
        return await caller.call('85550000', until_the_end)

    async def again(self, caller, number):
        while not self.ending.is_set():
            self.note(await caller.call(f'8555{number:04d}{"1234567895"[self.done % 10]}'))
            await asyncio.sleep(self.pause)

    def finish(self):
        self.ending.set()
        self.join(60)
        if self.wrong or self.lost:
            raise Failed(f'{len(self.wrong)} of {self.done} calls failed, {self.lost} of {self.connections} '
                         f'connections were lost: {self.wrong[:5]}')


class Run:
    def __init__(self, folder):
        self.cluster = Cluster(folder)
        self.demo = Demo(self.cluster)
        self.made = {'plan': 0, 'certificate': 0, 'trust': 0}
        self.ending = threading.Event()
        self.faults = []

    def start(self):
        cluster = self.cluster
        cluster.make_pki()
        self.make_certificates()
        configs.write_all(cluster, unlimited=True)
        conf = configs.read(cluster, 'signaling_edge')
        conf['server']['tls_refresh_interval'] = '0.05s'
        conf['sip_tls'] = {'certificate_file': self.own, 'key_file': self.own}
        # What is kept of the past is full soon.
        conf['limits'].update(history_entries=200)
        conf['call_trace'] = {'max_bytes': 1 << 20}
        cluster.write_config('signaling_edge', conf)
        for service in SERVICES:
            cluster.start_service(service)
        self.demo.provision()
        plans.apply(cluster, 'reload', plans.manifest(
            plans.two_peers(f'{cluster.network}.21', f'{cluster.network}.22', 'TCP'), plans.GATEWAY))
        self.demo.wait_snapshot()

    def make_certificates(self):
        """An authority of our own in the place of the one that was thrown away,
        and two certificates of the edge to go to and fro between."""
        pki = self.cluster.pki

        def openssl(*arguments):
            subprocess.run(['openssl', *arguments], check=True, capture_output=True)

        def root(name):
            openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-sha256',
                    '-days', '2', '-subj', f'/CN={name}', '-keyout', f'{pki}/{name}.key', '-out', f'{pki}/{name}.pem',
                    '-addext', 'keyUsage=critical,keyCertSign,cRLSign')

        def leaf(name, dns):
            with open(f'{pki}/{name}.ext', 'w', encoding='utf-8') as f:
                f.write(f'subjectAltName=DNS:{dns}\nextendedKeyUsage=serverAuth,clientAuth\n')
            openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj',
                    f'/CN={name}', '-keyout', f'{pki}/{name}.key', '-out', f'{pki}/{name}.csr')
            openssl('x509', '-req', '-in', f'{pki}/{name}.csr', '-CA', f'{pki}/sip-ca.pem', '-CAkey',
                    f'{pki}/sip-ca.key', '-days', '2', '-extfile', f'{pki}/{name}.ext', '-out', f'{pki}/{name}.pem')

        root('sip-ca')
        root('extra')
        leaf('gateway', f'gw.{DOMAIN}')
        self.own = f'{pki}/edge_own.pem'
        self.pairs = []
        for name in ('edge_a', 'edge_b'):
            leaf(name, EDGE_NAME)
            with open(f'{pki}/{name}.pem', encoding='ascii') as c, open(f'{pki}/{name}.key', encoding='ascii') as k:
                self.pairs.append(c.read() + k.read())
        self.put_certificate(0)

    def put_certificate(self, number):
        """Certificate and key in one file, in one step; no two look alike."""
        with open(self.own + '.new', 'w', encoding='ascii') as f:
            f.write(self.pairs[number % 2] + '\n' * (number % 97))
        os.replace(self.own + '.new', self.own)

    # ------------------------------------------------------------- changes

    def edge(self):
        return self.cluster.processes['signaling_edge']

    def in_force(self):
        """Changes that the edge says are in force; its log grows only."""
        if not hasattr(self, 'log'):
            self.log = open(self.edge().log, 'rb')
            self.counts = {'plan': 0, 'certificate': 0, 'trust': 0}
        for line in self.log:
            if b'a plan is in force' in line:
                self.counts['plan'] += 1
            elif b'our certificates were read again' in line:
                self.counts['certificate'] += 1
        self.counts['trust'] = self.made['trust']
        return sum(self.counts.values())

    def changing(self, what):
        """Runs `what` with 1, 2, 3... until the end, in a thread of its own."""
        def loop():
            number = 0
            try:
                while not self.ending.is_set():
                    number += 1
                    what(number)
            except Exception as error:  # told by run()
                self.faults.append(repr(error))
                self.ending.set()
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        return thread

    def change_plan(self, number):
        self.writer.stdin.write(f'{number}\n')
        self.writer.stdin.flush()
        if self.writer.stdout.readline() != 'ok\n':
            raise Failed('plan_writer ended')
        self.made['plan'] += 1

    def change_certificate(self, number):
        self.put_certificate(number)
        self.made['certificate'] += 1
        time.sleep(0.06)

    def change_trust(self, number):
        if number % 2:
            added = self.cluster.cli('trust', 'add', 'CallManager-trust', f'{self.cluster.pki}/extra.pem', '-o', 'json')
            self.extra = re.search(r'tenants/[^"]*?/certificates/[0-9a-f]+', str(added)).group(0)
        else:
            self.cluster.cli('trust', 'remove', self.extra)
        self.made['trust'] += 1
        time.sleep(0.5)

    def shown_certificate(self):
        """The serial number that a client sees now."""
        done = subprocess.run(
            f'openssl s_client -connect {self.cluster.host("signaling_edge")}:5061 -cert {self.cluster.pki}/gateway.pem '
            f'-key {self.cluster.pki}/gateway.key </dev/null 2>/dev/null | openssl x509 -noout -serial',
            shell=True, capture_output=True, text=True)
        return done.stdout.strip()

    def change(self, count, warm, say):
        self.writer = subprocess.Popen(
            ['/usr/bin/python3', 'tests/soak/plan_writer.py', f'{self.cluster.host("dialplan")}:7001',
             self.cluster.pki, PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first, seen = self.in_force(), set()
        threads = [self.changing(each) for each in (self.change_plan, self.change_certificate, self.change_trust)]
        begun, base, told = time.monotonic(), 0, 0
        try:
            while (done := self.in_force() - first) < warm + count and not self.ending.is_set():
                if not base and done >= warm:
                    base = self.edge().resident_bytes()
                if len(seen) < 2:
                    seen = (seen | {self.shown_certificate()}) - {''}
                if done - told >= count / 10:
                    told = done
                    say(f'{done} changes in {time.monotonic() - begun:.0f} s, '
                        f'{self.edge().resident_bytes() / 1e6:.1f} MB')
                if time.monotonic() - begun > 60 + warm + count:
                    raise Failed(f'{done} changes in {60 + warm + count} s')
                time.sleep(0.1)
        finally:
            self.ending.set()
            for thread in threads:
                thread.join(30)
            self.writer.stdin.close()
            self.writer.wait(10)
        if self.faults:
            raise Failed('; '.join(self.faults))
        return {'changes': done, 'warm': warm, **self.counts, 'seconds': round(time.monotonic() - begun, 1),
                'certificates_seen': len(seen), 'base': base, 'end': self.edge().resident_bytes()}


def run(folder, reloads, warm, at_once=3, held=20, pause=0.3, say=print, most_grown=MOST_GROWN):
    """The figures; Failed at the first fault. More than some 40 calls a second
    use up the ports of one relay, which rest after each call."""
    it = Run(folder)
    try:
        it.start()
        load = Load(it.cluster, at_once, held, pause)
        load.start()
        load.running.wait(30)
        figures = it.change(reloads, warm, say)
        load.finish()
        wait_until(lambda: not [c for c in it.cluster.items('calls') if c.get('state') != 'CALL_STATE_ENDED'],
                   'no call is left', 10)
        figures.update(calls=load.done, held=2 * held, connections=load.connections, failed=0, lost=0)
        figures['grown'] = round(figures['end'] / figures['base'] - 1, 5)
        if figures['grown'] > most_grown:
            raise Failed(f'memory has grown by {figures["grown"]:.2%}: {figures}')
        return figures
    finally:
        it.ending.set()
        it.demo.stop()


def main(argv):
    parser = argparse.ArgumentParser(prog='tools/soak edge_reload', description=__doc__)
    parser.add_argument('--reloads', type=int, default=10_000)
    parser.add_argument('--warm', type=int, default=5_000, help='changes before those')
    parser.add_argument('--calls', type=int, default=3, help='at once, over TCP and over TLS each')
    parser.add_argument('--held', type=int, default=20, help='calls that last all the time, likewise')
    parser.add_argument('--folder', help='kept; default: a temporary one, kept on a fault')
    args = parser.parse_args(argv)
    folder = args.folder or tempfile.mkdtemp(prefix='sallyport_soak_')
    try:
        figures = run(folder, args.reloads, args.warm, args.calls, args.held)
    except Failed as error:
        print(f'FAILED: {error}\nkept: {folder}')
        return 1
    print(json.dumps(figures))
    if not args.folder:
        shutil.rmtree(folder)
    return 0
