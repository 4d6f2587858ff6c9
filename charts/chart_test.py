#!/usr/bin/env python3
"""The chart, rendered by helm: what its values change and what it refuses."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.getcwd())

from tests.harness import helm  # noqa: E402

RELAY = 'sallyport-media-relay'


def render(*values):
    """helm's exit status, and what it wrote."""
    done = helm.template(*[word for value in values for word in ('--set', value)])
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr


def containers(text):
    """`securityContext` lines of each StatefulSet's container, by its name."""
    found = {}
    for document in text.split('\n---\n'):
        if '\nkind: StatefulSet\n' not in document:
            continue
        lines = document.split('\n')
        name = next(line.split()[-1] for line in lines if line.startswith('  name: '))
        at = lines.index('          securityContext:')
        context = {}
        for line in lines[at + 1:]:
            if not line.startswith(' ' * 12):
                break
            key, value = line.strip().split(': ', 1)
            context[key] = value
        found[name] = context
    return found


def servers(text):
    """The `server` part of each service's configuration, by its name."""
    found = {}
    for document in text.split('\n---\n'):
        if '\nkind: ConfigMap\n' not in document:
            continue
        name = next(line.split()[-1] for line in document.split('\n') if line.startswith('  name: '))
        found[name] = json.loads(document.split('config.json: |', 1)[1])['server']
    return found


class ChartTest(unittest.TestCase):
    def contexts(self, *values):
        status, text = render(*values)
        self.assertEqual(status, 0, text)
        return containers(text)

    def test_nobody_has_a_capability_by_default(self):
        contexts = self.contexts()
        self.assertEqual(len(contexts), 5)
        for name, context in contexts.items():
            self.assertEqual(context['capabilities'], '{drop: [ALL]}', name)
            self.assertNotIn('runAsUser', context)
            self.assertEqual(context['allowPrivilegeEscalation'], 'false')

    def test_the_relay_gets_exactly_what_each_setting_needs(self):
        for setting, wanted in (('sockets', ['BPF', 'NET_ADMIN', 'NET_RAW']),
                                ('kernel', ['BPF', 'IPC_LOCK', 'NET_ADMIN', 'NET_RAW', 'PERFMON'])):
            contexts = self.contexts(f'services.mediaRelay.capabilities={setting}')
            own = contexts.pop(RELAY)
            self.assertEqual(own['capabilities'].replace(' ', ''),
                             '{drop:[ALL],add:' + json.dumps(wanted).replace(' ', '') + '}')
            self.assertEqual(own['runAsUser'], '0')
            self.assertEqual(own['runAsNonRoot'], 'false')
            self.assertEqual(own['allowPrivilegeEscalation'], 'false')
            self.assertEqual(own['readOnlyRootFilesystem'], 'true')
            for name, context in contexts.items():
                self.assertEqual(context['capabilities'], '{drop: [ALL]}', name)

    def test_every_service_learns_of_fips_mode(self):
        """IMP-66, IMP-72: from capf, also where cert-manager renews."""
        for values, only_report in (((), True), (('certificateRenewal.enabled=true',), None)):
            status, text = render(*values)
            self.assertEqual(status, 0, text)
            found = servers(text)
            self.assertEqual(len(found), 5)
            for name, server in found.items():
                self.assertEqual(server['fips'], {'integrityFile': '/sallyport/service.sha256'}, name)
                if name == 'sallyport-capf':
                    continue
                renewal = server['certificateRenewal']
                self.assertEqual(renewal['capf']['target'], 'dns:///sallyport-capf:7005', name)
                self.assertEqual(renewal.get('onlyReport'), only_report, name)
                # The folder is on the claim, so that the mode outlives the pod.
                self.assertTrue(renewal['folder'].startswith('/var/lib/sallyport/'), name)
        status, text = render('fips.follow=false', 'fips.integrityFile=')
        self.assertEqual(status, 0, text)
        for name, server in servers(text).items():
            self.assertNotIn('certificateRenewal', server, name)
            self.assertNotIn('fips', server, name)

    def test_capfs_keys_are_encrypted_as_a_secret_says(self):
        status, text = render()
        self.assertEqual(status, 0, text)
        self.assertIn('secret: {secretName: sallyport-capf-passphrase, defaultMode: 0440}', text)
        status, text = render('services.capf.passphraseSecret=null')
        self.assertNotEqual(status, 0, 'none')
        status, text = render('services.capf.passphraseSecret=capf-passphrase')
        self.assertEqual(status, 0, text)
        self.assertIn('{name: passphrase, secret: {secretName: capf-passphrase, defaultMode: 0440}}', text)
        self.assertIn('{name: passphrase, mountPath: /etc/sallyport/passphrase, readOnly: true}', text)
        self.assertIn('"passphraseFile": "/etc/sallyport/passphrase/passphrase"', text)
        self.assertIn('"keyFile": "/var/lib/sallyport/keys/ca.key"', text)
        status, text = render('services.dialplan.passphraseSecret=x')
        self.assertNotEqual(status, 0)

    def test_other_settings_are_refused(self):
        for wrong in ('services.mediaRelay.capabilities=all', 'services.capf.capabilities=kernel'):
            status, text = render(wrong)
            self.assertNotEqual(status, 0, wrong)
            self.assertIn('capabilities', text)


if __name__ == '__main__':
    sys.exit(unittest.main())
