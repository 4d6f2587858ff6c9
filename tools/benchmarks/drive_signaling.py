#!/usr/bin/env python3
"""Puts one SIP server under load on one core: our edge, with the plan, trust
and relay of real services beside it on other cores, Kamailio, or the least
that an edge can do (bare_edge: options and handshakes alone).

    tools/benchmarks/drive_signaling.py WORK sallyport|kamailio|bare --load=BINARY ...

WORK: options, calls, latency, register, handshakes, idle, flood. The last line
is one JSON object of numbers: what was done per_second, and per_core: per
second of processor time that all threads of the server took. loop_per_core
counts the thread that serves SIP alone: of calls that is without talking to
the relay, which Kamailio's calls have not either.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request

sys.path.insert(0, os.getcwd())

from tests.harness import configs, plans  # noqa: E402
from tests.harness.cluster import Cluster, DOMAIN, find_binary  # noqa: E402
from tests.harness.process import Failed, Process, wait_until  # noqa: E402
from tools.benchmarks.undisturbed import windows  # noqa: E402

PASSWORD = 'load-password'
USERS = 200
PREFIX = '8'
PAIRS = 3  # of windows, without a flood and beside it

KAMAILIO = '''
debug=0
log_stderror=yes
children=1
tcp_children=1
tcp_max_connections=32768
tcp_connection_lifetime=3605
tcp_accept_no_cl=no
auto_aliases=no
dns=no
rev_dns=no
enable_tls=yes
listen=udp:{host}:5060
listen=tcp:{host}:5060
listen=tls:{host}:5061
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "tls.so"
modparam("auth", "algorithm", "SHA-256")
modparam("usrloc", "db_mode", 0)
modparam("tls", "config", "{tls}")
request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
  if (is_method("REGISTER")) {{
    if (!pv_www_authenticate("$td", "{password}", "0")) {{ www_challenge("$td", "1"); exit; }}
    save("location", "0x04");
    exit;
  }}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
    sl_send_reply("404", "Not Here");
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  record_route();
  $du = "sip:{called}{parameter}";
  t_relay();
}}
'''

KAMAILIO_TLS = '''
[server:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {pki}/edge_sip.key
certificate = {pki}/edge_sip.pem
ca_list = {pki}/sip-ca.pem
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {pki}/edge_sip.key
certificate = {pki}/edge_sip.pem
ca_list = {pki}/sip-ca.pem
'''


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', choices=('options', 'calls', 'latency', 'register', 'handshakes', 'idle', 'flood'))
    parser.add_argument('system', choices=('sallyport', 'kamailio', 'bare'))
    parser.add_argument('--transport', default='udp', choices=('udp', 'tcp', 'tls'))
    parser.add_argument('--load', required=True, help='sip_load')
    parser.add_argument('--bare', default='', help='bare_edge, for that system')
    parser.add_argument('--binaries', nargs='*', default=[], help='of our services and the command line')
    parser.add_argument('--cpu', default='', help='core of the server; empty: any')
    parser.add_argument('--load_cpus', default='', help='cores of the load; empty: any')
    parser.add_argument('--seconds', type=float, help='2 of each window of latency, 4 of the others')
    parser.add_argument('--windows', type=int, default=5, help='for latency')
    parser.add_argument('--connections', type=int, default=15000, help='for idle')
    parser.add_argument('--flood', type=float, default=50000, help='messages of nobody a second')
    parser.add_argument('--flood_handshakes', type=float, default=0,
                        help='begun and left a second; 0: ten times as many as this edge completes')
    parser.add_argument('--loops', type=int, default=1, help='of our edge, each on a core of its own')
    args = parser.parse_args()
    if args.seconds is None:
        args.seconds = 2 if args.work == 'latency' else 4
    # The server's further cores are taken from the load's, if that has others.
    while args.cpu and args.cpu.count(',') + 1 < args.loops and ',' in args.load_cpus:
        more, _, args.load_cpus = args.load_cpus.partition(',')
        args.cpu += ',' + more
    # Where the services beside ours run.
    args.beside_cpus = args.load_cpus
    # Who sleeps is woken by what our edge sends, which on one machine the edge
    # pays for, and dearly on a machine in a machine: across a network it would
    # not. So the load and the edge have a core each and never sleep; nor does
    # the relay, on the cores of all that is beside them.
    args.awake = args.work == 'latency' and args.load_cpus.count(',') > 0 and bool(args.cpu)
    if args.awake:
        args.beside_cpus, _, args.load_cpus = args.load_cpus.rpartition(',')
    # Calls that share a core with what floods are begun late, and measure that.
    args.flood_cpu = ''
    if args.work == 'flood' and args.load_cpus.count(',') > 0 and args.cpu:
        args.load_cpus, _, args.flood_cpu = args.load_cpus.rpartition(',')
        args.beside_cpus = args.load_cpus
    return args


def before_others():
    """Where allowed, before all other sessions of this machine. Linux shares
    a processor out among sessions first (autogroups), so that niceness alone
    counts for nothing beside the compilers of another one."""
    try:
        os.setsid()
    except PermissionError:
        pass  # we lead a group already, and so have a session for ourselves or our shell's
    try:
        with open('/proc/self/autogroup', 'w', encoding='ascii') as f:
            f.write('-20')
    except OSError:
        pass  # not for us, or not with this kernel


def scheduled(cpus, command, first=False):
    """Kept to its cores and, where allowed, before others of this session.
    Not SCHED_FIFO: the threads of a server have to share their core."""
    if first and subprocess.run(['nice', '-n', '-20', 'true'], capture_output=True).stderr == b'':
        command = ['nice', '-n', '-20', *command]
    return ['taskset', '-c', cpus, *command] if cpus else command


def family(pid):
    """A process and its descendants."""
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as f:
        children = [int(word) for word in f.read().split()]
    return [pid] + [each for child in children for each in family(child)]


def counters(host):
    with urllib.request.urlopen(f'http://{host}:9464/metrics', timeout=10) as answer:
        text = answer.read().decode()
    found = {reason: float(value) for reason, value in re.findall(
        r'^sallyport_signaling_edge_refusals_total\{[^}]*reason="(\w+)"[^}]*\} (\S+)', text, re.M)}
    for name in ('rate_limited', 'malformed', 'challenges', 'datagrams_lost'):
        found[name] = sum(float(value) for value in re.findall(
            rf'^sallyport_signaling_edge_{name}_total(?:{{[^}}]*}})? (\S+)', text, re.M))
    return found


class Server:
    """What both servers have: addresses, and certificates of one PKI."""

    def __init__(self, args, folder):
        self.args = args
        self.cluster = Cluster(folder)
        self.cluster.make_pki()
        self.host = self.cluster.host('signaling_edge')
        self.clear = 'UDP' if args.transport == 'udp' else 'TCP'
        if args.transport == 'tls':
            self.called = f'{self.cluster.host("gateway")}:5061'
        else:
            self.called = f'{self.cluster.network}.22:5070'

    def address(self, number):
        return f'{self.cluster.network}.{number}'

    def wait_listening(self, port):
        def there():
            with socket.socket() as s:
                return s.connect_ex((self.host, port)) == 0
        wait_until(there, f'{self.args.system} listens', 20)


class Kamailio(Server):

    def __init__(self, args, folder):
        super().__init__(args, folder)
        program = shutil.which('kamailio')
        if not program:
            raise Failed('kamailio is not installed (packages kamailio, kamailio-tls-modules)')
        tls = self.cluster.path('conf', 'tls.cfg')
        with open(tls, 'w', encoding='utf-8') as f:
            f.write(KAMAILIO_TLS.format(pki=self.cluster.pki))
        config = self.cluster.path('conf', 'kamailio.cfg')
        parameter = '' if args.transport == 'udp' else ';transport=' + args.transport
        with open(config, 'w', encoding='utf-8') as f:
            f.write(KAMAILIO.format(host=self.host, tls=tls, called=self.called, parameter=parameter,
                                    password=PASSWORD))
        self.process = Process('kamailio', scheduled(args.cpu, [
            program, '-DD', '-E', '-f', config, '-m', '1024', '-M', '32',
            '-P', self.cluster.path('kamailio.pid')], True), self.cluster.path('log', 'kamailio.log'))
        self.process.start()
        self.wait_listening(5061)
        wait_until(lambda: len(self.pids()) >= 7, 'kamailio has its processes', 10)

    def pids(self):
        return family(self.process.pid)

    def stop(self):
        self.process.stop()


class Bare(Server):

    def __init__(self, args, folder):
        super().__init__(args, folder)
        self.process = Process('bare_edge', scheduled(args.cpu, [
            args.bare, f'--host={self.host}', f'--certificate={self.cluster.pki}/edge_sip.pem',
            f'--key={self.cluster.pki}/edge_sip.key', f'--ca={self.cluster.pki}/sip-ca.pem'], True),
            self.cluster.path('log', 'bare_edge.log'))
        self.process.start()
        self.wait_listening(5061)

    def pids(self):
        return [self.process.pid]

    def stop(self):
        self.process.stop()


class Sallyport(Server):

    def __init__(self, args, folder):
        super().__init__(args, folder)
        binaries = os.path.join(folder, 'bin')
        os.makedirs(binaries)
        for binary in args.binaries:
            os.symlink(os.path.abspath(binary), os.path.join(binaries, os.path.basename(binary)))
        os.environ['SALLYPORT_BIN'] = binaries
        configs.write_all(self.cluster, unlimited=True)
        edge = configs.read(self.cluster, 'signaling_edge')
        edge['loops'] = args.loops
        edge['limits'].update(max_connections=20_000, max_connections_per_source=20_000, max_calls=100_000,
                              max_transactions=2_000_000, history_entries=1000)
        if args.work == 'flood':  # this is about the limits that are there
            del edge['limits']['requests_per_second_per_source']
            del edge['limits']['connections_per_second_per_source']
            del edge['limits']['overload_lag']
        del edge['call_record_file']
        if args.awake:
            edge['busy_poll'] = '1s'
        self.cluster.write_config('signaling_edge', edge)
        # Calls that end at once would wait for ports to rest, not for the edge.
        relay = configs.read(self.cluster, 'media_relay')
        relay['port_quarantine'] = '0.001s'
        if args.awake:
            relay['session_listener']['busy_poll'] = '1s'
        self.cluster.write_config('media_relay', relay)
        others = [name for name in ('dialplan', 'capf', 'credential_issuer', 'media_relay')]
        for name in others:
            self.start(name, args.beside_cpus)
        self.start('signaling_edge', args.cpu)
        self.provision()

    def start(self, name, cpus):
        self.cluster.processes[name] = Process(
            name, scheduled(cpus, [find_binary(name), '--config=' + self.cluster.path('conf', name + '.json')],
                            True), self.cluster.path('log', name + '.log'))
        self.cluster.start_service(name)

    def provision(self):
        users = range(USERS) if self.args.work == 'register' else ()
        plans.apply(self.cluster, 'load', plans.manifest(
            plans.tenant(DOMAIN), plans.CLEAR, plans.GATEWAY, plans.caller(self.address(21), self.clear, calls=False),
            plans.called(self.address(22), self.clear), plans.tls_peer('gateway', f'gw.{DOMAIN}'),
            plans.tls_peer('other', 'somebody.else.test', 'IP_PBX', calls=False),
            plans.route('load', PREFIX, 'gateway' if self.args.transport == 'tls' else 'called'),
            plans.trusted('CallManager-trust', 'sip-ca', f'{self.cluster.pki}/sip-ca.pem'),
            *(plans.user(f'u{i:08}', DOMAIN, PASSWORD, number=f'5{i:03}',
                         digest_algorithm='DIGEST_ALGORITHM_SHA_256', max_contacts=50)
              for i in users)), timeout=120)

        def in_force():
            status = self.cluster.cli('get', 'status', '-o', 'json')
            return (status.get('signaling_edge', {}).get('snapshotVersion')
                    == status.get('dialplan', {}).get('configuredVersion') is not None)
        wait_until(in_force, 'the edge takes over the plan', 20)
        if self.args.transport == 'tls':
            wait_until(lambda: self.handshake(), 'the edge trusts the gateway', 20, pause=0.3)

    def handshake(self):
        done = subprocess.run(
            ['openssl', 's_client', '-connect', f'{self.host}:5061', '-cert', f'{self.cluster.pki}/gateway.pem',
             '-key', f'{self.cluster.pki}/gateway.key', '-quiet', '-no_ign_eof'],
            input='OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\n'
            'To: <sip:a@b>\r\nCall-ID: warm\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n',
            capture_output=True, text=True, timeout=10)
        return done.returncode == 0 and 'verify' in done.stderr and 'alert' not in done.stderr

    def refusals(self):
        """How many, by reason; and what was not even read."""
        return counters(self.host)

    def pids(self):
        return [self.cluster.processes['signaling_edge'].pid]

    def stop(self):
        self.cluster.stop()


def load(server, *options):
    args = server.args
    port = 5061 if args.transport == 'tls' else 5060
    command = [args.load, f'--transport={args.transport}', f'--target={server.host}:{port}',
               f'--pids={",".join(map(str, server.pids()))}', f'--certificate={server.cluster.pki}/wrong_name.pem',
               f'--key={server.cluster.pki}/wrong_name.key', f'--called_certificate={server.cluster.pki}/gateway.pem',
               f'--called_key={server.cluster.pki}/gateway.key', f'--called={server.called}', f'--domain={DOMAIN}',
               f'--password={PASSWORD}', f'--users={USERS}', f'--prefix={PREFIX}',
               f'--flood_target={server.host}:5060', f'--tls_target={server.host}:5061', f'--seconds={args.seconds}',
               *options]
    try:
        done = subprocess.run(scheduled(args.load_cpus, command, True), capture_output=True, text=True, timeout=240)
    except subprocess.TimeoutExpired as error:
        raise Failed('the load did not end') from error
    if done.returncode != 0:
        raise Failed((done.stderr or 'the load failed').strip().splitlines()[-1])
    if done.stderr:
        print(done.stderr.strip(), file=sys.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def spread(server, count):
    return '--sources=' + ','.join(f'{server.address(30 + i)}:0' for i in range(count))


def measure(server):
    args = server.args
    threads = max(1, len(args.load_cpus.split(',')))
    caller = f'--sources={server.address(21)}:5065'
    if args.work == 'options':
        result = load(server, '--work=options', spread(server, 8 * args.loops), '--window=256',
                      f'--threads={min(2, threads)}')
    elif args.work == 'register':
        result = load(server, '--work=register', spread(server, 8), '--window=64')
    elif args.work == 'handshakes':
        result = handshakes(server)
    elif args.work == 'idle':
        return load(server, '--work=idle', spread(server, 8), f'--window={args.connections}')
    elif args.work == 'calls':
        result = load(server, '--work=calls', caller, '--window=64')
    else:  # at a share of what a core does, whatever the machine
        awake = ('--busy_poll=true',) if args.awake else ()
        if args.work == 'flood':
            full = load(server, '--work=calls', caller, '--window=64', *awake)['per_second']
            return floods(server, caller, min(200.0, full * 0.1))
        result = latency(server, ('--work=calls', caller, *awake))
    done = result['per_second'] * args.seconds
    if done < 100:
        raise Failed(f'nothing comes through: {result}')
    if result['failed'] > done * 0.001:
        raise Failed(f"{result['failed']:.0f} failed beside {done:.0f}")
    return result


def latency(server, calls):
    """At 70 % of what it completes just then, which changes from one second to
    the next on a machine that others share. No window's failures are left out."""
    args = server.args
    best, seen, disturbed = windows(lambda: load(server, *calls, '--window=64')['per_second'],
                                    lambda full: load(server, *calls, f'--rate={full * 0.7:.0f}'),
                                    args.windows, 5 * args.windows)
    result = {key: statistics.median(each[key] for each in best) for key in best[0]}
    return {**result, 'p99_of_all_ms': statistics.median(each['p99_ms'] for each in seen),
            'failed': sum(each['failed'] for each in seen) / len(seen), 'disturbed': disturbed}


