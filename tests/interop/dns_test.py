#!/usr/bin/env python3
"""A trunk by its name alone (RFC 3263 section 4): dnsmasq says by NAPTR and SRV where
its servers are, and a call goes to the one that answers, whose certificate is
for the name that was configured (RFC 5922 section 4), not for the server's."""

import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES  # noqa: E402
from tests.harness.peers import free_ports  # noqa: E402
from tests.harness.process import Process  # noqa: E402


class DnsTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cluster.make_pki()
        configs.write_all(cluster)
        cls.port = free_ports(1, socket.SOCK_DGRAM)[0]
        cls.server = f'{cluster.network}.30'
        name = f'gw.{DOMAIN}'
        cls.dns = Process('dnsmasq', [
            '/usr/sbin/dnsmasq', '--no-daemon', '--log-facility=-', '--log-queries', '--conf-file=/dev/null',
            '--pid-file=', '--no-resolv', '--no-hosts', '--bind-interfaces', '--listen-address=127.0.0.1',
            f'--local=/{DOMAIN}/', f'--port={cls.port}',
            # The name points to where its servers are (section 4.1).
            f'--naptr-record={name},10,10,s,SIPS+D2T,,_sips._tcp.servers.{DOMAIN}',
            # The first one is dead: nobody listens there.
            f'--srv-host=_sips._tcp.servers.{DOMAIN},dead.{DOMAIN},5071,10,1',
            f'--srv-host=_sips._tcp.servers.{DOMAIN},live.{DOMAIN},5081,20,1',
            f'--host-record=dead.{DOMAIN},{cluster.network}.29',
            f'--host-record=live.{DOMAIN},{cls.server}'], cluster.path('log', 'dnsmasq.log')).start()
        edge = configs.read(cluster, 'signaling_edge')
        del edge['static_hosts'][name]
        edge['dns_servers'] = [f'127.0.0.1:{cls.port}']
        cluster.write_config('signaling_edge', edge)
        for service in SERVICES:
            cluster.start_service(service)
        cls.demo.provision()

    @classmethod
    def tearDownClass(cls):
        cls.dns.stop()
        super().tearDownClass()

    def listen(self, certificate):
        pki = self.cluster.pki
        process = Process('gateway-tls', [
            'openssl', 's_server', '-accept', f'{self.server}:5081', '-cert', f'{pki}/{certificate}.pem',
            '-key', f'{pki}/{certificate}.key', '-CAfile', f'{pki}/sip-ca.pem', '-Verify', '1', '-quiet'],
            self.cluster.path('log', certificate + '-s_server.log')).start()
        self.addCleanup(process.stop)
        time.sleep(0.5)
        return process

    def check(self):
        done = self.cluster.cli('test-connectivity', 'tenants/default/peers/gateway', '-o', 'json', check=False)
        return done.stdout + done.stderr

    def test_the_name_decides_and_not_the_server(self):
        self.listen('wrong_name')
        said = self.check()
        self.assertIn('PEER_IDENTITY_MISMATCH', said)
        self.assertRegex(said, re.escape(self.server) + ':5081')
        queries = self.dns.text()
        self.assertIn(f'query[SRV] _sips._tcp.servers.{DOMAIN}', queries)
        self.assertRegex(said, r'\.29:5071')  # tried first, and given up

    def test_the_peers_own_certificate_is_taken(self):
        listener = self.listen('gateway')
        said = self.check()
        # It answers no SIP, but the handshake and the name were right.
        self.assertIn('is the peer\'s name', said)
        self.assertTrue(listener.running())


if __name__ == '__main__':
    main()
