"""dialplan: decisions, and the stream of the plan."""

from tools.benchmarks.row import Peer, Row, at_least, at_most
from tools.benchmarks.source import GoogleBenchmark, LoadProgram

RESOLVER = GoogleBenchmark('//services/common/digit_analysis:resolver_benchmark')
TABLE = GoogleBenchmark('//services/common/digit_analysis:route_table_benchmark', cases='BM_Find|BM_Compile/100000')



def drive(scenario, load='', args=(), quick_args=()):
    """A load on a real process that holds a region's plan."""
    needs = ['//services/dialplan:dialplan', '//services/dialplan/load:make_region']
    command = [scenario, '--dialplan={//services/dialplan:dialplan}',
               '--make_region={//services/dialplan/load:make_region}']
    if load:
        needs.append(load)
        command.append('--load={' + load + '}')
    return LoadProgram('tools/benchmarks/drive_dialplan.py', tuple(command) + tuple(args), tuple(quick_args),
                       tuple(needs))


# 1000 tenants, 10 000 peers, 100 000 patterns, 1000 partitions. Rates are a
# little above their goals, so that the goal is what was kept up.
STREAM = drive('stream', '//services/dialplan/load:stream_load',
               ('--option=--rate=2050', '--option=--consumers=50', '--option=--seconds=10'),
               ('--option=--seconds=4', '--option=--snapshots=2'))
PINNED = ('--cpu={cpu}', '--load_cpus={load_cpus}', '--option=--rate=10000', '--option=--seconds=10')
SHORT = ('--option=--seconds=4',)
LEAN = '//services/dialplan/load:decision_load'
LIBRARY = '//services/dialplan/load:resolve_load'
# On a quiet machine: the listener polls, the load never sleeps, and both are
# favoured, as realtime priority is not for those who never sleep.
QUIET = ('--decisions', '--busy_poll=0.001s', '--spinning', '--favoured', '--realtime', *PINNED)
RESOLVE = drive('resolve', LEAN, QUIET, SHORT)
ROUTES = drive('resolve', LEAN, ('--option=--stream=true', *QUIET), SHORT)
# On a busy one: the listener sleeps between questions, the load naps, and both
# are at realtime priority.
BUSY = ('--realtime', *PINNED)
NAPS = ('--option=--nap=15us', *BUSY)
RESOLVE_ASLEEP = drive('resolve', LEAN, ('--decisions', *NAPS), SHORT)
ROUTES_ASLEEP = drive('resolve', LEAN, ('--decisions', '--option=--stream=true', *NAPS), SHORT)
# The same listener by a client of the gRPC library, and its full server by the
# lean client: whose the rest of the time is.
STOCK_CLIENT = drive('resolve', LIBRARY, ('--decisions', *BUSY), SHORT)
STOCK_SERVER = drive('resolve', LEAN, NAPS, SHORT)
STOCK = drive('resolve', LIBRARY, BUSY, SHORT)


def bare(args):
    """The floor of the gRPC library: a server of it that does nothing."""
    return LoadProgram('tools/benchmarks/drive_dialplan.py',
                       ('bare', '--bare_server={//services/dialplan/load:bare_server}', '--load={' + LEAN + '}', *args),
                       SHORT, ('//services/dialplan/load:bare_server', LEAN))


BARE = bare(('--spinning', '--favoured', '--realtime', *PINNED))
BARE_ASLEEP = bare(NAPS)
MEMORY = drive('memory')
DELTA = GoogleBenchmark('//services/common/plan_snapshot:snapshot_state_benchmark', cases='/1000000/',
                        env=('SALLYPORT_BENCH_LARGE=1',))

