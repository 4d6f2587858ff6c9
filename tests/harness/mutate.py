"""Broken messages made from good ones, the same ones for the same seed."""

import random

INTERESTING = [b'\x00', b'\xff', b'\r\n', b'\r\n\r\n', b':', b';', b'<', b'"',
               b'%00', b'%s%n', b'-1', b'4294967296', b'18446744073709551616',
               b'\x7f\xff\xff\xff', b'\xff\xff', b' ' * 64, b'A' * 2048]


def mutate(rng, seed):
    """One to six random edits of `seed`: flips, cuts, copies, insertions."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 6)):
        if not data:
            data = bytearray(rng.randbytes(16))
        kind = rng.randrange(7)
        at = rng.randrange(len(data))
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at:at + rng.randint(1, max(1, len(data) // 4))]
        elif kind == 3:
            data[at:at] = rng.choice(INTERESTING)
        elif kind == 4:
            end = min(len(data), at + rng.randint(1, 64))
            data[at:at] = data[at:end] * rng.randint(1, 4)
        elif kind == 5:
            data = data[:at]
        else:
            other = rng.randrange(len(data))
            data[at], data[other] = data[other], data[at]
    return bytes(data[:60000])


def mutations(seeds, count, seed_number=20261):
    """`count` mutated messages drawn from all `seeds`."""
    rng = random.Random(seed_number)
    for _ in range(count):
        yield mutate(rng, rng.choice(seeds))
