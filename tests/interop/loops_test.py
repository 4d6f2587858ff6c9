#!/usr/bin/env python3
"""One edge on three loops (design.md section 6): the kernel gives each
connection, and each UDP address, to any of them, and it must not matter to
which. Every message of a call goes by another connection; phones register at
one loop and are called from all; lists, metrics and limits are the edge's."""

import asyncio
import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, os.getcwd())

from tests.harness import configs, plans  # noqa: E402
from tests.harness.case import main  # noqa: E402
from tests.harness.cluster import DOMAIN, SERVICES  # noqa: E402
from tests.harness.process import Process  # noqa: E402
from tests.harness.sip import digest  # noqa: E402
from tests.harness.spray import (  # noqa: E402
    SDP, Message, Pool, many, message, read_messages, respond)
from tests.harness.spray_case import SprayCase  # noqa: E402

LOOPS = 3
CALLS = 300
CONNECTIONS_PER_SOURCE = 60
NARROW = 7  # calls that a peer may have
USERS = ('2001', '2002', '2003', '2004')


class Phone:
    """One TCP connection, or UDP address, that registers and answers calls."""

    def __init__(self, edge, source, user, instance=None):
        self.edge, self.source, self.user = edge, source, user
        self.instance = instance
        self.call_id = os.urandom(8).hex()
        self.cseq = 0
        self.answers = asyncio.Queue()
        self.calls = 0

    async def connect(self, transport='TCP'):
        self.transport = transport
        if transport == 'UDP':
            loop, phone = asyncio.get_event_loop(), self

            class Socket(asyncio.DatagramProtocol):
                def datagram_received(self, data, address):
                    phone.on_message(Message(data.decode()), None)
            self.endpoint, _ = await loop.create_datagram_endpoint(
                Socket, local_addr=(self.source, 0), remote_addr=(self.edge, 5060))
            self.port = self.endpoint.get_extra_info('sockname')[1]
            self.write = lambda text: self.endpoint.sendto(text.encode())
            self.close = self.endpoint.close
            return
        reader, writer = await asyncio.open_connection(self.edge, 5060, local_addr=(self.source, 0))
        self.port = writer.get_extra_info('sockname')[1]
        self.write = lambda text: writer.write(text.encode())
        self.close = writer.close
        asyncio.ensure_future(read_messages(reader, self.on_message))

    def on_message(self, m, _=None):
        if m.code:
            if m.code >= 200 and m.cseq[1] == 'REGISTER':
                self.answers.put_nowait(m)
            return
        contact = f'Contact: <sip:{self.user}@{self.source}:{self.port};transport={self.transport.lower()}>'
        if m.method == 'INVITE':
            self.calls += 1
            self.write(respond(m, 200, 'OK', 'phone', [contact], SDP.format(ip=self.source, port=6002)))
        elif m.method != 'ACK':
            self.write(respond(m, 200, 'OK'))

    async def register(self, expires=600, answer=None):
        """The final code; `answer` is presented at once, if it is given."""
        authorization = [answer] if answer else []
        for _ in range(1 if answer else 2):
            self.cseq += 1
            uri, who = f'sip:{DOMAIN}', f'<sip:{self.user}@{DOMAIN}>'
            instance = f';+sip.instance="<urn:uuid:{self.instance}>"' if self.instance else ''
            self.write(message(f'REGISTER {uri} SIP/2.0', [
                f'Via: SIP/2.0/{self.transport} {self.source}:{self.port};'
                f'branch=z9hG4bK{os.urandom(6).hex()};rport',
                'Max-Forwards: 70', f'From: {who};tag={os.urandom(4).hex()}', f'To: {who}',
                f'Call-ID: {self.call_id}', f'CSeq: {self.cseq} REGISTER', f'Expires: {expires}',
                f'Contact: <sip:{self.user}@{self.source}:{self.port};'
                f'transport={self.transport.lower()}>{instance}', *authorization]))
            answer = await asyncio.wait_for(self.answers.get(), 5)
            if answer.code != 401:
                return answer.code
            value = answer['www-authenticate']
            got = dict(re.findall(r'(\w+)="([^"]*)"', value))
            response = digest('MD5', digest('MD5', self.user, got['realm'], f'a-password-of-{self.user}'),
                              got['nonce'], '00000001', 'c', 'auth', digest('MD5', 'REGISTER', uri))
            authorization = [f'Authorization: Digest username="{self.user}", realm="{got["realm"]}", '
                             f'nonce="{got["nonce"]}", uri="{uri}", response="{response}", cnonce="c", '
                             'nc=00000001, qop=auth, algorithm=MD5']
            self.authorization = authorization[0]
        return 401


