"""signaling_edge: parser and core in process; the real edge, Kamailio, and the
least that an edge can do, each on one core, under the same load.

per_core is what was done per second of processor time of all the server's
threads. Of calls, loop_per_core counts the thread that serves SIP alone:
Kamailio relays no media, so what our edge spends on talking to the relay
(which runs beside it, on another core) is left out where the two are compared;
the rows named with_relay have it.
"""

from tools.benchmarks.row import Peer, Row, at_least, at_most, times_peer
from tools.benchmarks.source import GoogleBenchmark, LoadProgram

PARSER = GoogleBenchmark('//services/signaling_edge/core:sip_parser_benchmark')
CORE = GoogleBenchmark('//services/signaling_edge/core:edge_core_benchmark')

LOAD = '//services/signaling_edge/load:sip_load'
BARE = '//services/signaling_edge/load:bare_edge'
BINARIES = tuple(f'//services/{name}:{name}' for name in (
    'signaling_edge', 'dialplan', 'capf', 'credential_issuer', 'media_relay')) + ('//tools/cli:sallyport',)


def drive(system, work, transport, loops=1):
    binaries = BINARIES if system == 'sallyport' else ()
    bare = (BARE,) if system == 'bare' else ()
    return LoadProgram('tools/benchmarks/drive_signaling.py',
                       (work, system, f'--transport={transport}', f'--loops={loops}', '--load={' + LOAD + '}',
                        '--cpu={cpu}', '--load_cpus={load_cpus}') + tuple('--bare={' + each + '}' for each in bare) +
                       (('--binaries',) if binaries else ()) + tuple('{' + each + '}' for each in binaries),
                       (), (LOAD,) + bare + binaries)


def both(work, transport):
    return drive('sallyport', work, transport), drive('kamailio', work, transport)


def against(name, what, sources, key, times, peer_key='per_core'):
    return Row(name, what, '/s', sources[0], key, times_peer(times), less_is_better=False,
               peer=Peer('kamailio', sources[1], peer_key))


def of_bare(name, what, source, work, transport, share):
    # What the goals call half of, or so much of, another figure: on any machine.
    return Row(f'{name}.of_bare', f'{what}: of the bare edge', '/s', source, 'per_core', times_peer(share),
               less_is_better=False, peer=Peer('bare', drive('bare', work, transport), 'per_core'))


OPTIONS = {transport: both('options', transport) for transport in ('udp', 'tcp', 'tls')}
CALLS = {transport: both('calls', transport) for transport in ('udp', 'tls')}
REGISTER = both('register', 'udp')
HANDSHAKES = both('handshakes', 'tls')
LATENCY = drive('sallyport', 'latency', 'tls')
IDLE = drive('sallyport', 'idle', 'tls')
FLOOD = drive('sallyport', 'flood', 'tls')
TWO_LOOPS = drive('sallyport', 'options', 'udp', loops=2)

