"""Free ports on loopback, for the peers that cannot bind port 0."""

import socket


def free_ports(count, kind=socket.SOCK_STREAM):
    """`count` different ports that were free a moment ago."""
    held = []
    try:
        for _ in range(count):
            s = socket.socket(socket.AF_INET, kind)
            s.bind(('127.0.0.1', 0))
            held.append(s)
        return [s.getsockname()[1] for s in held]
    finally:
        for s in held:
            s.close()


def free_port_pair():
    """An even UDP port whose successor is free too (RTP and RTCP)."""
    while True:
        port = free_ports(1, socket.SOCK_DGRAM)[0] & ~1
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, \
                    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
                a.bind(('127.0.0.1', port))
                b.bind(('127.0.0.1', port + 1))
                return port
        except OSError:
            continue