class LoopsTest(SprayCase):

    ways = LOOPS

    @classmethod
    def prepare(cls):
        cluster = cls.cluster
        cls.edge = cluster.host('signaling_edge')
        cls.open_door(cls.edge)
        cluster.make_pki()
        configs.write_all(cluster, unlimited=True)
        conf = configs.read(cluster, 'signaling_edge')
        conf['loops'] = LOOPS
        conf['limits']['max_connections_per_source'] = CONNECTIONS_PER_SOURCE
        cluster.write_config('signaling_edge', conf)
        for name in SERVICES:
            cluster.start_service(name)
        cls.demo.provision()
        cls.follow('TCP')

    @classmethod
    def follow(cls, transport):
        """The plan with the caller by this transport."""
        cls.apply(
            plans.peer('narrow', f'{cls.cluster.network}.24', 5070, 'TCP', 'IP_GATEWAY', max_calls=NARROW),
            plans.route('narrow', 7, 'narrow'),
            *(plans.user(user, DOMAIN, f'a-password-of-{user}', digest_algorithm='DIGEST_ALGORITHM_MD5')
              for user in USERS), transport=transport, calls=False)

    def metric(self, name):
        return self.metric_at(self.edge, name)

    def wait_idle(self):
        self.cluster.wait_for(lambda: self.metric('active_calls') == 0, 'all calls are over', 10)

    def live_calls(self):
        return [c for c in self.cluster.items('calls', '--limit', '1000')
                if c.get('state') not in ('CALL_STATE_ENDED', 'ENDED')]

    # --------------------------------------------------------------- calls

    def spray(self, source, port, tls, calls):
        time.sleep(2)  # metrics follow once a second
        before, begun = self.metric('handed_over_total'), self.metric('calls_total')
        self.sprayed(source, port, tls, calls)
        self.wait_idle()
        # The metrics are of all loops: two messages of three were another's.
        self.cluster.wait_for(lambda: self.metric('calls_total') - begun == calls, 'all calls are counted', 5)
        self.assertGreater(self.metric('handed_over_total') - before, calls)

    def test_calls_sprayed_over_tcp(self):
        self.spray(self.caller_ip, 5060, None, CALLS)

    def test_calls_sprayed_over_mutual_tls(self):
        self.spray(f'{self.cluster.network}.23', 5061, self.gateway_tls(), CALLS // 2)

    def test_sipp_with_a_udp_address_for_each_call(self):
        self.follow('UDP')
        self.addCleanup(self.follow, 'TCP')
        uas = Process('uas', ['sipp', '-sn', 'uas', '-i', self.called_ip, '-p', '5070', '-t', 't1', '-nostdin'],
                      self.cluster.path('log', 'uas.log')).start()
        self.addCleanup(uas.stop)
        done = subprocess.run(
            ['sipp', '-sn', 'uac', '-s', '85551234', '-i', self.caller_ip, '-p', '5065', '-t', 'un', '-r', '50',
             '-m', '200', '-d', '100', '-max_socket', '500', '-nostdin', '-timeout', '60s', f'{self.edge}:5060'],
            capture_output=True, text=True, errors='replace', timeout=90, cwd=self.cluster.folder)
        self.assertEqual(done.returncode, 0, done.stdout[-1500:])
        self.wait_idle()

    def test_a_plan_that_changes_under_calls_costs_none(self):
        async def run():
            called, caller = await self.called(), await self.caller()
            calls = asyncio.ensure_future(many(caller, self.numbers(200), at_once=20, hold=0.1))
            changes = 0
            while not calls.done():
                await asyncio.get_event_loop().run_in_executor(None, self.follow, 'TCP')
                changes += 1
            ends = await calls
            await self.end(caller, called)
            return ends, changes
        (well, wrong), changes = asyncio.run(run())
        self.assertEqual((well, wrong[:5]), (200, []))
        self.assertGreater(changes, 0)

    # ------------------------------------------------------------- transfers

    def test_an_attended_transfer_joins_calls_of_different_loops(self):
        """Two calls of one party, each at the loop that its INVITE came to:
        REFER with Replaces makes one call of their far sides, and what these
        send then, by any connection, still finds it."""
        pairs = 18

        async def run():
            called, caller = await self.called(), await self.caller()
            said = await self.join(caller, called, pairs)
            await self.end(caller, called)
            return said, called
        before = self.metric('handed_over_total')
        said, called = asyncio.run(run())
        self.assertEqual({end.split()[1] for end in said}, {'200'}, said)
        self.assertEqual((called.hung_up, called.byes, called.failed), (pairs, pairs, []))
        self.assertGreater(self.metric('handed_over_total'), before)
        self.wait_idle()

    def test_an_attended_transfer_of_no_call_is_refused(self):
        async def run():
            called, caller = await self.called(), await self.caller()
            ends = [await self.join_with_a_stranger(caller) for _ in range(4)]
            await self.end(caller, called)
            return ends
        ends = asyncio.run(run())
        self.assertEqual([end for end in ends if ' 200 ' in end], [])
        self.wait_idle()

    # -------------------------------------------------------- registrations

    def registered(self, user=None):
        return [r for r in self.cluster.items('registrations')
                if user is None or r.get('user', '').endswith('/' + user)]

    def test_a_phone_is_called_from_any_loop(self):
        async def run():
            phones = []
            for i, user in enumerate(USERS):
                phone = Phone(self.edge, f'{self.cluster.network}.27', user)
                await phone.connect('UDP' if i % 2 else 'TCP')
                phones.append((phone, await phone.register()))
            listed = await asyncio.get_event_loop().run_in_executor(None, self.registered)
            caller = await self.caller()
            ends = await many(caller, list(USERS) * 15, at_once=12)
            codes = [code for _, code in phones]
            gone = [await phone.register(expires=0) for phone, _ in phones]
            await self.end(caller, *(phone for phone, _ in phones))
            return codes, listed, ends, [phone.calls for phone, _ in phones], gone
        codes, listed, (well, wrong), calls, gone = asyncio.run(run())
        self.assertEqual((codes, gone), ([200] * 4, [200] * 4))
        self.assertEqual(sorted(r['user'][-4:] for r in listed if r['user'][-4:] in USERS), sorted(USERS))
        self.assertEqual((well, wrong[:5]), (60, []))
        self.assertEqual(calls, [15] * 4)
        self.assertEqual([r for r in self.registered() if r['user'][-4:] in USERS], [])

    def test_a_phone_that_moves_between_loops_is_one_phone(self):
        """Ten connections of one instance, one after the other: each takes the
        registration over, whichever loop had it."""
        async def run():
            phones = []
            for _ in range(10):
                phone = Phone(self.edge, f'{self.cluster.network}.27', '2001', 'a1')
                await phone.connect()
                self.assertEqual(await phone.register(), 200)
                phones.append(phone)
            await asyncio.sleep(0.2)
            listed = await asyncio.get_event_loop().run_in_executor(None, self.registered, '2001')
            caller = await self.caller()
            before = await many(caller, ['2001'] * 12)
            # The connections that lost it end, then the one that has it.
            for phone in phones[:-1]:
                phone.close()
            await asyncio.sleep(0.2)
            between = await many(caller, ['2001'] * 6)
            calls = [phone.calls for phone in phones]
            phones[-1].close()
            await asyncio.sleep(0.3)
            after = await many(caller, ['2001'] * 6)
            left = await asyncio.get_event_loop().run_in_executor(None, self.registered, '2001')
            await self.end(caller)
            return listed, before, between, calls, after, left
        listed, before, between, calls, after, left = asyncio.run(run())
        self.assertEqual(len(listed), 1, listed)
        self.assertEqual((before, between), ((12, []), (6, [])))
        self.assertEqual(calls, [0] * 9 + [18])
        self.assertEqual(after[0], 0)
        self.assertEqual({end.split()[1] for end in after[1]}, {'480'}, after)
        self.assertEqual(left, [])

    def test_an_answer_to_a_challenge_is_taken_once_by_all_loops(self):
        """Who has read it on the way presents it at every loop, at once and
        again."""
        async def run():
            phone = Phone(self.edge, f'{self.cluster.network}.27', '2002')
            await phone.connect()
            code = await phone.register()
            thieves = [Phone(self.edge, f'{self.cluster.network}.27', '2002') for _ in range(8 * LOOPS)]
            for thief in thieves:
                await thief.connect()
            stolen = await asyncio.gather(*(t.register(answer=phone.authorization) for t in thieves))
            gone = await phone.register(expires=0)
            await self.end(phone, *thieves)
            return code, stolen, gone
        self.assertEqual(asyncio.run(run()), (200, [401] * (8 * LOOPS), 200))

    # --------------------------------------------------------------- limits

    def test_a_peers_calls_are_counted_over_all_loops(self):
        async def run():
            narrow, caller = await self.called(f'{self.cluster.network}.24'), await self.caller()
            ends = await many(caller, ['7555001'] * 30, at_once=30, hold=2.0)
            await asyncio.sleep(1.5)  # until the called, too, have answered the last BYE
            again = await many(caller, ['7555001'] * NARROW, at_once=NARROW, hold=0.5)
            await self.end(caller, narrow)
            return ends, again
        (well, wrong), again = asyncio.run(run())
        self.assertEqual(well, NARROW, wrong)
        self.assertEqual(again, (NARROW, []))

    def open_connections(self):
        return self.cluster.cli('get', 'status', '-o', 'json')['signaling_edge'].get('connections', 0)

    def test_connections_of_a_source_are_counted_over_all_loops(self):
        async def open_some(count):
            pool = Pool((self.edge, 5060), f'{self.cluster.network}.29', lambda m, w: None)
            await pool.open(count)
            await asyncio.sleep(0.5)
            left = len(pool.writers)
            status = await asyncio.get_event_loop().run_in_executor(None, self.open_connections)
            pool.close()
            await asyncio.sleep(0.5)
            return left, status

        async def run():
            return await open_some(CONNECTIONS_PER_SOURCE + 30), await open_some(CONNECTIONS_PER_SOURCE)
        before = self.open_connections()
        (first, status), (second, _) = asyncio.run(run())
        self.assertEqual((first, second), (CONNECTIONS_PER_SOURCE, CONNECTIONS_PER_SOURCE))
        self.assertEqual(status, before + CONNECTIONS_PER_SOURCE)

    def test_connections_of_all_loops_are_listed(self):
        async def run():
            pool = Pool((self.edge, 5061), f'{self.cluster.network}.23', lambda m, w: None, self.gateway_tls())
            await pool.open(12 * LOOPS)
            await asyncio.sleep(0.3)
            listed = await asyncio.get_event_loop().run_in_executor(
                None, lambda: self.cluster.items('connections', '--limit', '1000'))
            pool.close()
            await asyncio.sleep(0.2)
            return [c for c in listed if f'{self.cluster.network}.23' in str(c)]
        listed = asyncio.run(run())
        self.assertEqual(len(listed), 12 * LOOPS, listed[:2])
        self.assertEqual({int(c['name'].rsplit('/', 1)[1]) >> 52 for c in listed}, set(range(LOOPS)))

    # ----------------------------------------------------------- operations

    def test_operators_reach_calls_at_every_loop(self):
        """The calls are held until the operator is done, however long that takes.
        Some 27 of 48 connections have one: by chance a loop has none of those
        once in 20 000 times."""
        async def run():
            called, caller = await self.called(), await self.caller()
            await caller.pool.open(8 * LOOPS)
            stand, looked = 0, asyncio.Event()
            all_stand = asyncio.Event()

            async def hold():
                nonlocal stand
                stand += 1
                if stand == 40:
                    all_stand.set()
                await looked.wait()
            held = asyncio.ensure_future(many(caller, ['85550001'] * 40, at_once=40, hold=hold))
            await asyncio.wait_for(all_stand.wait(), 30)
            seen = await asyncio.get_event_loop().run_in_executor(None, look)
            looked.set()
            ends = await held
            await self.end(caller, called)
            return seen, ends, called

        def look():
            calls = self.live_calls()
            loops = {int(call['name'].rsplit('/', 1)[1]) >> 52 for call in calls}
            ladders = [str(self.cluster.cli('trace', call['name'], check=False).stdout) for call in calls[::8]]
            for call in calls[:10]:
                self.cluster.cli('end-call', call['name'])
            return calls, loops, ladders, self.metric('active_calls')
        (calls, loops, ladders, _), (well, wrong), called = asyncio.run(run())
        self.assertEqual(len(calls), 40)
        self.assertEqual(loops, set(range(LOOPS)), 'calls are at all loops')
        for ladder in ladders:
            self.assertIn('INVITE', ladder)
        # Those that were ended by the operator are unknown when their caller speaks.
        self.assertEqual(well, 30, wrong)
        for end in wrong:
            self.assertIn('481', end)

    def test_z_draining_ends_at_all_loops(self):
        async def run():
            called, caller = await self.called(), await self.caller()
            held = asyncio.ensure_future(many(caller, ['85550001'] * 15, at_once=15, hold=4.0))
            await asyncio.sleep(1.5)
            started = time.monotonic()
            drain = asyncio.get_event_loop().run_in_executor(
                None, lambda: self.cluster.cli('drain', f'{self.edge}:7002', '--timeout', '20', check=False))
            await asyncio.sleep(0.7)
            fresh = await many(caller, ['85550001'] * 12)
            ends = await held
            done = await drain
            await self.end(caller, called)
            return ends, fresh, done, time.monotonic() - started
        ends, fresh, done, took = asyncio.run(run())
        self.assertEqual(ends, (15, []), 'calls that live end as they would')
        self.assertEqual(fresh[0], 0)
        self.assertEqual({end.split()[1] for end in fresh[1]}, {'503'}, fresh)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(took, 15)


if __name__ == '__main__':
    random.seed(20261122)
    main()
