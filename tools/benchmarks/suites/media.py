"""media_relay: the packet path in process, and under load on one core beside
coturn, rtpengine and the least that its tier can do."""

from tools.benchmarks.row import Peer, Row, at_least, at_most, times_peer
from tools.benchmarks.source import GoogleBenchmark, LoadProgram

SRTP = GoogleBenchmark('//services/media_relay/core:srtp_session_benchmark')
RELAY = GoogleBenchmark('//services/media_relay/core:relay_core_benchmark')

RATE = 'packets_per_second'


def load(system, work, flows, *more):
    """The packets that a system relays on one core at most, without loss."""
    relay = '//services/media_relay:media_relay'
    return LoadProgram('//services/media_relay/load:media_load',
                       (f'--system={system}', f'--work={work}', f'--flows={flows}', '--cpu={cpu}',
                        '--load_cpus={load_cpus}', '--relay={' + relay + '}') + more,
                       quick_args=('--windows=3', '--seconds=0.25'), needs=(relay,), timeout=120)


def rate(name, what, source, peer=None, goal=None):
    return Row(f'media.{name}', what, '/s', source, RATE, goal,
               Peer(peer[0], peer[1], RATE) if peer else None, less_is_better=False)


def two_loops(work, what, *more, name=None):
    """Two loops, each with a core, a queue and a generator, against one."""
    return rate(f'{name or work}.two_loops', f'{what}: two loops against one',
                load('sallyport', work, 1000, '--loops=2', *more), ('one loop', load('sallyport', work, 1000, '--loops=1')),
                times_peer(1.8))


def sessions(port):
    """CreateSession and DeleteSession at a steady rate, at one of the relay's ports."""
    relay, asks = '//services/media_relay:media_relay', '//services/media_relay/load:session_load'
    return LoadProgram('taskset', ('-c', '{load_cpus}', '{' + asks + '}', f'--port={port}', '--rate=2500',
                                   '--cpu={cpu}', '--relay={' + relay + '}'), needs=(relay, asks), timeout=120)


def session_rows():
    """The port that edges are told of: against the library's."""
    own, library = sessions('sessions'), sessions('grpc')
    for key, what in (('mean', 'mean'), ('p50', 'median'), ('p99', '99th percentile')):
        yield Row(f'media.session.create_{key}', f'CreateSession at the session listener, 2500/s on one core, {what}', 'us',
                  own, f'create_{key}_us', peer=Peer('gRPC port', library, f'create_{key}_us'))


def turn_rows():
    """ChannelData: against coturn, against the bare relay, and flat."""
    goals = {100: 1.4, 1000: 1.6, 4900: 2.7}
    for flows, goal in goals.items():
        own = load('sallyport', 'turn', flows)
        what = f'ChannelData forwarded, {flows} allocations'
        yield rate(f'turn.{flows}', what, own, ('coturn', load('coturn', 'turn', flows)), times_peer(goal))
        yield rate(f'turn.{flows}.of_bare', f'{what}: the bare relay', own,
                   ('bare', load('bare', 'turn', flows)), times_peer(0.85))
    for flows, goal in {1000: 12, 4900: 20}.items():
        yield rate(f'turn.{flows}.xdp', f'ChannelData forwarded in the driver (XDP), {flows} allocations',
                   load('sallyport', 'turn', flows, '--fast_path=xdp'), ('coturn', load('coturn', 'turn', flows)),
                   times_peer(goal))
    for flows, goal in {1000: 5.5, 4900: 9}.items():
        yield rate(f'turn.{flows}.tc', f'ChannelData forwarded behind the driver (tc), {flows} allocations',
                   load('sallyport', 'turn', flows, '--fast_path=tc'), ('coturn', load('coturn', 'turn', flows)),
                   times_peer(goal))
    yield rate('turn.flat', 'ChannelData forwarded, 4900 allocations: those of 100',
               load('sallyport', 'turn', 4900), ('100', load('sallyport', 'turn', 100)), times_peer(0.95))
    yield Row('media.turn.allocate', 'authenticated Allocates, 64 clients at a time', '/s',
              load('sallyport', 'allocate', 15_000), 'allocations_per_second', at_least(5000), less_is_better=False)
    delay = load('sallyport', 'delay', 1000)
    yield Row('media.turn.delay', 'added delay at half load, 1000 allocations, p99', 'us', delay, 'delay_p99_us',
              at_most(1000))
    spoof = load('sallyport', 'spoof', 1_000_000)
    yield Row('media.turn.spoof_memory', 'memory that a million spoofed requests take', 'kB', spoof, 'grown_kb',
              at_most(1024))
    yield Row('media.turn.spoof_clients', 'clients that are served meanwhile', '', spoof, 'succeeded_share',
              at_least(1), less_is_better=False)
    yield Row('media.turn.memory', 'resident memory of an allocation with a channel', 'octets',
              load('sallyport', 'turn', 4900), 'bytes_per_allocation', at_most(4096))
    yield two_loops('turn', 'ChannelData forwarded, 1000 allocations')
    for sockets in ('raw', 'per_port'):
        yield rate(f'turn.1000.{sockets}', f'ChannelData forwarded, 1000 allocations, relay_sockets {sockets}',
                   load('sallyport', 'turn', 1000, f'--relay_sockets={sockets}'))


