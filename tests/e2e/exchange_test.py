#!/usr/bin/env python3
"""Certificates are exchanged with a peer by `sallyport exchange`, whose order is
enforced (IMP-35), with the demo's gateway behind its TLS wrapper."""

import os
import sys

sys.path.insert(0, os.getcwd())

from tests.harness.case import DemoCase, main  # noqa: E402

STEPS = ['prerequisites', 'import', 'restart-sip-proxy', 'download', 'upload', 'restart-call-manager', 'sip-security']
CONTEXT = '''kind: TlsContext
name: tenants/default/tlsContexts/peer-auth
spec:
  effect: ON_RESTART
  configured: {peers: [gateway], trust_store: UM-trusted-roots}
---
kind: TrunkSecurityProfile
name: tenants/default/trunkSecurityProfiles/secure
spec: {device_security_mode: ENCRYPTED}
'''


class ExchangeTest(DemoCase):

    def take(self, step, *options, check=True):
        return self.cluster.cli('exchange', step, 'gateway', *options, check=check, timeout=40)

    def states(self):
        lines = self.cluster.cli('exchange', 'show', 'gateway').splitlines()[1:]
        return {line.split()[1]: line.split()[2] for line in lines}

    def refused(self, step, first, *options):
        done = self.take(step, *options, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('STEP_OUT_OF_ORDER', done.stderr)
        self.assertIn(f'sallyport exchange {first} gateway', done.stderr)

    def test_the_order_is_enforced(self):
        """IMP-35: prerequisites, import, SIP Proxy restart, download, upload,
        CallManager restart, SIP security settings."""
        options = {'import': ('--certificate', f'{self.cluster.pki}/sip-ca.pem'),
                   'download': ('--to', self.cluster.path('ours.pem')), 'sip-security': ('--profile', 'secure')}
        done = self.take('prerequisites', check=False)
        self.assertIn('STEP_NOT_DONE', done.stderr)
        for step in STEPS[1:]:
            self.refused(step, 'prerequisites', *options.get(step, ()))
        path = self.cluster.path('conf', 'context.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(CONTEXT)
        self.cluster.cli('apply', '-f', path)
        self.demo.wait_snapshot()
        for number, step in enumerate(STEPS):
            for later in STEPS[number + 1:]:
                if step != 'restart-call-manager' and step != 'prerequisites':
                    self.refused(later, step, *options.get(later, ()))
            self.assertIn('done', self.take(step, *options.get(step, ())))
        self.assertEqual(self.states(), {step: 'done' for step in STEPS})
        with open(self.cluster.path('ours.pem'), encoding='utf-8') as f:
            self.assertIn('BEGIN CERTIFICATE', f.read())
        peer = self.cluster.cli('get', 'peer', 'gateway', '-o', 'json')
        self.assertIn('trunkSecurityProfiles/secure', str(peer))


if __name__ == '__main__':
    main()
