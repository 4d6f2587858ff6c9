#!/usr/bin/env python3
"""Who reads the logs of the five services has stopped: a pipe that was full
before they began. Calls and media go on, without loss and without delay; what
is not written is counted; and when somebody reads again the logs go on."""

import os
import re
import sys
import urllib.request

sys.path.insert(0, os.getcwd())

from tests.harness import configs  # noqa: E402
from tests.harness.case import DemoCase, main  # noqa: E402
from tests.harness.cluster import SERVICES, find_binary  # noqa: E402
from tests.harness.demo import DIALLED, DOMAIN  # noqa: E402
from tests.harness.peers import turn_client  # noqa: E402
from tests.harness.process import Process, StuckPipe  # noqa: E402

# Less than what the edge and the relay log here; a record of a session fits.
QUEUE = {'signaling_edge': 3000, 'media_relay': 4096}
ENDED = 'a media session ended'
DROPPED = 'lines of the log were dropped'


class BlockedLogTest(DemoCase):

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cluster.make_pki()
        configs.write_all(cluster)
        cls.pipes = {}
        for name in SERVICES:
            config = configs.read(cluster, name)
            if name in QUEUE:
                config['server']['log_queue_bytes'] = QUEUE[name]
            path = cluster.write_config(name, config)
            cls.pipes[name] = StuckPipe()
            cluster.processes[name] = Process(
                name, [find_binary(name), '--config=' + path], cluster.path('log', name + '.log'),
                stuck=cls.pipes[name])
            cluster.start_service(name)
        cls.demo.provision()
        cls.demo.enroll()
        cls.demo.start_user_agents()

    def dropped(self, name):
        with urllib.request.urlopen(f'http://{self.cluster.host(name)}:9464/metrics', timeout=5) as answer:
            text = answer.read().decode()
        self.assertIn('sallyport_service_log_lines_dropped_total{reason="refused"} 0\n', text)
        return int(re.search(
            r'(?m)^sallyport_service_log_lines_dropped_total\{reason="blocked"\} (\d+)$', text).group(1))

    def short_call(self):
        phone, gateway = self.demo.phone, self.demo.gateway
        answered = len(gateway.seen('CALL_ESTABLISHED'))
        phone.dial(f'sip:{DIALLED}@{DOMAIN}')
        gateway.wait_event('CALL_ESTABLISHED', 'the gateway has the call', count=answered + 1)
        phone.hang_up()
        gateway.wait_event('CALL_CLOSED', 'the gateway sees its end', count=answered + 1)

    def until(self, name, step):
        """Does what makes `name` log until its queue is full."""
        for _ in range(12):
            if self.dropped(name):
                return
            step()
        self.fail(f'{name} has dropped nothing')

    def relayed(self):
        """By coturn's client through an allocation, and back."""
        credential = self.cluster.cli('issue-credential', '--subject', 'blocked', '-o', 'json')
        result = turn_client((self.cluster.host('media_relay'), 3478), credential['username'],
                             credential['password'], credential['realm'], messages=200)
        self.assertEqual((result['lost'], result['received']), (0, result['sent']), result['text'][-1000:])
        delay = re.search(r'Average round trip delay ([\d.]+) ms', result['text'])
        self.assertLess(float(delay.group(1)), 50, result['text'][-1000:])

    def added_delay(self):
        """Of a call, both of whose sides hear all of it, while an allocation's
        client hears its peer: the 99th percentile in seconds, from the kernel's
        stamp of arrival on."""
        self.demo.call(during=self.relayed)
        delays = []
        for leg in ('legA', 'legB'):
            statistics = self.demo.facts['session'][leg]['statistics']
            self.assertGreater(int(statistics['packetsReceived']), 500)
            self.assertEqual(int(statistics.get('packetsLost', 0)), 0)
            delays.append(float(statistics['addedDelayP99'].rstrip('s')))
        return max(delays)

    def lines(self, name, message):
        return [line for line in self.cluster.log_lines(name) if line['msg'] == message]

    def test_calls_and_media_go_on_and_the_logs_after_them(self):
        self.until('media_relay', self.short_call)
        self.until('signaling_edge', self.demo.wrong_name)
        before = {name: self.dropped(name) for name in QUEUE}
        # A loop that waits for a reader of its log would show in every call, a
        # machine that is busy with other things in some.
        delays = []
        while not delays or delays[-1] >= 0.02 and len(delays) < 3:
            delays.append(self.added_delay())
        self.assertLess(delays[-1], 0.02, delays)
        self.demo.refusals()
        self.cluster.wait_for(
            lambda: all(self.dropped(name) > before[name] for name in QUEUE), 'more is dropped', 10)

        blocked = {name: self.dropped(name) for name in SERVICES}
        for name in SERVICES:
            self.pipes[name].resume(self.cluster.processes[name].log)
        for name in SERVICES:
            self.cluster.wait_for(lambda: self.lines(name, 'service ready'), f'{name} is read again', 10)
        for name in QUEUE:
            told = self.cluster.wait_for(lambda: self.lines(name, DROPPED), f'{name} says so', 10)
            self.assertEqual([(line['blocked'], line['refused']) for line in told],
                             [(blocked[name], 0)])
            self.assertEqual(told[0]['level'], 'warning')
        records = len(self.lines('media_relay', ENDED))
        self.short_call()
        self.cluster.wait_for(lambda: len(self.lines('media_relay', ENDED)) == records + 1,
                              'a record of the session', 10)
        self.assertEqual({name: self.dropped(name) for name in SERVICES}, blocked)
        self.assertEqual(set(self.cluster.stop().values()), {0})
        for name in SERVICES:
            self.cluster.wait_for(lambda: self.lines(name, 'service ended'), f'{name} ends', 10)


if __name__ == '__main__':
    main()
