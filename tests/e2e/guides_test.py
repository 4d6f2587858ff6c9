#!/usr/bin/env python3
"""docs/contact-center.md and docs/troubleshooting.md, command by command, on the
demo's services (CCE-04, CUC-68)."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.getcwd())

from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import DOMAIN, find_binary  # noqa: E402

PORTS = '''kind: Peer
name: tenants/default/peers/voicemail
spec:
  kind: VOICEMAIL_SERVER
  fqdn: vm.{domain}
  dial_plan: secured
---
kind: Line
name: tenants/default/lines/vi1
spec: {{directory_number: "6101"}}
---
kind: LineGroup
name: tenants/default/lineGroups/voicemail
spec: {{lines: [vi1], algorithm: TOP_DOWN}}
---
kind: PhoneSystem
name: tenants/default/phoneSystems/headquarters
spec: {{display_name: Headquarters}}
---
kind: VoicemailPortGroup
name: tenants/default/voicemailPortGroups/um1
spec:
  peer: voicemail
  phone_system: headquarters
  integration: SCCP
  device_security_mode: ENCRYPTED
  line_group: voicemail
  servers:
  - {{host: {capf}, role: TFTP, port: 6969}}
  ports:
  - {{device_name: UM1-VI1, line: vi1, answers_calls: true}}
'''


def guide(name):
    """The blocks of commands of a guide, by the headings they stand under."""
    with open(f'docs/{name}.md', encoding='utf-8') as f:
        text = f.read()
    return {part.split('\n', 1)[0]: re.findall(r'```sh\n(.*?)```', part, re.S)
            for part in text.split('\n## ')[1:]}


class GuidesTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.demo.start_services()
        cls.demo.provision()
        cls.work = cls.cluster.path('work')
        os.makedirs(cls.work)
        os.symlink(find_binary('sallyport'), os.path.join(cls.work, 'sallyport'))

    def run_block(self, commands, **variables):
        """Runs them as they stand; what they print."""
        done = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', commands], cwd=self.work, capture_output=True, text=True, timeout=60,
            env={**os.environ, 'PATH': self.work + ':' + os.environ['PATH'],
                 'SALLYPORT_CONFIG': self.cluster.path('conf', 'cli.json'), **variables})
        self.assertEqual(done.returncode, 0, commands + done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_contact_center_along_the_call(self):
        """CCE-04: border element, call server, voice browser, call manager."""
        steps = guide('contact-center')
        headings = [heading for heading in steps if heading[0].isdigit()]
        self.assertEqual([heading.split('. The ')[1] for heading in headings],
                         ['border element', 'call server', 'voice browser', 'call manager'])
        seen = []
        for number, heading in enumerate(headings):
            self.assertTrue(steps[heading], heading)
            text = self.run_block('\n'.join(steps[heading]), DOMAIN=DOMAIN)
            peers = [p['name'].rsplit('/', 1)[1] for p in self.cluster.items('get', 'peers')]
            seen = [p for p in ('cube', 'cvp', 'vvb', 'cucm') if p in peers]
            # Each stands before the next is begun, and what it reaches is tried.
            self.assertEqual(seen, ['cube', 'cvp', 'vvb', 'cucm'][:number + 1])
            if number > 0:
                self.assertIn(f'peers/{seen[-1]}', text)
        self.demo.wait_snapshot()
        text = self.run_block('\n'.join(steps['Is it good']), DOMAIN=DOMAIN)
        for part in ('cube', 'cvp', 'vvb', 'cucm', 'contact-center', 'standard'):
            self.assertIn(part, text)

    def test_finding_a_fault(self):
        """CUC-68: how to capture packets at the call manager's side, and how to
        have traces of the voicemail server's side."""
        path = self.cluster.path('conf', 'ports.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(PORTS.format(domain=DOMAIN, capf=self.cluster.host('capf')))
        self.cluster.cli('apply', '-f', path)
        self.demo.wait_snapshot()
        steps = guide('troubleshooting')
        self.assertEqual(sorted(steps), ['Packets at the call manager\'s side',
                                         'Traces at the voicemail server\'s side', 'What is logged of TLS',
                                         'When lines of the log are missing'])
        self.run_block('\n'.join(steps['What is logged of TLS']))
        edge = self.cluster.host('signaling_edge')
        capture, *reads = steps['Packets at the call manager\'s side']
        # Handshakes while it captures, whenever it begins to.
        shake = (f'(for i in 1 2 3 4 5 6; do sleep 0.5; openssl s_client -connect {edge}:5061 < /dev/null; done '
                 '> /dev/null 2>&1 || true) &\n')
        self.run_block(shake + capture + 'wait\n', SECONDS_LONG='4')
        shown = self.run_block('\n'.join(reads), SERVER=edge)
        self.assertIn('Client Hello', shown)
        self.assertNotIn('SIP', shown)
        self.assertTrue([e for e in self.cluster.log_lines('signaling_edge')
                         if e.get('message', e.get('msg')) == 'tls debug'])
        missing = self.run_block('\n'.join(steps['When lines of the log are missing']), SERVER=edge)
        self.assertIn('{reason="blocked"} 0\n', missing)
        port = os.path.join(self.work, 'port')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-keyout', port + '.key', '-out', port + '.pem', '-subj', '/CN=UM1-VI1', '-days', '2'],
                       check=True, capture_output=True)
        text = self.run_block('\n'.join(steps['Traces at the voicemail server\'s side']), GROUP='um1', PORT=port)
        self.assertIn('Miu', text)


if __name__ == '__main__':
    main()
