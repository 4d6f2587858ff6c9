#!/usr/bin/env python3
"""A voicemail port group from nothing to service, by what an operator has:
`sallyport voicemail connect`, `ctl`, `diagnose integration` and the rest, over
the real services (CUC-01 to CUC-89).

The methods are in the order of a set-up: each goes on from the one before.
"""

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import configs, sccp, voicemail  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, EDGE_NAME, find_binary  # noqa: E402

PLAN = '''
kind: TrunkSecurityProfile
name: tenants/default/trunkSecurityProfiles/voicemail
spec:
  device_security_mode: ENCRYPTED
  x509_subject_names: [um.{domain}]
  accept_out_of_dialog_refer: true
  accept_unsolicited_notification: true
  accept_replaces_header: true
---
kind: Peer
name: tenants/default/peers/voicemail
spec:
  kind: VOICEMAIL_SERVER
  fqdn: um.{domain}
  dial_plan: secured
  calling_search_space: everything
  outcalls_allowed: true
  trunk_security_profile: voicemail
  redirecting_diversion_inbound: true
  redirecting_diversion_outbound: true
---
kind: VoicemailPortGroup
name: tenants/default/voicemailPortGroups/um1
spec:
  peer: voicemail
  integration: SCCP
  device_security_mode: ENCRYPTED
  device_name_prefix: UM1-VI
  line_group: voicemail
  servers:
  - {{host: {edge}, role: CALL_MANAGER}}
  - {{host: {capf}, role: TFTP, port: 6969}}
  ports:
  - {{device_name: UM1-VI1, line: vi1, answers_calls: true, notifies: true}}
  - {{device_name: UM1-VI2, line: vi2, answers_calls: true}}
'''


class VoicemailTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cls.edge, cls.capf = voicemail.configure(cluster), cluster.host('capf')
        config = configs.read(cluster, 'capf')
        config['dialplan'] = cluster.client_config('dialplan')
        config['trust_lists'] = {'host': cls.capf}
        config['tftp_address'] = f'{cls.capf}:6969'
        cluster.write_config('capf', config)
        for name in ('dialplan', 'capf', 'credential_issuer', 'media_relay', 'signaling_edge'):
            cluster.start_service(name)
        cls.demo.provision()
        cls.um = cluster.path('voicemail')
        sccp.mint_authority(cls.um, 'um-root')
        cls.server = sccp.mint_certificate(cls.um, 'um-root', f'um.{DOMAIN}')
        cls.cache = cluster.path('ctl-cache')
        cls.apply('voicemail', voicemail.LINES + PLAN.format(domain=DOMAIN, edge=cls.edge, capf=cls.capf))
        cls.demo.wait_snapshot()

    @classmethod
    def apply(cls, name, text, check=True):
        path = cls.cluster.path('conf', name + '.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(text)
        return cls.cluster.cli('apply', '-f', path, check=check)

    def connect(self, *more, works=None, group='um1', certificate=None):
        certificate = certificate or self.server
        done = self.cluster.cli(
            'voicemail', 'connect', group, '--certificate', certificate + '.pem', '--key', certificate + '.key',
            '--cache', self.cache, *more, check=False, timeout=60)
        if works is not None:
            self.assertEqual(done.returncode == 0, works, done.stdout + done.stderr)
        return done

    def diagnose(self, *more):
        done = self.cluster.cli('diagnose', 'integration', 'um1', '--cache', self.cache, *more, check=False)
        return done.returncode, done.stdout

    def lines(self, done, *wanted):
        """These pieces stand in lines of this order."""
        at = 0
        for piece in wanted:
            at = done.stdout.find(piece, at)
            self.assertNotEqual(at, -1, f'{piece!r} in\n{done.stdout}{done.stderr}')
        return done.stdout

    def cached(self):
        return [f for f in os.listdir(self.cache)] if os.path.isdir(self.cache) else []

    # -- the list, step by step ------------------------------------------------

    def test_1_no_list(self):
        """Case 2: CUC-72, CUC-73, CUC-74, CUC-75, and the remedies of CUC-76."""
        done = self.connect(works=False)
        self.assertIn('PORT_GROUP_OUT_OF_SERVICE', done.stderr)
        self.lines(
            done,
            'MiuGeneral,25: port group um1 InService(true) FAILED: error retrieving server certificates',
            f'MiuGeneral,25: TFTP fetch of tftp://{self.capf}:6969/CTLFile.tlv ended with res=68 '
            '(file not found on server)',
            'MiuGeneral,25: port group um1 InService(true) FAILED: error retrieving server certificates',
            'Arbiter,-1: port um1-001 created, objectId=', ' ID=1\n',
            'MiuGeneral,25: port group object ', ' exists\n',
            'MiuGeneral,25: port um1-001 SetInService=true FAILED: its parent port group is out of service',
            'Arbiter,-1: port um1-002 created')
        self.assertEqual(self.cached(), [])
        self.assertEqual(self.cluster.items('registrations'), [])
        code, text = self.diagnose()
        self.assertEqual(code, 1)
        # CUC-64, CUC-65, CUC-66: configuration, services, ports.
        for piece in ('configuration', f'{self.edge}:2443', 'takes connections', 'signaling_edge at '):
            self.assertIn(piece, text)
        places = [text.find(piece) for piece in ('1. is the TFTP server right', '2. is the cluster in mixed mode',
                                                 '3. is CTLFile.tlv published')]
        self.assertEqual(places, sorted(places), text)
        self.assertNotIn(-1, places, text)
        # A TFTP server that is not there (CUC-19): nobody answers, nothing hangs.
        nobody = self.cluster.cli('ctl', 'refresh', f'{self.edge}:6969', '--cache', self.cache, check=False)
        self.assertEqual(nobody.returncode, 1)
        self.assertIn('TFTP', nobody.stderr)

    def test_2_a_list_of_a_non_secure_cluster(self):
        """Case 3: CUC-77, CUC-78, CUC-79, CUC-80. CUC-27: whose call managers."""
        self.cluster.cli('cluster', 'set', '--call-manager', f'cm9.{DOMAIN}={self.cluster.pki}/gateway.pem')
        code, text = self.diagnose()
        self.assertIn(f'not of the cluster: {self.edge}', text)
        self.cluster.cli('cluster', 'set', '--call-manager',
                         f'{EDGE_NAME}={self.cluster.pki}/edge_sip.pem,{self.edge}')
        begun = time.monotonic()
        done = self.connect('--attempts', '2', works=False)
        self.assertGreaterEqual(time.monotonic() - begun, 5.0)
        self.assertIn('CERTIFICATE_NOT_IN_CTL', done.stderr)
        path = os.path.join(self.cache, self.cached()[0])
        self.lines(
            done,
            f'MiuSkinny,23: failed to retrieve the certificate of CCM server {self.edge}',
            'MiuSkinny,23: no CCM certificate could be extracted, registration cannot proceed; '
            'retry timer 5000 ms starts',
            f'MiuGeneral,24: local CTL file [{path}] found',
            f'MiuGeneral,25: certificate cache: CCM server {self.edge} is not in the CTL file')
        # CUC-84: the name of a cached list.
        self.assertRegex(os.path.basename(path), r'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tlv$')
        code, text = self.diagnose()
        self.assertEqual(code, 1)
        self.assertNotIn('not of the cluster:', text)
        self.assertIn('the list is of a non-secure cluster', text)

    def test_3_mixed_mode_and_the_list_again(self):
        """CUC-81, CUC-82, CUC-83, CUC-89: what was cached is stale until it is
        purged or refreshed."""
        # CCE-26, CCE-27: nothing but y goes on.
        for answer in ('n\n', 'yes\n', '\n'):
            asked = self.cluster.cli('procedure', 'begin', 'mixed-mode', check=False, stdin=answer)
            self.assertIn('nothing was changed', asked.stdout)
            self.assertEqual(self.cluster.cli('cluster', 'show', '-o', 'json')['clusterMode'], 'non-secure')
        asked = self.cluster.cli('procedure', 'begin', 'mixed-mode', check=False, stdin='y\n')
        self.assertEqual(asked.returncode, 0, asked.stderr)
        self.assertEqual(self.cluster.cli('cluster', 'show', '-o', 'json')['clusterMode'], 'mixed')
        cached = os.path.join(self.cache, self.cached()[0])
        with open(cached, 'rb') as f:
            old = hashlib.md5(f.read()).hexdigest()
        # CUC-07: it is not fetched again, so that nothing is better.
        self.assertIn('is not in the CTL file', self.connect(works=False).stdout)
        code, text = self.diagnose()
        self.assertEqual(code, 1)
        self.assertIn(f"md5 {old}, different from the server's", text)
        # CUC-83: both sums are shown, and "n" leaves it.
        where = (f'{self.capf}:6969', '--cache', self.cache)
        asked = self.cluster.cli('ctl', 'purge', *where, check=False, stdin='n\n')
        self.assertEqual(asked.returncode, 1)
        sums = re.findall(r'md5 +([0-9a-f]{32})', asked.stdout)
        self.assertEqual(len(sums), 2, asked.stdout)
        self.assertEqual(sums[0], old)
        self.assertNotEqual(sums[0], sums[1])
        self.assertIn('different', asked.stdout)
        self.assertEqual(len(self.cached()), 1)
        purged = self.cluster.cli('ctl', 'purge', *where, '--yes')
        self.assertIn('purged', purged)
        self.assertEqual(self.cached(), [])
        again = self.cluster.cli('ctl', 'purge', *where, '--yes', check=False)
        self.assertIn('CTL_NOT_CACHED', again.stderr)
        # CUC-89: `ctl refresh`; the second time it says "same".
        self.assertIn('mode  mixed', self.cluster.cli('ctl', 'refresh', *where))
        self.assertIn('\nsame\n', self.cluster.cli('ctl', 'refresh', *where))

    def test_4_in_service(self):
        """The five steps (CUC-05, CUC-06, CUC-08, CUC-10, CUC-12), with the
        voicemail server's root uploaded first (CUC-09, CUC-36)."""
        # CUC-09, CUC-70: without the root the edge sends unknown_ca, and says whose.
        refused = self.connect(works=False)
        self.assertIn('unknown_ca', (refused.stdout + refused.stderr).lower().replace(' ', '_'))
        refusal = self.cluster.wait_for(
            lambda: [r for r in self.cluster.items('refusals', '--parent', 'tenants/-')
                     if r.get('tlsAlert') == 'unknown_ca'], 'the edge tells of the alert', 5)[0]
        self.assertEqual(refusal['tlsAlertSource'], 'TLS_ALERT_SOURCE_SENT')
        self.assertIn('um-root', refusal['remoteCertificate']['issuer'])
        root = f'{self.um}/um-root.pem'
        code, text = self.diagnose('--root', root)
        self.assertIn('this certificate is not in the store', text)
        self.assertIn('sallyport trust add CallManager-trust', text)
        # CUC-36, CUC-37, CUC-46: in force without any restart.
        self.cluster.cli('trust', 'add', 'CallManager-trust', root)
        self.cluster.wait_for(lambda: self.connect().returncode == 0, 'the root is in force', 10)
        done = self.connect('--hold', '4', works=True)
        self.lines(done, 'MiuGeneral,24: local CTL file', f'TLS: connected to {self.edge}:2443, TLSv1.',
                   'certificate as in the CTL file', 'port UM1-VI1 registered', 'port UM1-VI2 registered',
                   'port group um1 InService(true)')

    def test_5_diagnosis_of_what_works(self):
        """CUC-56, CUC-64: while its ports are registered nothing is wrong."""
        log = open(self.cluster.path('log', 'hold.log'), 'w', encoding='utf-8')
        holder = subprocess.Popen(
            [find_binary('sallyport'), '--config', self.cluster.path('conf', 'cli.json'), 'voicemail', 'connect', 'um1',
             '--certificate', self.server + '.pem', '--key', self.server + '.key', '--cache', self.cache,
             '--hold', '30'], stdout=log, stderr=log)
        try:
            rows = self.cluster.wait_for(
                lambda: len(self.cluster.items('registrations')) == 2 and self.cluster.items('registrations'),
                'both ports are registered', 10)
            # CUC-56: with the node, over TLS.
            for row in rows:
                self.assertEqual(row['edge'], 'signaling_edge-0')
                self.assertEqual(row['remoteAddress']['transport'], 'TRANSPORT_TLS')
            code, text = self.diagnose('--root', f'{self.um}/um-root.pem')
            self.assertIn('UM1-VI1', text)
            self.assertNotIn('FAILED', text)
            self.assertEqual(code, 0, text)
        finally:
            holder.kill()
            holder.wait()
            log.close()

    def test_6_another_call_manager(self):
        """CUC-88: the first call manager is not there; the second takes the
        ports. CUC-20: the new servers are in force with the next connection."""
        self.apply('failover', f'''
kind: VoicemailPortGroup
name: tenants/default/voicemailPortGroups/um1
spec:
  servers:
  - {{host: {self.edge}, role: CALL_MANAGER, port: 2444}}
  - {{host: {self.edge}, role: CALL_MANAGER}}
  - {{host: {self.capf}, role: TFTP, port: 6969}}
''')
        done = self.connect(works=True)
        self.lines(done, f'connect: {self.edge}:2444 CONNECT_FAILED', f'connected to {self.edge}:2443',
                   'InService(true)')

    def test_7_the_call_manager_has_another_certificate(self):
        """CUC-08, CUC-69, CUC-71: what it shows is not in the list, so that the
        voicemail server sends unknown_ca, and the edge knows who did."""
        where = (f'{self.capf}:6969', '--cache', self.cache)
        self.cluster.cli('cluster', 'set', '--call-manager',
                         f'{EDGE_NAME}={self.cluster.pki}/gateway.pem,{self.edge}')
        self.cluster.cli('ctl', 'refresh', *where)
        done = self.connect(works=False)
        self.assertIn('sent unknown_ca', done.stdout)
        self.cluster.wait_for(
            lambda: [r for r in self.cluster.items('refusals', '--parent', 'tenants/-')
                     if r.get('tlsAlert') == 'unknown_ca' and r['tlsAlertSource'] == 'TLS_ALERT_SOURCE_RECEIVED'],
            'the edge tells who sent the alert', 5)
        code, text = self.diagnose()
        self.assertIn('no edge shows the one that is in the list', text)
        self.cluster.cli('cluster', 'set', '--call-manager',
                         f'{EDGE_NAME}={self.cluster.pki}/edge_sip.pem,{self.edge}')
        self.cluster.cli('ctl', 'refresh', *where)
        self.connect(works=True)

    # -- what is around it -----------------------------------------------------

    def test_8_cluster_mode_and_encryption(self):
        """CUC-01 and CUC-02, through the API and at the edge."""
        disabled = self.cluster.cli('voicemail', 'encryption', 'disable', check=False)
        self.assertIn('VOICEMAIL_ENCRYPTION_IN_USE', disabled.stderr)
        self.assertIn('enabled', self.cluster.cli('voicemail', 'encryption', 'status'))
        tenant = 'kind: Tenant\nname: tenants/default\nspec: {{cluster_security_mode: {}}}\n'
        told = self.apply('mode', tenant.format('NON_SECURE'), check=False)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn('CLUSTER_NOT_MIXED', told.stderr)
        self.demo.wait_snapshot()
        rejected = self.connect(works=False)
        self.assertIn('REGISTRATION_REJECTED', rejected.stderr)
        self.cluster.wait_for(lambda: [r for r in self.cluster.items('refusals')
                                       if r.get('reason') == 'CLUSTER_NOT_MIXED'],
                              'the refusal names the cluster mode', 5)
        code, text = self.diagnose()
        self.assertIn('NON_SECURE: encrypted ports stay out of service', text)
        group = 'kind: VoicemailPortGroup\nname: tenants/default/voicemailPortGroups/um1\n' \
                'spec: {{device_security_mode: {}}}\n'
        self.apply('group', group.format('NON_SECURE'))
        self.assertIn('disabled', self.cluster.cli('voicemail', 'encryption', 'disable'))
        refused = self.apply('group', group.format('ENCRYPTED'), check=False)
        self.assertIn('VOICEMAIL_ENCRYPTION_DISABLED', refused.stderr)
        self.assertIn('enabled', self.cluster.cli('voicemail', 'encryption', 'enable'))
        self.apply('group', group.format('ENCRYPTED'))
        self.apply('mode', tenant.format('MIXED'))
        self.demo.wait_snapshot()
        self.connect(works=True)

    def test_9_what_one_command_collects(self):
        """CUC-67: one archive of what all services know; no secret is in it."""
        path = self.cluster.path('case.tar')
        text = self.cluster.cli('collect', path, timeout=60)
        self.assertIn('written:', text)
        names = subprocess.run(['tar', 'tf', path], capture_output=True, text=True, check=True).stdout.split()
        for wanted in ('doctor.txt', 'plan.yaml', 'refusals.json', 'connections.json', 'trust-lists.json',
                       'contents.txt'):
            self.assertIn(wanted, names)
        self.assertNotIn('code', [line.split()[0] for line in text.splitlines() if 'plan.yaml' in line])
        with open(path, 'rb') as f:
            octets = f.read()
        for secret in (b'PRIVATE KEY', b'demo-phone-password', b'4711471147'):
            self.assertNotIn(secret, octets)
        refusals = json.loads(subprocess.run(['tar', 'xOf', path, 'refusals.json'], capture_output=True,
                                             check=True).stdout)
        self.assertTrue(refusals['refusals'])

    def test_a_profiles_are_copied(self):
        """CCE-33, CCE-35, CCE-37, CCE-46, CCE-47: a copy has a name of its own,
        and what is said anew. CCE-36: names in another case are no names."""
        copy = ('copy', 'trunk-security-profile', 'voicemail')
        self.cluster.cli(*copy, 'securesiptlsforcvp', '--set', f'x509_subject_names=[cvp.{DOMAIN}]')
        made = self.cluster.cli('get', 'trunk-security-profile', 'securesiptlsforcvp', '-o', 'json')
        self.assertEqual(made['x509SubjectNames'], [f'cvp.{DOMAIN}'])
        self.assertEqual(made['deviceSecurityMode'], 'DEVICE_SECURITY_MODE_ENCRYPTED')
        self.assertTrue(made['acceptReplacesHeader'])
        for to, reason in (('voicemail', 'NAME_REQUIRED'), ('securesiptlsforcvp', 'RESOURCE_EXISTS'),
                           ('SecureSipTLSforCVP', 'NAME_INVALID')):
            done = self.cluster.cli(*copy, to, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(reason, done.stderr)
        wrong = self.apply('case', f'''
kind: Peer
name: tenants/default/peers/cvp
spec:
  kind: SIP_TRUNK
  fqdn: cvp.{DOMAIN}
  dial_plan: secured
  trunk_security_profile: SecureSIPTLSForCvp
''', check=False)
        self.assertIn('trunk_security_profile', wrong.stderr)
        self.apply('standard', '''
kind: PhoneSecurityProfile
name: tenants/default/phoneSecurityProfiles/csf-standard
spec: {phone_type: Cisco Unified Client Services Framework, protocol: SIP}
''')
        self.cluster.cli('copy', 'phone-security-profile', 'csf-standard', 'csf-secure',
                         '--set', 'device_security_mode=ENCRYPTED', '--set', 'transport=TLS',
                         '--set', 'authentication_mode=NULL_STRING', '--set', 'rsa_key_size=2048')
        secure = self.cluster.cli('get', 'phone-security-profile', 'csf-secure', '-o', 'json')
        self.assertEqual(secure['phoneType'], 'Cisco Unified Client Services Framework')
        self.assertEqual(secure['deviceSecurityMode'], 'DEVICE_SECURITY_MODE_ENCRYPTED')
        standard = self.cluster.cli('get', 'phone-security-profile', 'csf-standard', '-o', 'json')
        self.assertNotEqual(standard.get('deviceSecurityMode'), 'DEVICE_SECURITY_MODE_ENCRYPTED')

        # CUC-44: ports by number, with their lines and places in the line group.
        made = self.cluster.cli('voicemail', 'add-ports', 'um1', '2', '--first-number', '6003', '--partition',
                                'default', '--answer')
        self.assertIn('lines/um1-vi4 created', made)
        lines = self.cluster.cli('get', 'line-group', 'voicemail', '-o', 'json')['lines']
        self.assertEqual([name.rsplit('/', 1)[1] for name in lines], ['vi1', 'vi2', 'um1-vi3', 'um1-vi4'])
        self.demo.wait_snapshot()
        self.lines(self.connect('--port', 'UM1-VI4', works=True), 'port UM1-VI4 registered')

        # CCE-49, CCE-54: one command for a list of devices.
        agents = ['SEP0011223344AA', 'SEP0011223344BB']
        self.cluster.cli('phones', 'set', *agents, '--operation', 'install', '--by', 'string')
        text = self.cluster.cli('phones', 'list')
        for agent in agents:
            self.assertRegex(text, agent + r' +INSTALL_UPGRADE +AUTHENTICATION_STRING +OPERATION_PENDING')

    def test_b_effects_are_told_and_asked_about(self):
        """CUC-03: nothing is done before somebody has said y."""
        self.apply('spare', 'kind: Partition\nname: tenants/default/partitions/spare\n')
        delete = ('--confirm', 'always', 'delete', 'partition', 'spare')
        for answer in ('n\n', 'yes\n', ''):
            done = self.cluster.cli(*delete, check=False, stdin=answer)
            self.assertEqual(done.returncode, 1)
            self.assertIn('deletes resources for good', done.stderr)
            self.assertIn('NOT_CONFIRMED', done.stderr)
        self.cluster.cli('get', 'partition', 'spare')
        done = self.cluster.cli(*delete, check=False, stdin='y\n')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(self.cluster.cli('get', 'partition', 'spare', check=False).returncode, 0)

    def test_c_tls_is_logged_by_three_switches(self):
        """CCE-68, CCE-69: at run time, each by itself, and no key in any line.
        CCE-56: connections with their sums."""
        def steps():
            return [line for line in self.cluster.log_lines('signaling_edge') if line.get('msg') == 'tls debug']
        self.connect(works=True)
        self.assertEqual(steps(), [])
        shown = self.cluster.cli('debug', 'tls', '--messages', 'on')
        self.assertRegex(shown, r'off +on +off')
        self.connect(works=True)
        kinds = {line['kind'] for line in steps()}
        self.assertEqual(kinds, {'message'})
        self.assertIn('received ClientHello', ' '.join(line['step'] for line in steps()))
        self.cluster.cli('debug', 'tls', '--messages', 'off', '--states', 'on', '--errors', 'on')
        self.connect(works=True)
        self.assertIn('handshake done', [line['step'] for line in steps()])
        subprocess.run(['openssl', 's_client', '-connect', f'{self.edge}:5061', '-cert', f'{self.um}/um-root.pem',
                        '-key', f'{self.um}/um-root.key'], stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
        self.cluster.wait_for(lambda: [line for line in steps() if line['kind'] == 'error'], 'an error is told', 5)
        self.assertRegex(self.cluster.cli('debug', 'tls', '--states', 'off', '--errors', 'off'), r'off +off +off')
        before = len(steps())
        self.connect(works=True)
        self.assertEqual(len(steps()), before)
        for line in steps():
            self.assertLess(len(line['step']), 120)
            self.assertIsNone(re.search(r'[0-9a-fA-F]{24}|BEGIN|PRIVATE', line['step']), line)
        status = self.cluster.cli('get', 'status', '-o', 'json')['signaling_edge']
        self.assertGreaterEqual(int(status['connectionTotals']['opened']), 8)
        self.assertGreaterEqual(int(status['connectionTotals']['remoteClosures']), 6)
        self.assertRegex(self.cluster.cli('connections'), r'active \d+ TLS, \d+ TCP; opened \d+; send failures 0; '
                                                          r'closed by the far side \d+')

    def test_d_the_root_as_a_file(self):
        """CUC-22, CUC-38: PEM, and its name ends in .0."""
        listed = self.cluster.cli('trust', 'list', 'CallManager-trust', '-o', 'json')
        name = next(c['name'] for c in listed['trustedCertificates'] if 'um-root' in json.dumps(c))
        out = self.cluster.path('exported')
        os.makedirs(out, exist_ok=True)
        path = self.cluster.cli('trust', 'export', name, '--format', 'hash', '--to', out).strip()
        self.assertTrue(path.endswith('.0'), path)
        wanted = subprocess.run(['openssl', 'x509', '-in', f'{self.um}/um-root.pem', '-noout', '-hash'],
                                capture_output=True, text=True, check=True).stdout.strip()
        self.assertEqual(os.path.basename(path), wanted + '.0')
        with open(path, encoding='utf-8') as f, open(f'{self.um}/um-root.pem', encoding='utf-8') as g:
            self.assertEqual(f.read().strip(), g.read().strip())

    def test_e_a_sip_integration(self):
        """CUC-15: the certificate is signed by a root of voicemail's own.
        CUC-17, CUC-26, CUC-30: port group and trunk with all that they have.
        CUC-05, CUC-86: TLS on 5061 comes up, and OPTIONS are answered."""
        base = f'{self.um}/sip'
        self.cluster.cli('certs', 'create-authority', 'voicemail', '--common-name', 'Voicemail Root', '--for',
                         'default')
        subprocess.run(['openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                        '-subj', f'/CN=um.{DOMAIN}', '-addext', f'subjectAltName=DNS:um.{DOMAIN}',
                        '-keyout', base + '.key', '-out', base + '.csr'], check=True, capture_output=True)
        made = self.cluster.cli('certs', 'issue', base + '.csr', '--profile', 'server', '--to', base + '.pem').strip()
        shown = subprocess.run(['openssl', 'x509', '-in', base + '.pem', '-noout', '-issuer', '-subject'],
                               capture_output=True, text=True, check=True).stdout
        self.assertRegex(shown, 'issuer=.*Voicemail Root')
        group = f'''
kind: VoicemailPortGroup
name: tenants/default/voicemailPortGroups/um2
spec:
  display_name: Secure SIP integration
  peer: voicemail
  integration: SIP
  device_security_mode: ENCRYPTED
  secure_rtp: true
  sip_certificate_subject: {{}}
  servers:
  - {{{{host: {self.edge}, role: CALL_MANAGER}}}}
  - {{{{host: {self.capf}, role: TFTP, port: 6969}}}}
'''
        refused = self.apply('sip', group.format(f'other.{DOMAIN}'), check=False)
        self.assertIn('SIP_CERTIFICATE_SUBJECT_MISMATCH', refused.stderr)
        self.apply('sip', group.format(f'um.{DOMAIN}'))
        stored = self.cluster.cli('get', 'voicemail-port-group', 'um2', '-o', 'json')
        self.assertEqual((stored['displayName'], stored['secureRtp'], stored['servers'][0]['host']),
                         ('Secure SIP integration', True, self.edge))
        trunk = self.cluster.cli('get', 'peer', 'voicemail', '-o', 'json')
        self.assertEqual((trunk['kind'], trunk['fqdn'], trunk['dialPlan'], trunk['trunkSecurityProfile']), (
            'PEER_KIND_VOICEMAIL_SERVER', f'um.{DOMAIN}', 'tenants/default/dialPlans/secured',
            'tenants/default/trunkSecurityProfiles/voicemail'))
        self.demo.wait_snapshot()
        done = self.cluster.wait_for(lambda: (c := self.connect(group='um2', certificate=base)).returncode == 0 and c,
                                     'the port group is in service', 10)
        self.lines(done, f'connected to {self.edge}:5061, TLSv1.', f'OPTIONS to {self.edge}:5061: SIP/2.0 200',
                   'port group um2 InService(true)')

        # CUC-87: a certificate that was revoked can be deleted.
        self.cluster.cli('trust', 'add', 'tomcat-trust', base + '.pem')
        names = [c['name'] for c in self.cluster.cli('trust', 'list', 'tomcat-trust', '-o', 'json')[
            'trustedCertificates'] if f'um.{DOMAIN}' in json.dumps(c)]
        self.assertEqual(len(names), 1)
        self.cluster.cli('revoke', made, '--reason', 'superseded')
        self.cluster.wait_for(lambda: self.connect(group='um2', certificate=base).returncode != 0,
                              'the edge knows that it is revoked', 10)
        self.cluster.cli('trust', 'remove', names[0])
        left = self.cluster.cli('trust', 'list', 'tomcat-trust', '-o', 'json')
        self.assertNotIn(names[0], json.dumps(left))

    def test_f_tls_listeners_wait_for_a_restart(self):
        """CCE-19, CCE-22: TLS of SIP is a listener of the edge; until it has
        restarted the old one is active, and the difference is shown."""
        def takes(port):
            try:
                socket.create_connection((self.edge, port), 2).close()
                return True
            except ConnectionRefusedError:
                return False
        self.assertIn('every setting is in force', self.cluster.cli('restarts'))
        config = configs.read(self.cluster, 'signaling_edge')
        with_tls = json.dumps(config)
        config['listeners'] = [one for one in config['listeners'] if one['protocol'] != 'LISTENER_PROTOCOL_SIP_TLS']
        self.cluster.write_config('signaling_edge', config)
        self.cluster.wait_for(lambda: 'listeners' in self.cluster.cli('restarts'), 'the setting waits', 10)
        self.assertTrue(takes(5061))
        self.cluster.kill('signaling_edge')
        self.cluster.start_service('signaling_edge')
        self.assertFalse(takes(5061))
        self.assertTrue(takes(5060))
        self.assertIn('every setting is in force', self.cluster.cli('restarts'))
        self.cluster.write_config('signaling_edge', json.loads(with_tls))
        self.cluster.wait_for(lambda: 'listeners' in self.cluster.cli('restarts'), 'the setting waits', 10)
        self.cluster.kill('signaling_edge')
        self.cluster.start_service('signaling_edge')
        self.assertTrue(takes(5061))


if __name__ == '__main__':
    main()