def handshakes(server):
    threads = max(1, len(server.args.load_cpus.split(',')))
    return load(server, '--work=handshakes', spread(server, 8), f'--window={16 * threads}', f'--threads={threads}')


def completed_handshakes(args, folder):
    """Of an edge without limits, a second: the one that is flooded keeps its limits."""
    args = argparse.Namespace(**vars(args))
    args.work = 'handshakes'
    if args.flood_cpu:
        args.load_cpus += ',' + args.flood_cpu
    server = Sallyport(args, folder)
    try:
        return handshakes(server)['per_second']
    finally:
        server.stop()


def floods(server, caller, rate):
    """The same calls without a flood and beside each kind of it, in turns, as the host's stalls are longer than what is
    measured: medians of PAIRS windows each."""
    args = server.args
    calls = ('--work=calls', caller, f'--rate={rate:.0f}') + (
        (f'--flood_cpu={args.flood_cpu}',) if args.flood_cpu else ())
    lost, result = 0, {'p99_times_idle': 0.0}
    # Each source within its limit, so that all is read: overload control's work;
    # a few beyond theirs; a single one; and connections.
    for name, options in (('million', (f'--flood={args.flood}', '--flood_sources=1000000')),
                          ('many', (f'--flood={args.flood}', '--flood_sources=200')),
                          ('one', (f'--flood={args.flood}', '--flood_sources=1')),
                          ('handshakes', (f'--flood_handshakes={args.flood_handshakes}', '--flood_sources=10000'))):
        before = server.refusals()
        pairs = [(load(server, *calls), load(server, *calls, *options)) for _ in range(PAIRS)]
        after = server.refusals()
        lost += sum(one['failed'] for pair in pairs for one in pair)
        idle, seen = ({key: statistics.median(one[key] for one in side) for key in side[0]
                       if isinstance(side[0][key], (int, float))} for side in zip(*pairs))
        times = seen['p99_ms'] / max(idle['p99_ms'], 1e-3)
        result[f'{name}_idle_p99_ms'] = idle['p99_ms']
        result[f'{name}_p99_times_idle'] = times
        result['p99_times_idle'] = max(result['p99_times_idle'], times)
        result.update({f'{name}_{key}': seen[key] for key in (
            'p99_ms', 'late_p99_ms', 'flood_per_second', 'flood_answers', 'flood_busy', 'handshakes_per_second',
            'handshakes_answered_per_second')})
        acted = {reason: after[reason] - before.get(reason, 0) for reason in after}
        print(f'{name}: ' + ', '.join(f'{reason} {count:.0f}' for reason, count in sorted(acted.items()) if count),
              file=sys.stderr)
        rate_of, wanted = (('handshakes_per_second', args.flood_handshakes) if name == 'handshakes' else
                           ('flood_per_second', args.flood))
        if seen[rate_of] < 0.9 * wanted:
            raise Failed(f'{name}: only {seen[rate_of]:.0f} a second came')
    result['lost_calls'] = lost
    result['flood_per_second'] = result['many_flood_per_second']
    result['handshakes_per_second'] = result['handshakes_handshakes_per_second']
    return result


def main():
    args = arguments()
    before_others()
    with tempfile.TemporaryDirectory(prefix='sallyport-bench-') as folder:
        server = None
        try:
            if args.work == 'flood' and not args.flood_handshakes:
                args.flood_handshakes = 10 * completed_handshakes(args, os.path.join(folder, 'before'))
            system = {'kamailio': Kamailio, 'bare': Bare, 'sallyport': Sallyport}[args.system]
            server = system(args, os.path.join(folder, 'run'))
            values = measure(server)
        except Failed as e:
            print(f'drive_signaling: {e}', file=sys.stderr)
            return 1
        finally:
            if server:
                server.stop()
    print(json.dumps(values))
    return 0


if __name__ == '__main__':
    sys.exit(main())
