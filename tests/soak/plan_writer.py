#!/usr/bin/python3
"""Changes a peer's description for each line of its input, and answers it.

    plan_writer.py TARGET PKI_FOLDER PEER

Run by the system's Python, which has grpcio.
"""

import os
import sys

import grpc

METHOD = '/sallyport.dialplan.v1.DialplanService/UpdatePeer'


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def field(number, octets):
    """A length-delimited field; nothing here is as long as 128 octets."""
    assert len(octets) < 128
    return bytes([number << 3 | 2, len(octets)]) + octets


def main():
    target, pki, peer = sys.argv[1:]
    credentials = grpc.ssl_channel_credentials(*(read(os.path.join(pki, name)) for name in (
        'ca.pem', 'operator.key', 'operator.pem')))
    with grpc.secure_channel(target, credentials,
                             options=[('grpc.ssl_target_name_override', 'dialplan')]) as channel:
        update = channel.unary_unary(METHOD)
        for line in sys.stdin:
            # UpdatePeerRequest: the peer (name, description), the mask (paths).
            update(field(1, field(1, peer.encode()) + field(3, line.strip().encode()))
                   + field(2, field(1, b'description')), timeout=30)
            print('ok', flush=True)


if __name__ == '__main__':
    main()
