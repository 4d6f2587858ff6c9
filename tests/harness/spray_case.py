"""What tests begin with whose parties send each message by another connection:
to several edges, or to several loops of one."""

import asyncio
import re
import ssl
import subprocess

from tests.harness import plans
from tests.harness.case import DemoCase
from tests.harness.cluster import DOMAIN
from tests.harness.spray import Called, Caller, Pool, many


class SprayCase(DemoCase):
    """`ways` there are to be served; `each` as many connections has a caller."""

    ways = 3
    each = 8

    @classmethod
    def open_door(cls, door):
        """`door` is the address that all of them connect to."""
        cls.door = door
        cls.caller_ip, cls.called_ip = f'{cls.cluster.network}.21', f'{cls.cluster.network}.22'

    @classmethod
    def apply(cls, *more, transport='TCP', **caller):
        """The plan: the caller may transfer, and reaches the called with an 8."""
        plans.apply(cls.cluster, 'spray', plans.manifest(
            plans.CLEAR, plans.GATEWAY, plans.profile('transfers', accept_replaces_header='true'),
            plans.caller(cls.caller_ip, transport,
                         trunk_security_profile='tenants/default/trunkSecurityProfiles/transfers', **caller),
            plans.called(cls.called_ip, 'TCP'), plans.route('called', 8, 'called'), *more))
        cls.demo.wait_snapshot()

    @staticmethod
    def metric_at(host, name):
        """Of the edge there, the sum of all labels."""
        done = subprocess.run(['curl', '-s', f'http://{host}:9464/metrics'], capture_output=True, text=True)
        return sum(float(line.split()[-1]) for line in done.stdout.splitlines()
                   if re.match(rf'sallyport_signaling_edge_{name}[ {{]', line))

    def gateway_tls(self):
        context = ssl.create_default_context(cafile=f'{self.cluster.pki}/sip-ca.pem')
        context.load_cert_chain(f'{self.cluster.pki}/gateway.pem', f'{self.cluster.pki}/gateway.key')
        return context

    def pool(self, source, port=5060, tls=None, seed=1):
        return lambda on_message: Pool((self.door, port), source, on_message, tls, seed=seed)

    async def called(self, ip=None):
        called = Called(ip or self.called_ip, 5070, self.pool(ip or self.called_ip))
        await called.start()
        await called.pool.open(2 * self.ways)
        return called

    async def caller(self, source=None, port=5060, tls=None):
        source = source or self.caller_ip
        caller = Caller(source, self.pool(source, port, tls), DOMAIN, 'TLS' if tls else 'TCP')
        await caller.pool.open(self.each * self.ways)
        return caller

    @staticmethod
    async def end(*parties):
        await asyncio.sleep(0.2)
        for party in parties:
            getattr(party, 'pool', party).close()
            if hasattr(party, 'server'):
                party.close()
        await asyncio.sleep(0.1)

    @staticmethod
    def numbers(count):
        """Of ten, one is cancelled and two are ended by the called."""
        return [f'8555{i:04d}{"1234567895"[i % 10]}' for i in range(count)]

    def sprayed(self, source, port, tls, calls):
        """All of them end as they should."""
        async def run():
            called, caller = await self.called(), await self.caller(source, port, tls)
            ends = await many(caller, self.numbers(calls))
            await self.end(caller, called)
            return (*ends, called)
        well, wrong, called = asyncio.run(run())
        self.assertEqual((well, wrong[:5]), (calls, []))
        self.assertEqual((called.cancelled, called.hung_up, called.failed), (calls // 10, calls // 5, []))

    async def join(self, caller, called, pairs):
        """Attended transfers: REFER with Replaces makes one call of the far sides
        of two, and what these send then still finds it. What each was told."""
        said = []
        for _ in range(pairs):
            known = set(called.calls)
            first, second = await caller.answered('85551231'), await caller.answered('85551232')
            said.append(await caller.transfer(first, second))
            await asyncio.sleep(0.1)
            legs = [leg for call_id, leg in called.calls.items() if call_id not in known]
            self.assertEqual(len(legs), 2, 'the far sides are left')
            called.hang_up(*legs[-1])
            for _ in range(60):
                if len(set(called.calls) - known) < 2:
                    break
                await asyncio.sleep(0.05)
            called.calls = {call_id: leg for call_id, leg in called.calls.items() if call_id in known}
        return said

    @staticmethod
    async def join_with_a_stranger(caller):
        """A dialog of another's tag is not to be had, wherever it is."""
        first, second = await caller.answered('85551231'), await caller.answered('85551232')
        said = await caller.transfer(first, dict(second, tag='another'))
        for call in (first, second):
            caller.pool.send(caller.request(call, 'BYE', 20, call['uri']))
            await caller.answer(call['queue'], 'BYE')
        return said
