#!/usr/bin/env python3
"""OPTIONS by themselves (CUC-59, CUC-60, issue 5, 5): baresips as the servers of a peer's
group go and come back, and calls go where somebody answers."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import plans  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.peers import Baresip  # noqa: E402

PEER = 'tenants/default/peers/farm'

GROUP = '''kind: ServerGroup
name: tenants/default/serverGroups/farm
spec:
  members:
    - {{host: 127.0.0.1, port: {first}, priority: 1}}
    - {{host: 127.0.0.1, port: {second}, priority: 2}}
  options_monitoring: {{enabled: true, interval: 5s, out_of_service_interval: 5s, retry_interval: 0.5s, retries: 1}}
'''


class OptionsTest(DemoCase):

    @classmethod
    def prepare(cls):
        cls.demo.start_services()
        cls.demo.provision()
        cls.farm = [cls.baresip(i) for i in range(2)]
        cls.caller = f'{cls.cluster.network}.21'
        plans.apply(cls.cluster, 'options', plans.manifest(
            plans.CLEAR, GROUP.format(first=cls.farm[0].sip_port, second=cls.farm[1].sip_port),
            plans.peer('farm', '127.0.0.1', 5060, 'TCP', server_group='tenants/default/serverGroups/farm'),
            plans.caller(cls.caller, 'TCP'), plans.route('farm', 7, 'farm')))
        cls.demo.wait_snapshot()

    @classmethod
    def baresip(cls, number):
        return Baresip(cls.cluster.folder, f'farm{number}',
                       '<sip:1234@127.0.0.1:{port};transport=tcp>;regint=0;answermode=auto',
                       media_ports=(32000 + 200 * number, 32199 + 200 * number)).start()

    @classmethod
    def tearDownClass(cls):
        for each in cls.farm:
            each.process.kill()
        super().tearDownClass()

    def destinations(self):
        """Of the peer's state: port to whether it is up; and the peer itself."""
        for state in self.cluster.items('trunks'):
            if state['peer'] == PEER:
                return ({each['address']['port']: each.get('up', False) for each in state.get('destinations', [])},
                        state.get('inService', False), state.get('reason', ''))
        return {}, None, ''

    def service(self):
        """The trunk's status, and since when (CUC-60)."""
        state = next(s for s in self.cluster.items('trunks') if s['peer'] == PEER)
        return state.get('service'), state.get('serviceTime')

    def wait_for(self, wanted, in_service):
        ports = dict(zip((each.sip_port for each in self.farm), wanted))
        self.cluster.wait_for(lambda: self.destinations()[:2] == (ports, in_service),
                              f'the servers are {wanted}', 40)

    def call(self):
        """One call by sipp: whether it was answered, and seconds until it ended."""
        start = time.monotonic()
        done = subprocess.run(
            ['sipp', '-sn', 'uac', '-s', '71234', '-i', self.caller, '-p', '5065', '-t', 't1', '-m', '1',
             '-d', '200', '-nostdin', '-timeout', '20s', f'{self.cluster.host("signaling_edge")}:5060'],
            capture_output=True, timeout=40, cwd=self.cluster.folder)
        return done.returncode == 0, time.monotonic() - start

    def test_servers_go_and_come_back(self):
        self.wait_for((True, True), True)
        full, since = self.service()
        self.assertEqual(full, 'TRUNK_SERVICE_FULL_SERVICE')
        self.assertTrue(since)
        # CUC-59, CUC-60: of a trunk whose keepalive is off nothing is known.
        other = next(s for s in self.cluster.items('trunks') if s['peer'] != PEER)
        self.assertEqual((other['service'], other.get('serviceTime')), ('TRUNK_SERVICE_UNKNOWN', None))
        self.farm[0].process.kill()
        # Nobody has been asked since: the connection that was refused sends the
        # call to the next server at once.
        answered, took = self.call()
        self.assertTrue(answered)
        self.assertLess(took, 5)
        self.wait_for((False, True), True)
        partial, later = self.service()
        self.assertEqual(partial, 'TRUNK_SERVICE_PARTIAL_SERVICE')
        self.assertGreater(later, since)
        self.assertTrue(self.call()[0])
        self.farm[1].process.kill()
        self.wait_for((False, False), False)
        self.assertEqual(self.service()[0], 'TRUNK_SERVICE_NO_SERVICE')
        self.assertEqual(self.destinations()[2], 'CONNECT_FAILED')
        events = [(each['type'], each.get('reason', '')) for each in self.cluster.items('events')
                  if each.get('peer', each.get('resource')) == PEER]
        self.assertIn(('EVENT_TYPE_PEER_DOWN', 'CONNECT_FAILED'), events)
        self.assertFalse(self.call()[0])
        self.farm[1].process.start()
        self.wait_for((False, True), True)
        self.assertTrue(self.call()[0])
        self.drain()

    def drain(self):
        """The edge takes no new call and tells when the live one is over."""
        live = subprocess.Popen(
            ['sipp', '-sn', 'uac', '-s', '71234', '-i', self.caller, '-p', '5066', '-t', 't1', '-m', '1',
             '-d', '3000', '-nostdin', '-timeout', '20s', f'{self.cluster.host("signaling_edge")}:5060'],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.cluster.folder)
        try:
            self.cluster.wait_for(lambda: any(each.get('state') == 'CALL_STATE_ANSWERED'
                                              for each in self.cluster.items('calls')), 'a call is live', 10)
            text = self.cluster.cli('drain', f'{self.cluster.host("signaling_edge")}:7002', check=False).stdout
            self.assertIn('1 calls and ', text)
            self.assertEqual(text.splitlines()[-1], 'done')
            self.assertEqual(live.wait(20), 0)
        finally:
            live.kill()
        self.assertFalse(self.call()[0])


if __name__ == '__main__':
    main()
