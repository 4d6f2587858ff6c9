#!/usr/bin/env python3
"""How an edge starts that follows RTM and serves no dial plan, and commands that
stop, start and restart services."""

import os
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import SERVICES, find_binary  # noqa: E402
from tests.harness.demo import AUTHENTICATION_STRING, DEVICE  # noqa: E402

FILE = '<?xml version="1.0"?>\n<UMRecyclerConfig><StartSecured>{}</StartSecured></UMRecyclerConfig>\n'


class StartModeTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cluster.make_pki()
        configs.write_all(cluster)
        cls.file = cluster.path('conf', 'UMRecyclerConfig.xml')
        cls.write('1')
        edge = configs.read(cluster, 'signaling_edge')
        edge['um_recycler_config_file'] = cls.file
        edge['server']['instance_id'] = 'edge-0'
        edge['server']['tls_refresh_interval'] = '0.5s'
        edge['server']['drain_timeout'] = '1s'
        cluster.write_config('signaling_edge', edge)
        for name in SERVICES:
            cluster.start_service(name)
        cls.demo.provision()
        # It starts with the plan that it has kept.
        cls.cluster.processes['signaling_edge'].stop()
        cls.cluster.start_service('signaling_edge')

    @classmethod
    def write(cls, value):
        with open(cls.file, 'w', encoding='utf-8') as f:
            f.write(FILE.format(value))

    def tenant(self, spec):
        path = self.cluster.path('conf', 'tenant.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(f'kind: Tenant\nname: tenants/default\nspec: {{{spec}}}\n')
        self.cluster.cli('apply', '-f', path)
        self.demo.wait_snapshot()

    def restart(self):
        answer = self.cluster.cli('service', 'restart', 'signaling_edge', timeout=60)
        self.assertIn('signaling_edge edge-0', answer)
        self.assertIn('started', answer)
        self.demo.wait_snapshot()

    def started(self):
        """The reasons of the events of this start."""
        return [e.get('reason') for e in self.cluster.items('events', '--tenant', '-')
                if e.get('type') == 'EVENT_TYPE_STARTED']

    def wait_started(self, reason):
        return self.cluster.wait_for(lambda: reason in self.started() and self.started(), reason, 15)

    def waiting(self):
        return self.cluster.cli('restarts', '-o', 'json')

    def takes_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with socket.create_connection((self.cluster.host('signaling_edge'), 5061), 5) as plain:
                with context.wrap_socket(plain):
                    return True
        except (ssl.SSLError, ConnectionError, OSError):
            return False

    def takes_clear(self):
        """Whether SIP in clear is answered."""
        edge = self.cluster.host('signaling_edge')
        with socket.create_connection((edge, 5060), 5) as s:
            s.settimeout(3)
            try:
                s.sendall((f'OPTIONS sip:{edge} SIP/2.0\r\nVia: SIP/2.0/TCP {edge}:9;branch=z9hG4bKa\r\n'
                           f'Max-Forwards: 70\r\nFrom: <sip:a@{edge}>;tag=a\r\nTo: <sip:{edge}>\r\n'
                           f'Call-ID: a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n').encode())
                return s.recv(10).startswith(b'SIP/2.0')
            except (ConnectionError, TimeoutError):
                return False

    # -- in this order -------------------------------------------------------

    def test_1_ignored_under_the_current_profile(self):
        """UM-120: with a warning; UM-01: which is what an edge has unless said."""
        self.assertIn('SECURE_START', self.wait_started('START_SECURED_IGNORED'))
        self.assertTrue([e for e in self.cluster.log_lines('signaling_edge')
                         if e.get('message', e.get('msg')) == 'StartSecured is ignored'])
        self.write('0')
        self.assertNotIn('StartSecured', str(self.waiting()))

    def test_2_the_file_decides_for_an_edge_of_rtm(self):
        """UM-01: the profile of one edge; UM-103, UM-104: without a dial plan the
        file says how it starts."""
        self.write('1')
        self.tenant('rtm_edges: [edge-0]')
        self.restart()
        reasons = self.wait_started('SECURE_START')
        self.assertNotIn('START_SECURED_IGNORED', reasons)
        self.assertTrue(self.takes_tls())
        self.assertFalse(self.takes_clear())

    def test_3_a_change_waits_for_the_restart(self):
        """UM-106: edit, then restart; `restarts` tells of it until then."""
        self.write('0')
        told = self.cluster.wait_for(lambda: 'StartSecured' in str(self.waiting()) and self.waiting(),
                                     'the change waits', 15)
        self.assertIn("'activeValue': '1'", str(told))
        self.assertIn("'configuredValue': '0'", str(told))
        self.assertFalse(self.takes_clear())
        # CCE-21: the operator is asked.
        left = self.cluster.cli('service', 'restart-waiting', stdin='n\n', timeout=60)
        self.assertIn('signaling_edge edge-0: left', left)
        done = self.cluster.cli('service', 'restart-waiting', stdin='y\n', check=False, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('StartSecured: 1 -> 0', done.stderr)
        self.assertIn('started', done.stdout)
        self.demo.wait_snapshot()
        self.wait_started('NON_SECURE_START')
        self.assertTrue(self.takes_clear())
        self.assertFalse(self.takes_tls())
        self.assertNotIn('StartSecured', str(self.waiting()))

    def test_4_other_values_are_refused(self):
        """UM-103: only 0 and 1, with a reason."""
        self.write('2')
        self.addCleanup(self.cluster.start_service, 'signaling_edge')
        self.addCleanup(self.write, '0')
        self.cluster.wait_for(lambda: 'StartSecured must be 0 or 1' in str(self.waiting()), 'the refusal', 15)
        self.cluster.processes['signaling_edge'].stop()
        done = subprocess.run([find_binary('signaling_edge'), '--config=' + self.cluster.path('conf', 'signaling_edge.json')],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn('START_SECURED_INVALID', done.stdout + done.stderr)

    def test_5_stop_and_start(self):
        """UM-126, CCE-29: as commands, each waited for, one after the other."""
        answer = self.cluster.cli('service', 'stop', 'signaling_edge', timeout=60)
        self.assertIn('stopped', answer)
        self.assertFalse(self.takes_clear_or_refused())
        self.assertIn('stopped', self.cluster.cli('service', 'status'))
        refused = self.cluster.cli('service', 'stop', 'signaling_edge', check=False)
        self.assertIn('PROCESS_STOPPED', refused.stderr)
        self.assertIn('started', self.cluster.cli('service', 'start', 'signaling_edge', timeout=60))
        self.demo.wait_snapshot()
        self.assertTrue(self.takes_clear())
        answer = self.cluster.cli('service', 'restart', 'media_relay', 'credential_issuer', timeout=60)
        self.assertLess(answer.index('media_relay'), answer.index('credential_issuer'))
        self.assertEqual(answer.count('started'), 2)
        self.assertNotIn('stopped', self.cluster.cli('service', 'status'))

    def takes_clear_or_refused(self):
        try:
            return self.takes_clear()
        except OSError:
            return False

    def test_6_contexts_wait_for_the_restart_of_the_sip_proxy(self):
        """IMP-40, IMP-41, IMP-42, IMP-43: a context with a name, a peer and ciphers; what is
        configured of it waits, and either entry puts it into force."""
        path = self.cluster.path('conf', 'context.yaml')

        def apply(store):
            with open(path, 'w', encoding='utf-8') as f:
                f.write('kind: TlsContext\nname: tenants/default/tlsContexts/peer-auth\nspec:\n'
                        '  display_name: Default_Cisco_UPS_SIP_Proxy_Peer_Auth_TLS_Context\n'
                        '  effect: ON_RESTART\n  configured:\n    peers: [gateway]\n'
                        '    ciphers: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n'
                        f'    trust_store: {store}\n')
            self.cluster.cli('apply', '-f', path)

        def stores():
            one = self.cluster.cli('get', 'tls-context', 'peer-auth', '-o', 'json')
            one = one.get('items', [one])[0] if isinstance(one, dict) else one[0]
            return one['configured']['trustStore'], one['active']['trustStore']
        apply('cup-trust')
        self.assertEqual(stores(), ('cup-trust', 'cup-trust'))
        for entry, store in (('restart', 'UM-trusted-roots'), ('activate', 'CallManager-trust')):
            before = stores()[1]
            apply(store)
            self.assertEqual(stores(), (store, before))
            self.assertIn('configured', self.cluster.cli('service', 'status'))
            self.assertIn('peer-auth: in force', self.cluster.cli('service', entry, 'sip-proxy'))
            self.assertEqual(stores(), (store, store))
            self.assertIn('no TLS context waits', self.cluster.cli('service', entry, 'sip-proxy'))

    def test_7_capf_is_activated(self):
        """CCE-45: choose it, activate it, see that it is active; without that no
        certificate operation starts."""
        self.cluster.cli('service', 'stop', 'capf', timeout=60)
        enroll = ('enroll', '--server', f'{self.cluster.host("capf")}:3804', '--ca',
                  self.cluster.path('data', 'capf-ca.pem'), '--device', DEVICE, '--auth-string', AUTHENTICATION_STRING,
                  '--key-out', self.cluster.path('lsc.key'), '--cert-out', self.cluster.path('lsc.pem'))
        self.assertNotEqual(self.cluster.cli(*enroll, check=False).returncode, 0)
        self.assertFalse(os.path.exists(self.cluster.path('lsc.pem')))
        self.assertIn('started', self.cluster.cli('service', 'activate', 'capf', timeout=60))
        rows = [line.split() for line in self.cluster.cli('service', 'status').splitlines()]
        self.assertIn(('capf', 'running'), [(row[0], row[2]) for row in rows if len(row) > 2])
        self.cluster.wait_for(lambda: self.cluster.cli(*enroll, check=False).returncode == 0, 'the phone enrols', 20)


if __name__ == '__main__':
    main()
