#!/usr/bin/env python3
"""Two aioice connections that talk through a TURN server's relayed addresses.

usage: aioice_client.py udp|tcp|tls PORT USER PASSWORD

Prints "exchanged N" when all messages came both ways.
"""

import asyncio
import ssl
import sys

import aioice

MESSAGES = 50


class Relayed(aioice.Connection):
    """Nothing but the relayed candidate is told to the far side."""

    @property
    def relayed_candidates(self):
        return [c for c in self.local_candidates if c.type == 'relay']


async def talk(transport, port, user, password):
    context = False
    if transport == 'tls':
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    options = {'turn_server': ('127.0.0.1', port), 'turn_username': user,
               'turn_password': password, 'turn_ssl': context,
               'turn_transport': 'udp' if transport == 'udp' else 'tcp'}
    left = Relayed(ice_controlling=True, **options)
    right = Relayed(ice_controlling=False, **options)
    await asyncio.gather(left.gather_candidates(), right.gather_candidates())
    for one, other in ((left, right), (right, left)):
        if not one.relayed_candidates:
            raise SystemExit('no relayed candidate')
        for candidate in one.relayed_candidates:
            await other.add_remote_candidate(candidate)
        await other.add_remote_candidate(None)
        other.remote_username = one.local_username
        other.remote_password = one.local_password
    await asyncio.gather(left.connect(), right.connect())
    for i in range(MESSAGES):
        message = f'message {i}'.encode()
        await left.send(message)
        await right.send(message)
        assert await left.recv() == message
        assert await right.recv() == message
    await left.close()
    await right.close()
    print(f'exchanged {2 * MESSAGES}')


if __name__ == '__main__':
    asyncio.run(asyncio.wait_for(
        talk(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]), 25))
