#!/usr/bin/env python3
"""A trunk by its name alone (RFC 3263 section 4): dnsmasq says by NAPTR and SRV where
its servers are, and a call goes to the one that answers, whose certificate is
for the name that was configured (RFC 5922 section 4), not for the server's. A
name with IPv4 and IPv6 is reached by the family that its peer wants."""

import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import configs, plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES  # noqa: E402
from tests.harness.peers import accepts, free_ports  # noqa: E402
from tests.harness.process import Process  # noqa: E402
from tests.harness.sipp import SDP, recv, response, scenario  # noqa: E402


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
            f'--host-record=live.{DOMAIN},{cls.server}',
            f'--host-record=both.{DOMAIN},other.{DOMAIN},{cls.server},::1',
            f'--host-record=six.{DOMAIN},::1'], cluster.path('log', 'dnsmasq.log')).start()
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

    def check(self, peer='gateway', *options):
        done = self.cluster.cli('test-connectivity', f'tenants/default/peers/{peer}', *options, '-o', 'json', check=False)
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

    def want(self, name, family=None):
        """The peer of that name, at a port of its own, so that no SRV record counts."""
        more = {'address_family': f'ADDRESS_FAMILY_{family}'} if family else {}
        peer = 'dual' if family else 'unset'  # what was set stays
        plans.apply(self.cluster, 'families', plans.manifest(
            plans.CLEAR, plans.caller(f'{self.cluster.network}.21'), plans.route('dual', 7, peer),
            plans.peer(peer, '', 5090, 'TCP', **more).replace('address: ', f'fqdn: {name}.{DOMAIN}')))
        self.demo.wait_snapshot()
        return peer

    def found(self, peer):
        """The addresses that a check has found."""
        return re.findall(r'is (\S+:5090(?:, \S+:5090)*)"', self.check(peer, '--clear'))

    def test_the_peer_has_the_family_that_it_wants(self):
        four, six = f'{self.server}:5090', '[::1]:5090'
        for family, name, addresses in ((None, 'other', four), ('IPV4_ONLY', 'both', four), ('IPV6_ONLY', 'both', six),
                                        # RFC 6724 section 2.1: ::1 has the highest precedence.
                                        ('ANY', 'both', f'{six}, {four}'), ('IPV4_ONLY', 'six', six)):
            with self.subTest(family=family, name=name):
                self.assertEqual(self.found(self.want(name, family)), [addresses])

    def test_calls_and_options_go_by_the_family(self):
        self.want('both', 'IPV6_ONLY')
        sdp = SDP.replace('[local_ip_type]', '4').replace('[local_ip]', self.server)
        path = self.cluster.path('conf', 'six.xml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(scenario(recv('INVITE'), response(200, body=sdp), recv('ACK'), recv('BYE'), response(200, tag='')))
        # It answers OPTIONS by itself.
        called = Process('six', ['sipp', '-sf', path, '-i', '::1', '-p', '5090', '-t', 't1', '-aa', '-nostdin',
                                 '-timeout', '60s'], self.cluster.path('log', 'six.log')).start()
        self.addCleanup(called.stop)
        called.wait_for(lambda: accepts('::1', 5090), 'sipp listens')
        self.assertIn('"succeeded": true', self.check('dual', '--clear'))
        done = subprocess.run(
            ['sipp', '-sn', 'uac', '-s', '71234', '-i', f'{self.cluster.network}.21', '-p', '5065', '-m', '1', '-d', '100',
             '-nostdin', '-timeout', '20s', f'{self.cluster.host("signaling_edge")}:5060'],
            capture_output=True, timeout=40, cwd=self.cluster.folder)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:])


if __name__ == '__main__':
    main()
