#!/usr/bin/env python3
"""Asks a dialplan's port by grpcio, for decisions_test.

    grpcio_client.py TARGET CA CERTIFICATE KEY QUESTION

QUESTION is a file with the octets of a ResolveRouteRequest.
"""

import sys

import grpc

SERVICE = '/sallyport.dialplan.v1.DialplanService/'


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def varint(value):
    out = b''
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def main():
    target, ca, certificate, key, question = sys.argv[1:]
    question = read(question)
    credentials = grpc.ssl_channel_credentials(read(ca), read(key), read(certificate))
    with grpc.secure_channel(target, credentials,
                             options=[('grpc.ssl_target_name_override', 'dialplan.test')]) as channel:
        resolve = channel.unary_unary(SERVICE + 'ResolveRoute')
        answers = {resolve(question, timeout=10) for _ in range(100)}
        # All at once.
        futures = [resolve.future(question, timeout=10) for _ in range(100)]
        answers |= {future.result() for future in futures}
        assert len(answers) == 1, answers
        print('unary 200 alike')

        # ResolveRoutesRequest: field 1, the questions.
        request = b'\x0a' + varint(len(question)) + question
        routes = channel.stream_stream(SERVICE + 'ResolveRoutes')
        answers = list(routes(iter([request] * 200), timeout=10))
        assert len(answers) == 200 and len(set(answers)) == 1, answers
        print('stream 200 alike')

        try:
            resolve(question, timeout=0.00001)
        except grpc.RpcError as e:
            assert e.code() == grpc.StatusCode.DEADLINE_EXCEEDED, e
        print('deadline DEADLINE_EXCEEDED or OK')

        try:
            channel.unary_unary(SERVICE + 'NoSuchMethod')(b'', timeout=10)
        except grpc.RpcError as e:
            print('unknown', e.code(), e.details())

        print('health', channel.unary_unary('/grpc.health.v1.Health/Check')(b'', timeout=10).hex())


if __name__ == '__main__':
    main()
