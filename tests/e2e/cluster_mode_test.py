#!/usr/bin/env python3
"""The cluster security mode of phones' trust lists and of the dial plan agree.

One procedure sets both, by itself; what dialplan refuses stops it before a
phone sees anything; each of the two shows what the other says (CCE-25).
"""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import Cluster  # noqa: E402

PLAN = '''\
kind: Tenant
name: tenants/default
spec:
  domains: [demo.sallyport.test]
  cluster_security_mode: CLUSTER_SECURITY_MODE_NON_SECURE
'''


class ClusterModeTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster = Cluster(tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR')))
        cluster.make_pki()
        configs.write_all(cluster)
        # Phones verify RSA signatures only.
        cls.manager = cluster.path('data', 'manager.pem')
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=cm1.example.test',
             '-addext', 'subjectAltName=DNS:cm1.example.test', '-keyout', cluster.path('data', 'manager.key'),
             '-out', cls.manager], check=True, capture_output=True)
        config = configs.read(cluster, 'capf')
        config['dialplan'] = cluster.client_config('dialplan')
        config['trust_lists'] = {'host': 'capf.example.test'}
        config['phone_http_address'] = f'{cluster.host("capf")}:6970'
        cluster.write_config('capf', config)
        for name in ('dialplan', 'capf'):
            cluster.start_service(name)
        path = cluster.path('conf', 'plan.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            f.write(PLAN)
        cluster.cli('apply', '-f', path)
        cluster.cli('cluster', 'set', '--call-manager', f'cm1.example.test={cls.manager}')

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def modes(self):
        shown = self.cluster.cli('cluster', 'show', '-o', 'json')
        plan = self.cluster.items_of('tenants')[0]
        return shown.get('clusterMode'), shown.get('dialplanMode'), shown.get('dialplanReason', ''), \
            plan['clusterSecurityMode']

    def procedures(self):
        return self.cluster.cli('procedure', 'list', '-o', 'json').get('procedures', [])

    def test_both_change_together(self):
        cluster = self.cluster
        self.assertEqual(self.modes(), ('non-secure', 'non-secure', '', 'CLUSTER_SECURITY_MODE_NON_SECURE'))
        # dialplan is away: it waits, and goes on by itself when it is back.
        cluster.kill('dialplan')
        done = cluster.cli('procedure', 'begin', 'mixed-mode', '--yes', '--automatic', '-o', 'json')
        self.assertTrue(done['automatic'])
        self.assertIn('DIALPLAN_UNREACHABLE', done['blockedReason'])
        shown = cluster.cli('cluster', 'show', '-o', 'json')
        self.assertEqual((shown['clusterMode'], shown['dialplanReason']), ('non-secure', 'DIALPLAN_UNREACHABLE'))
        cluster.start_service('dialplan')
        cluster.wait_for(lambda: self.procedures()[-1]['state'] == 'PROCEDURE_STATE_DONE',
                         'the procedure goes on by itself', 15)
        self.assertEqual(self.modes(), ('mixed', 'mixed', '', 'CLUSTER_SECURITY_MODE_MIXED'))

        # An operator changes one of the two: both say so.
        tenant = cluster.path('conf', 'plan2.yaml')
        with open(tenant, 'w', encoding='utf-8') as f:
            f.write(PLAN)
        cluster.cli('apply', '-f', tenant)
        self.assertEqual(self.modes(), ('mixed', 'non-secure', 'CLUSTER_MODES_DIFFER',
                                        'CLUSTER_SECURITY_MODE_NON_SECURE'))
        text = str(cluster.cli('cluster', 'show'))
        self.assertIn('which is another', text)
        threats = str(cluster.cli('threats', '-o', 'json'))
        self.assertIn("capf's trust lists tell phones that it is mixed", threats)

        # Back again, step by step, through a kill -9 in between.
        begun = cluster.cli('procedure', 'begin', 'non-secure-mode', '--yes', check=False)
        self.assertEqual(begun.returncode, 0, begun.stderr)
        cluster.kill('capf')
        cluster.start_service('capf')
        self.assertEqual(self.modes(), ('non-secure', 'non-secure', '', 'CLUSTER_SECURITY_MODE_NON_SECURE'))
        states = {p['state'] for p in self.procedures()}
        self.assertEqual(states, {'PROCEDURE_STATE_DONE'})


if __name__ == '__main__':
    main()
