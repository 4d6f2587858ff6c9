"""The five services on one machine, each on a loopback address of its own.

Everything is on its standard port: a cluster takes a free 127.x.y.0/24, so
that several can run side by side. The PKI is made per cluster and thrown away.
"""

import json
import os
import random
import socket
import subprocess

from tests.harness.process import Failed, Process, wait_until

SERVICES = ('dialplan', 'capf', 'credential_issuer', 'media_relay', 'signaling_edge')
GRPC_PORTS = {'dialplan': 7001, 'signaling_edge': 7002, 'media_relay': 7003,
              'credential_issuer': 7004, 'capf': 7005}
HOSTS = {'signaling_edge': 1, 'gateway': 2, 'phone': 3, 'media_relay': 4,
         'dialplan': 5, 'credential_issuer': 6, 'capf': 7}
TRUST_DOMAIN = 'demo.sallyport.test'
DOMAIN = 'demo.sallyport.test'
EDGE_NAME = 'edge.demo.sallyport.test'


def find_binary(name):
    """A program of ours: from $SALLYPORT_BIN, or from Bazel's output."""
    relative = 'tools/cli/sallyport' if name == 'sallyport' else f'services/{name}/{name}'
    folder = os.environ.get('SALLYPORT_BIN')
    places = [os.path.join(folder, name)] if folder else []
    places += [relative, os.path.join('bazel-bin', relative)]
    for place in places:
        if os.path.isfile(place) and os.access(place, os.X_OK):
            return os.path.abspath(place)
    raise Failed(f'{name} is not built: bazel build //{os.path.dirname(relative)}:{name}')


def free_network():
    """A /24 of the loopback network in which nobody listens on 5061."""
    rng = random.SystemRandom()
    for _ in range(50):
        network = f'127.{rng.randint(20, 250)}.{rng.randint(1, 250)}'
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
                s.bind((f'{network}.{HOSTS["signaling_edge"]}', 5061))
            return network
        except OSError:
            continue
    raise Failed('no free loopback network')


class Cluster:
    """Makes the PKI and the configuration, starts and stops the services."""

    def __init__(self, folder, network=None):
        self.folder = os.path.abspath(folder)
        self.network = network or free_network()
        self.pki = os.path.join(self.folder, 'pki')
        self.processes = {}
        for name in ('conf', 'log', 'data', 'ready'):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)

    def host(self, name):
        return f'{self.network}.{HOSTS[name]}'

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def make_pki(self):
        done = subprocess.run(['tools/dev/mint_dev_certs', self.pki], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f'mint_dev_certs: {(done.stderr or done.stdout).strip()}')

    def server_config(self, name):
        return {
            'listen_address': f'{self.host(name)}:{GRPC_PORTS[name]}',
            'tls': {'certificate_file': f'{self.pki}/{name}.pem',
                    'key_file': f'{self.pki}/{name}.key',
                    'ca_file': f'{self.pki}/ca.pem'},
            'trust_domain': TRUST_DOMAIN,
            'role_bindings': [{'identity': f'spiffe://{TRUST_DOMAIN}/operator/demo',
                               'role': 'ROLE_ADMIN', 'tenants': ['*']}],
            'metrics_address': f'{self.host(name)}:9464',
            'ready_file': self.path('ready', name + '.json'),
            'drain_timeout': '5s',
            'instance_id': name + '-0',
            'tls_refresh_interval': '1s',
        }

    def client_config(self, name):
        return {'target': f'{self.host(name)}:{GRPC_PORTS[name]}', 'max_backoff': '1s'}

    def write_config(self, name, config):
        path = self.path('conf', name + '.json')
        with open(path, 'w', encoding='utf-8') as f:
            json.dump(config, f, indent=2)
        return path

    def start_service(self, name, timeout=20.0):
        """Starts (or starts again) one service and waits until it is ready."""
        ready = self.path('ready', name + '.json')
        if os.path.exists(ready):
            os.unlink(ready)
        process = self.processes.get(name)
        if process is None:
            process = Process(name, [find_binary(name), '--config=' + self.path('conf', name + '.json')],
                              self.path('log', name + '.log'))
            self.processes[name] = process
        process.start()

        def bound():
            try:
                with open(ready, encoding='utf-8') as f:
                    return json.load(f)
            except (FileNotFoundError, ValueError):
                return None
        return process.wait_for(bound, f'{name} becomes ready', timeout)

    def cli(self, *arguments, check=True, timeout=30, stdin=None):
        """Runs `sallyport ... -o json`; the parsed answer, or text if not JSON."""
        command = [find_binary('sallyport'), '--config', self.path('conf', 'cli.json'),
                   *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, input=stdin)
        except subprocess.TimeoutExpired as error:
            raise Failed(f'sallyport {" ".join(map(str, arguments))}: no answer in {timeout} s') from error
        if check and done.returncode != 0:
            raise Failed(f'sallyport {" ".join(map(str, arguments))}: '
                         f'{(done.stderr or done.stdout).strip()}')
        if not check:
            return done
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def items(self, kind, *options):
        """What `sallyport <kind>` lists, as the API's JSON."""
        return self._list(self.cli(kind, *options, '-o', 'json'))

    def items_of(self, collection):
        """What `sallyport get <collection>` lists, as the API's JSON."""
        return self._list(self.cli('get', collection, '-o', 'json'))

    @staticmethod
    def _list(answer):
        if isinstance(answer, dict):
            lists = [v for v in answer.values() if isinstance(v, list)]
            return lists[0] if lists else []
        return answer or []

    def log_lines(self, name):
        """The JSON lines of a service's log."""
        lines = []
        for line in self.processes[name].text().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return lines

    def kill(self, name):
        self.processes[name].kill()

    def stop(self):
        """Ends everything, newest first; returns the exit codes."""
        codes = {}
        for name in reversed(SERVICES):
            if name in self.processes:
                codes[name] = self.processes[name].stop()
        return codes

    def wait_for(self, condition, what, timeout=20.0):
        return wait_until(condition, what, timeout)
