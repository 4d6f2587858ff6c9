#!/usr/bin/env python3
"""CCE-63 and CCE-64 by baresip on both sides, SRTP over TLS: a caller whom no
agent can answer is in an active call and hears the prompt, an agent who becomes
ready is reserved and rung, and who answers is connected; a party on hold hears
the prompt as well. By sipp: a caller whose INVITE has no offer."""

import os
import struct
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import configs, plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN  # noqa: E402
from tests.harness.peers import Baresip  # noqa: E402
from tests.harness.process import wait_until  # noqa: E402
from tests.harness.sipp import BYE, IN_DIALOG, OK_AGAIN, SDP, SippCase, recv, request  # noqa: E402

PASSWORD = 'a-password-of-many'
CALLER, AGENT, PILOT, NARROW = '3301', '3302', '3300', '3310'
MANIFEST = '''
kind: DialPlan
name: tenants/default/dialPlans/contact
spec:
  security_mode: SECURED
  number_of_digits_in_extension: 4
  calling_search_space: everything
  music_on_hold: ramp
---
kind: Line
name: tenants/default/lines/agent
spec:
  directory_number: "{agent}"
  partition: tenants/default/partitions/default
  users: [tenants/default/users/{agent}]
---
kind: LineGroup
name: tenants/default/lineGroups/agents
spec:
  lines: [tenants/default/lines/agent]
  algorithm: HUNT_ALGORITHM_LONGEST_IDLE
---
kind: HuntList
name: tenants/default/huntLists/agents
spec:
  line_groups: [tenants/default/lineGroups/agents]
---
kind: HuntPilot
name: tenants/default/huntPilots/contact
spec:
  pattern: "{pilot}"
  partition: tenants/default/partitions/default
  hunt_list: tenants/default/huntLists/agents
  queue: {{prompt: ramp, max_callers: 5, max_wait: 300s}}
---
kind: HuntPilot
name: tenants/default/huntPilots/narrow
spec:
  pattern: "{narrow}"
  partition: tenants/default/partitions/default
  hunt_list: tenants/default/huntLists/agents
  queue: {{prompt: ramp, max_callers: 1, max_wait: 300s}}
'''