ROWS = [
    Row('dialplan.resolve', 'one decision, 100 000 patterns in 1000 partitions', 'us', RESOLVER,
        'BM_Resolve/100000', at_most(2), scale=1e-3),
    Row('dialplan.resolve_grpc', 'ResolveRoute at the decision listener, mutual TLS, 10 000/s, one core that polls, '
        '99th percentile', 'us', RESOLVE, 'p99_us', at_most(250), Peer('bare gRPC', BARE, 'p99_us')),
    Row('dialplan.resolve_grpc_median', 'the same, median', 'us', RESOLVE, 'p50_us',
        peer=Peer('bare gRPC', BARE, 'p50_us')),
    Row('dialplan.resolve_grpc_p999', 'the same, 99.9th percentile', 'us', RESOLVE, 'p999_us',
        peer=Peer('bare gRPC', BARE, 'p999_us')),
    Row('dialplan.resolve_grpc_late', 'the same, how late the load itself was, 99th percentile', 'us', RESOLVE,
        'late_p99_us'),
    Row('dialplan.resolve_grpc_steal', 'the same, time that the host took from the machine meanwhile', '%', RESOLVE,
        'steal_percent'),
    Row('dialplan.resolve_grpc_load', 'the same, load average', '', RESOLVE, 'load_average'),
    Row('dialplan.routes_grpc', 'ResolveRoutes (a stream, a question a message), the same, 99th percentile', 'us',
        ROUTES, 'p99_us', at_most(250), Peer('bare gRPC, unary', BARE, 'p99_us')),
    Row('dialplan.routes_grpc_median', 'the same, median', 'us', ROUTES, 'p50_us',
        peer=Peer('bare gRPC, unary', BARE, 'p50_us')),
    Row('dialplan.resolve_asleep', 'ResolveRoute where the listener sleeps between questions, realtime, 99th percentile',
        'us', RESOLVE_ASLEEP, 'p99_us', at_most(250), Peer('bare gRPC', BARE_ASLEEP, 'p99_us')),
    Row('dialplan.resolve_asleep_median', 'the same, median', 'us', RESOLVE_ASLEEP, 'p50_us',
        peer=Peer('bare gRPC', BARE_ASLEEP, 'p50_us')),
    Row('dialplan.resolve_asleep_cpu', 'the same, CPU time of the server for each', 'us', RESOLVE_ASLEEP,
        'server_cpu_us', peer=Peer('bare gRPC', BARE_ASLEEP, 'server_cpu_us')),
    Row('dialplan.routes_asleep', 'ResolveRoutes, the same, 99th percentile', 'us', ROUTES_ASLEEP, 'p99_us', at_most(250),
        Peer('bare gRPC, unary', BARE_ASLEEP, 'p99_us')),
    Row('dialplan.resolve_stock_client', 'ResolveRoute at that listener, client of the gRPC library, 99th percentile',
        'us', STOCK_CLIENT, 'p99_us', peer=Peer('library both sides', STOCK, 'p99_us')),
    Row('dialplan.resolve_stock_client_median', 'the same, median', 'us', STOCK_CLIENT, 'p50_us',
        peer=Peer('library both sides', STOCK, 'p50_us')),
    Row('dialplan.resolve_stock_server', 'ResolveRoute at the full gRPC server, lean client, 99th percentile', 'us',
        STOCK_SERVER, 'p99_us', peer=Peer('bare gRPC', BARE_ASLEEP, 'p99_us')),
    Row('dialplan.resolve_stock_server_median', 'the same, median', 'us', STOCK_SERVER, 'p50_us',
        peer=Peer('bare gRPC', BARE_ASLEEP, 'p50_us')),
    Row('dialplan.resolve_stock_server_cpu', 'the same, CPU time of the server for each', 'us', STOCK_SERVER,
        'server_cpu_us', peer=Peer('bare gRPC', BARE_ASLEEP, 'server_cpu_us')),
    Row('dialplan.snapshot', 'the plan of a region to a new consumer', 'ms', STREAM, 'snapshot_ms', at_most(1000)),
    Row('dialplan.visible', 'a change until each of 50 consumers sees it, at 2000 writes/s, 99th percentile', 'ms',
        STREAM, 'visible_p99_ms', at_most(200)),
    Row('dialplan.writes', 'writes/s by the API to SQLite, with 50 consumers', '/s', STREAM, 'writes_per_second',
        at_least(2000), less_is_better=False),
    Row('dialplan.memory', 'resident memory for each pattern of a region', 'bytes', MEMORY, 'bytes_per_pattern'),
    Row('dialplan.find', 'closest match alone, 100 000 patterns in 1000 partitions', 'ns', TABLE,
        'BM_Find/100000/1000'),
    Row('dialplan.delta', 'one change in force at an edge, 1000 tenants with 100 000 patterns and 1 000 000 users', 'ms',
        DELTA, 'BM_OneChangeInForce/100000/1000000/1000', at_most(10), scale=1e-6),
    Row('dialplan.delta_one_tenant', 'the same where all are of one tenant', 'ms', DELTA,
        'BM_OneChangeInForce/100000/1000000/1', scale=1e-6),
    Row('dialplan.compile', 'compiling 100 000 patterns', 'ms', TABLE, 'BM_Compile/100000', scale=1e-6),
]