ROWS = [
    Row('signaling.parse_invite', 'parse and index an INVITE of 1.1 kB', 'us', PARSER, 'BM_ParseInvite',
        at_most(1.5), scale=1e-3),
    Row('signaling.parse_heap', 'heap allocations of the same', '', PARSER, 'BM_ParseInvite:allocations', at_most(0)),
    Row('signaling.core.options', 'OPTIONS answered in the core', 'us', CORE, 'BM_Options', scale=1e-3),
    Row('signaling.core.call', 'INVITE to BYE in the core, both legs', 'us', CORE, 'BM_CallBothLegs', scale=1e-3),
    against('signaling.options.udp', 'OPTIONS answered per core, UDP', OPTIONS['udp'], 'per_core', 5),
    against('signaling.options.tcp', 'OPTIONS answered per core, TCP', OPTIONS['tcp'], 'per_core', 3.7),
    against('signaling.options.tls', 'OPTIONS answered per core, TLS', OPTIONS['tls'], 'per_core', 3),
    Row('signaling.options.udp_rate', 'the same, UDP', '/s', OPTIONS['udp'][0], 'per_core', at_least(210_000),
        less_is_better=False),
    Row('signaling.options.tcp_rate', 'the same, TCP', '/s', OPTIONS['tcp'][0], 'per_core', at_least(140_000),
        less_is_better=False),
    Row('signaling.options.tls_rate', 'the same, TLS', '/s', OPTIONS['tls'][0], 'per_core', at_least(100_000),
        less_is_better=False),
    *(of_bare(f'signaling.options.{transport}', f'OPTIONS answered per core, {transport.upper()}',
              OPTIONS[transport][0], 'options', transport, 0.5) for transport in ('udp', 'tcp', 'tls')),
    against('signaling.calls.udp', 'calls as a B2BUA per core, UDP', CALLS['udp'], 'loop_per_core', 2),
    against('signaling.calls.tls', 'calls as a B2BUA per core, TLS', CALLS['tls'], 'loop_per_core', 2),
    Row('signaling.calls.tls_rate', 'the same, TLS', '/s', CALLS['tls'][0], 'loop_per_core', at_least(4_000),
        less_is_better=False),
    Row('signaling.calls.udp_with_relay', 'the same with all that talks to the relay, UDP', '/s', CALLS['udp'][0],
        'per_core', less_is_better=False),
    Row('signaling.calls.tls_with_relay', 'the same with all that talks to the relay, TLS', '/s', CALLS['tls'][0],
        'per_core', less_is_better=False),
    Row('signaling.calls.latency_p99', 'INVITE from leg to leg at 70 % load, 99th percentile: the median of the five '
        'windows of two seconds that were disturbed least: at best the host took under 1 % of the processors, and what '
        'the edge completes was within a tenth the same before and after', 'ms', LATENCY, 'p99_ms', at_most(2)),
    # What is the edge's own fault may disturb a window too.
    Row('signaling.calls.latency_p99_of_all', 'the same, of all windows, up to 25', 'ms', LATENCY, 'p99_of_all_ms'),
    Row('signaling.calls.latency_p50', 'the same, median', 'ms', LATENCY, 'p50_ms'),
    Row('signaling.calls.latency_disturbed', 'windows that were disturbed', '', LATENCY, 'disturbed'),
    # Near the other it says that the machine was busy, not the edge.
    Row('signaling.calls.latency_late', 'how late the load itself began those calls, 99th percentile', 'ms', LATENCY,
        'late_p99_ms'),
    Row('signaling.register', 'registrations with SHA-256 per core, challenge included', '/s', REGISTER[0], 'per_core',
        at_least(10_000), peer=Peer('kamailio', REGISTER[1], 'per_core'), less_is_better=False),
    against('signaling.handshakes', 'mutual TLS connections per core: connect, handshake, OPTIONS, close',
            HANDSHAKES, 'per_core', 9),
    Row('signaling.handshakes_rate', 'the same', '/s', HANDSHAKES[0], 'per_core', at_least(3_000),
        less_is_better=False),
    # 3 000 where the bare edge made 3 534.
    of_bare('signaling.handshakes', 'the same', HANDSHAKES[0], 'handshakes', 'tls', 0.85),
    Row('signaling.idle_connection', 'memory of an idle mutual TLS connection, of 15 000', 'B', IDLE, 'bytes',
        at_most(14_336)),
    Row('signaling.flood.lost_calls', 'calls lost at 50 000 messages of nobody a second of every kind, from a million, '
        '200 and one sources, and at ten times the handshakes that it completes', '', FLOOD, 'lost_calls', at_most(0)),
    Row('signaling.flood.p99_million', 'their INVITE latency, p99, over that without: messages of a million sources', 'x',
        FLOOD, 'million_p99_times_idle', at_most(2)),
    Row('signaling.flood.p99', 'the same: of 200 sources', 'x', FLOOD, 'many_p99_times_idle', at_most(2)),
    Row('signaling.flood.p99_one', 'the same: of one', 'x', FLOOD, 'one_p99_times_idle', at_most(2)),
    Row('signaling.flood.p99_handshakes', 'the same: handshakes begun and left', 'x', FLOOD,
        'handshakes_p99_times_idle', at_most(2)),
    Row('signaling.flood.busy', 'answers 503 with Retry-After that the million sources saw', '', FLOOD,
        'million_flood_busy', less_is_better=False),
    # The load has one core less then: where that is what gives out first, it shows here as ours.
    Row('signaling.loops.options', 'OPTIONS answered by two loops on two cores, UDP, against one', '/s',
        TWO_LOOPS, 'per_second', times_peer(1.6), less_is_better=False,
        peer=Peer('one loop', OPTIONS['udp'][0], 'per_second')),
    Row('signaling.loops.options_cost', 'the same per second of the loops\' processor time', '/s', TWO_LOOPS,
        'loop_per_core', less_is_better=False, peer=Peer('one loop', OPTIONS['udp'][0], 'loop_per_core')),
]