def ulaw(sample):
    """One octet of G.711 mu-law (ITU-T G.711)."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 32635) + 0x84
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0xF) & 0xFF


def linear(octet):
    bits = ~octet & 0xFF
    magnitude = ((bits & 0xF) << 3) + 0x84 << (bits >> 4 & 7)
    return (0x84 - magnitude) if bits & 0x80 else magnitude - 0x84


def make_prompt():
    """Three seconds of which no twenty milliseconds are like others."""
    out, state = [], 1
    for i in range(24000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        out.append(ulaw((state >> 16) % 4000 - 2000 + (i * 7) % 3000))
    return bytes(out)


class CallQueueTest(SippCase):

    @classmethod
    def configure(cls):
        cls.prompt = make_prompt()
        folder = cls.cluster.path('conf', 'prompts', 'ramp.pcmu')
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with open(folder, 'wb') as f:
            f.write(cls.prompt)
        relay = configs.read(cls.cluster, 'media_relay')
        cls.cluster.write_config('media_relay', {**relay, 'prompt_directory': os.path.dirname(folder)})

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        manifest = cls.cluster.path('conf', 'queue.yaml')
        with open(manifest, 'w', encoding='utf-8') as f:
            f.write(plans.manifest(MANIFEST.format(agent=AGENT, pilot=PILOT, narrow=NARROW), *(
                plans.user(user, DOMAIN, PASSWORD, 'contact', digest_algorithm='DIGEST_ALGORITHM_MD5',
                           allow_without_certificate='true') for user in (CALLER, AGENT))))
        cls.cluster.cli('apply', '-f', manifest)
        cls.demo.wait_snapshot()

    def phone(self, user, name):
        edge = self.cluster.host('signaling_edge')
        phone = Baresip(
            self.cluster.folder, name,
            f'<sip:{user}@{DOMAIN};transport=tls>;auth_user={user};auth_pass={PASSWORD}'
            f';outbound="sip:{edge}:5061;transport=tls";regint=600;answermode=auto'
            ';mediaenc=srtp-mand;audio_codecs=pcmu',
            ca=f'{self.cluster.pki}/sip-ca.pem', media_ports=(34000, 34199),
            options=('module sndfile.so', 'snd_path .'))
        phone.start()
        self.addCleanup(phone.stop)
        phone.wait_registered()
        return phone

    def heard_prompt(self, phone):
        """Whether 100 ms of the prompt came through, each sample as it is."""
        whole = struct.pack(f'<{2 * len(self.prompt)}h',
                            *[linear(octet) for octet in self.prompt + self.prompt])
        for name in os.listdir(phone.folder):
            if not name.endswith('-dec.wav'):
                continue
            with open(os.path.join(phone.folder, name), 'rb') as f:
                data = f.read()[44:]  # its header may not say yet how long it is
            for at in range(0, len(data) - 1600, 800):
                piece = data[at:at + 1600]
                if any(piece) and whole.find(piece) >= 0:
                    return True
        return False

    def calls(self, state):
        return [c for c in self.cluster.items('calls') if c.get('state') == f'CALL_STATE_{state}']

    def playback(self, call):
        """What the relay plays to the called side of the call."""
        sessions = [s for s in self.cluster.items('sessions') if s['call'] == call['name']]
        return sessions[0]['legB'].get('playback', {}) if sessions else {}

    def test_a_caller_waits_with_music_until_an_agent_is_ready(self):
        caller = self.phone(CALLER, 'caller')
        caller.dial(f'sip:{PILOT}@{DOMAIN}')
        # The call is active, and encrypted, though nobody is there.
        caller.wait_event('CALL_ESTABLISHED', 'the queue answers')
        queued = self.cluster.wait_for(lambda: self.calls('QUEUED'), 'the call is queued', 10)[0]
        self.assertEqual(queued['queue'], 'tenants/default/huntPilots/contact')
        self.assertEqual(queued['legs'][0]['mediaProtocol'], 'MEDIA_PROTOCOL_SDES_SRTP')
        wait_until(lambda: self.heard_prompt(caller), 'the caller hears the prompt', 10)
        row = self.cluster.wait_for(
            lambda: [q for q in self.cluster.items('queues') if q.get('queuePosition') == 1],
            '`sallyport queues` shows who waits', 5)[0]
        self.assertEqual(row['name'], queued['name'])

        # He is there, but not ready, until an operator says so.
        self.cluster.cli('agents', 'not-ready', AGENT)
        agent = self.phone(AGENT, 'agent')
        time.sleep(1)
        self.assertEqual(agent.seen('CALL_INCOMING'), [])
        self.cluster.cli('agents', 'ready', AGENT)
        agent.wait_event('CALL_ESTABLISHED', 'the agent is rung and answers', timeout=20)
        call = self.cluster.wait_for(lambda: self.calls('ANSWERED'), 'they are connected', 10)[0]
        self.assertTrue(call['secure'], call)
        self.assertEqual([leg['mediaProtocol'] for leg in call['legs']],
                         ['MEDIA_PROTOCOL_SDES_SRTP'] * 2)
        self.assertEqual(call['queue'], 'tenants/default/huntPilots/contact')
        self.assertGreater(float(call['queueTime'].rstrip('s')), 1.0)
        self.cluster.wait_for(lambda: not self.calls('QUEUED'), 'nobody waits any more', 5)
        wait_until(lambda: agent.heard_tone() > 0.9, 'the agent hears the caller', 10)
        time.sleep(1)

        # The caller holds: the agent hears the prompt, and then the caller again.
        # Its recorder ends with the first hold (audio_decoder_set() of baresip
        # 1.0 empties the chain of filters), so what it has heard is counted.
        self.assertEqual(self.playback(call), {})
        caller.command('hold')
        self.cluster.wait_for(lambda: self.calls('HELD'), 'the caller holds', 10)
        played = self.cluster.wait_for(lambda: int(self.playback(call).get('packets', 0)) > 100 and self.playback(call),
                                       'who is held hears the prompt', 10)
        self.assertEqual((played['prompt'], played['playing']), ('ramp', True))
        caller.command('resume')
        self.cluster.wait_for(lambda: self.calls('ANSWERED'), 'the caller goes on', 10)
        self.cluster.wait_for(lambda: not self.playback(call).get('playing'), 'the prompt ends', 5)
        time.sleep(1)
        caller.hang_up()
        agent.wait_event('CALL_CLOSED', 'the agent sees the end')
        for phone, least in ((caller, 50), (agent, 150)):
            statistics = phone.wait_statistics(0)
            self.assertGreater(statistics['received'], least, f'{phone.name}: {statistics}')
            self.assertEqual(statistics['receive_errors'], 0, f'{phone.name}: {statistics}')
        ended = [c for c in self.cluster.items('calls') if c.get('reason') == 'QUEUE_SERVED']
        self.assertEqual(len(ended), 1)

    def test_an_offer_that_comes_with_our_answer(self):
        """The answer comes in the ACK; the caller hears the prompt, and is
        connected by a re-INVITE as any other."""
        caller = self.caller(
            PILOT, request('INVITE', 1, retrans='500'), recv('100', optional='true'), recv('200', rrs='true'),
            request('ACK', 1, body=SDP, **IN_DIALOG), recv('INVITE'), OK_AGAIN, recv('ACK'),
            '<pause milliseconds="500"/>', BYE)
        queued = self.cluster.wait_for(lambda: self.calls('QUEUED'), 'the call is queued', 15)[0]

        def played():
            sessions = [s for s in self.cluster.items('sessions') if s['call'] == queued['name']]
            return sessions and int(sessions[0]['legA'].get('playback', {}).get('packets', 0)) > 50
        self.cluster.wait_for(played, 'the caller is played the prompt', 10)
        agent = self.phone(AGENT, 'agent-of-late')
        agent.wait_event('CALL_ESTABLISHED', 'the agent is rung and answers', timeout=30)
        self.finish(caller)
        agent.wait_event('CALL_CLOSED', 'the agent sees the end')

    def test_who_finds_the_queue_full(self):
        """486 for the second caller; its call is known with one leg."""
        first = self.caller(NARROW, request('INVITE', 1, body=SDP, retrans='500'), recv('100', optional='true'),
                            recv('200', rrs='true'), request('ACK', 1, **IN_DIALOG), '<pause milliseconds="4000"/>', BYE)
        queued = self.cluster.wait_for(lambda: self.calls('QUEUED'), 'the first is queued', 15)[0]
        self.finish(self.sipp('second', 21, 5066, (
            request('INVITE', 1, body=SDP, retrans='500'), recv('100', optional='true'), recv('486'),
            request('ACK', 1, to='[peer_tag_param]')), '-s', NARROW, f'{self.cluster.host("signaling_edge")}:5060'))
        refusals = [r for r in self.cluster.items('refusals') if r['reason'] == 'QUEUE_FULL']
        self.assertEqual(len(refusals), 1)
        self.assertEqual(refusals[0]['steps'][-3:], ['route: tenants/default/huntPilots/narrow', 'admission: ok',
                                                     'queue: QUEUE_FULL'])
        call = [c for c in self.cluster.items('calls') if c['name'] == refusals[0]['call']][0]
        self.assertNotEqual(call['name'], queued['name'])
        self.assertEqual((call['reason'], call['state']), ('QUEUE_FULL', 'CALL_STATE_ENDED'))
        self.assertEqual([leg['sipStatus'] for leg in call['legs']], [486])
        self.finish(first)


if __name__ == '__main__':
    main()