def bridge_rows():
    """RTP to SDES-SRTP: against rtpengine and the bare relay."""
    for flows in (1000, 4900):
        own = load('sallyport', 'srtp', flows)
        what = f'RTP to SRTP bridged, {flows} streams'
        yield rate(f'bridge.{flows}', what, own, ('rtpengine', load('rtpengine', 'srtp', flows)),
                   times_peer(5))
        yield rate(f'bridge.{flows}.of_bare', f'{what}: the bare relay', own,
                   ('bare', load('bare', 'srtp', flows)), times_peer(0.85))
        rings = load('sallyport', 'srtp', flows, '--fast_path=af_xdp')
        yield rate(f'bridge.{flows}.af_xdp', f'{what} over AF_XDP', rings,
                   ('rtpengine', load('rtpengine', 'srtp', flows)), times_peer(10))
        yield rate(f'bridge.{flows}.af_xdp.of_bare', f'{what} over AF_XDP: the bare relay', rings,
                   ('bare', load('bare', 'srtp', flows, '--fast_path=af_xdp')), times_peer(0.85))
    yield two_loops('srtp', 'RTP to SRTP bridged, 1000 streams, queues by the parity of port pairs', '--steered=1',
                    name='bridge')
    yield rate('bridge.gcm', 'RTP to SRTP bridged, 1000 streams, AES-128-GCM', load('sallyport', 'gcm', 1000),
               ('bare', load('bare', 'gcm', 1000)))
    for fast_path in ('sockets', 'af_xdp'):
        for work, what in {'unsrtp': 'SRTP to RTP', 'resrtp': 'SRTP to SRTP'}.items():
            yield rate(f'bridge.{work}.{fast_path}', f'{what}, AES-CM, 1000 streams, fast_path {fast_path}',
                       load('sallyport', work, 1000, f'--fast_path={fast_path}'))
    yield rate('bridge.rtp', 'RTP to RTP, 1000 streams', load('sallyport', 'rtp', 1000),
               ('rtpengine', load('rtpengine', 'rtp', 1000)))


ROWS = [
    Row('media.srtp.protect_aes_cm', 'SRTP protect, 172 octets, AES-CM-128 with SHA1-80', 'ns', SRTP,
        'BM_Protect/0', at_most(330)),
    Row('media.srtp.protect_aes_gcm', 'SRTP protect, 172 octets, AES-128-GCM', 'ns', SRTP,
        'BM_Protect/3', at_most(160)),
    Row('media.srtp.protect_batch', 'the same with AES-CM, one each of 64 streams together', 'ns', SRTP,
        'BM_ProtectBatch/0/1', at_most(216)),
    Row('media.srtp.unprotect_batch', 'SRTP unprotect likewise', 'ns', SRTP, 'BM_UnprotectBatch/0/1', at_most(215)),
    Row('media.core.channel_data_1000', 'ChannelData to peer in the core, 1000 allocations', 'ns', RELAY,
        'BM_ChannelDataToPeer/1000'),
    Row('media.core.channel_data_4900', 'ChannelData to peer in the core, 4900 allocations', 'ns', RELAY,
        'BM_ChannelDataToPeer/4900'),
    Row('media.core.allocate', 'authenticated Allocate and its end in the core', 'us', RELAY,
        'BM_AuthenticatedAllocateAndRefreshToZero', scale=1e-3),
]
ROWS += list(session_rows())
ROWS += list(turn_rows())
ROWS += list(bridge_rows())
