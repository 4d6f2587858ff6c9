#!/usr/bin/env python3
"""The chart's network policies against what the services listen on: each one
runs by the configuration that the chart renders, in a network of its own, and
its policy lets in exactly its ports (AVE-35).
"""

import os
import subprocess
import sys
import tempfile
import time
import unittest

import yaml

sys.path.insert(0, os.getcwd())

from tests.harness import helm  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import SERVICES, TRUST_DOMAIN, find_binary  # noqa: E402
from tests.harness.process import Process  # noqa: E402

ADDRESS = '10.88.0.1'
LISTEN = {'tcp': '0A', 'udp': '07'}  # of /proc/net: listening; not connected
# As a pod runs it: without capabilities, and with all ports open to it.
POD = (f'ip link set lo up; ip addr add {ADDRESS}/32 dev lo;'
       ' echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start;'
       ' exec setpriv --bounding-set -all --inh-caps -all --no-new-privs "$0" "$@"')


def values(pki, everything):
    """What an operator has to say, and with `everything` all that listens."""
    edge = [{'protocol': 'LISTENER_PROTOCOL_SIP_TLS', 'advertisedAddress': ADDRESS}]
    relay = {}
    capf = {}
    if everything:
        edge += [{'protocol': f'LISTENER_PROTOCOL_{kind}', 'advertisedAddress': ADDRESS}
                 for kind in ('SIP_UDP', 'SIP_TCP', 'SCCP_TLS', 'SCCP_TCP')]
        edge.append({'protocol': 'LISTENER_PROTOCOL_SIP_TLS', 'port': 15061,
                     'advertisedAddress': ADDRESS})
        relay |= {'external': {'addresses': [ADDRESS]},
                  'turnTls': {'certificateFile': f'{pki}/edge_sip.pem', 'keyFile': f'{pki}/edge_sip.key'},
                  'turnDtls': True, 'turnTlsSecondPort': 5349, 'stunTcpPort': 3479,
                  'relayPortMin': 51000, 'relayPortMax': 51999}
        capf = {'tftpAddress': '0.0.0.0:69', 'phoneHttpAddress': '0.0.0.0:6970', 'tvsAddress': '0.0.0.0:2445',
                'crlUrl': 'http://crl.example.test', 'crlHttpAddress': '0.0.0.0:8080',
                'trustLists': {'host': 'capf.example.test'}}
    return {'trustDomain': TRUST_DOMAIN,
            'services': {'signalingEdge': {'config': {'listeners': edge}},
                         'mediaRelay': {'config': relay}, 'capf': {'config': capf}}}


def render(folder, chosen):
    """The chart's documents, by kind and name."""
    path = os.path.join(folder, 'values.yaml')
    with open(path, 'w', encoding='utf-8') as f:
        yaml.safe_dump(chosen, f)
    done = helm.template('-f', path)
    done.check_returncode()
    return {(d['kind'], d['metadata']['name']): d for d in yaml.safe_load_all(done.stdout) if d}


def let_in(documents, name):
    """Single ports and ranges that the policy of `name` lets anybody reach."""
    container = documents['StatefulSet', name]['spec']['template']['spec']['containers'][0]
    named = {p['name']: (p.get('protocol', 'TCP').lower(), p['containerPort']) for p in container['ports']}
    single, ranges = set(), set()
    for rule in documents['NetworkPolicy', name]['spec']['ingress']:
        for port in rule['ports']:
            if 'endPort' in port:
                ranges.add((port['protocol'].lower(), port['port'], port['endPort']))
            elif isinstance(port['port'], str):
                single.add(named[port['port']])
            else:
                single.add((port.get('protocol', 'TCP').lower(), port['port']))
    return single, ranges


def listens_on(pid):
    """What sockets of the network that `pid` is in others can reach."""
    found = set()
    for protocol, wanted in LISTEN.items():
        for family in ('', '6'):
            with open(f'/proc/{pid}/net/{protocol}{family}', encoding='ascii') as f:
                for line in f.readlines()[1:]:
                    _, local, _, state = line.split()[:4]
                    if state == wanted:
                        found.add((protocol, int(local.rpartition(':')[2], 16)))
    return found


class ChartPortsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        cls.pki = os.path.join(cls.folder, 'pki')
        subprocess.run(['tools/dev/mint_dev_certs', cls.pki], check=True, capture_output=True)
        with open(os.open(f'{cls.pki}/passphrase', os.O_CREAT | os.O_WRONLY, 0o600), 'w', encoding='ascii') as f:
            f.write('of the keys of capf\n')
        # As Kubernetes tells a pod that has its node's network.
        os.environ['SALLYPORT_NODE_IPS'] = ADDRESS

    def start(self, name, config):
        """The service by its rendered configuration, in a network of its own."""
        data = tempfile.mkdtemp(dir=self.folder)
        os.makedirs(os.path.join(data, 'keys'))
        for there, here in (('/etc/sallyport/tls/tls.crt', f'{self.pki}/{name}.pem'),
                            ('/etc/sallyport/tls/tls.key', f'{self.pki}/{name}.key'),
                            ('/etc/sallyport/tls/ca.crt', f'{self.pki}/ca.pem'),
                            ('/etc/sallyport/passphrase/passphrase', f'{self.pki}/passphrase'),
                            ('/etc/sallyport/sip-tls/tls.crt', f'{self.pki}/edge_sip.pem'),
                            ('/etc/sallyport/sip-tls/tls.key', f'{self.pki}/edge_sip.key'),
                            ('/var/lib/sallyport', data)):
            config = config.replace(there, here)
        path = os.path.join(data, 'config.json')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(config)
        process = Process(name, ['unshare', '--net', 'sh', '-c', POD, find_binary(name), f'--config={path}'],
                          os.path.join(data, 'log'))
        process.start()
        self.addCleanup(process.kill)
        return process

    def check(self, everything):
        """Of each service; its ranges of ports."""
        documents = render(self.folder, values(self.pki, everything))
        running = {name: self.start(name, documents['ConfigMap', 'sallyport-' + name.replace('_', '-')]
                                    ['data']['config.json']) for name in SERVICES}
        ranges = {}
        end = time.monotonic() + 30
        for name, process in running.items():
            single, ranges[name] = let_in(documents, 'sallyport-' + name.replace('_', '-'))
            same = 0
            while same < 3:  # all of it, and nothing more a moment later
                self.assertTrue(process.running(), f'{name} ended: {process.last_line()}')
                there = listens_on(process.pid)
                same = same + 1 if there == single else 0
                if time.monotonic() > end:
                    self.assertEqual(there, single, f'{name}: {process.last_line()}')
                time.sleep(0.2)
        return ranges

    def test_the_policy_of_each_service_is_its_listeners(self):
        ranges = self.check(everything=False)
        self.assertEqual(ranges.pop('media_relay'), {('udp', 50000, 59999), ('tcp', 50000, 59999)})
        self.assertEqual(set().union(*ranges.values()), set())

    def test_what_the_configuration_adds_is_let_in_too(self):
        ranges = self.check(everything=True)
        self.assertEqual(ranges['media_relay'], {('udp', 51000, 51999), ('tcp', 51000, 51999)})


if __name__ == '__main__':
    main()
