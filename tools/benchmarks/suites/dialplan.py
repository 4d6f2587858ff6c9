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
RESOLVE = drive('resolve', '//services/dialplan/load:resolve_load', ('--realtime', *PINNED), SHORT)
ROUTES = drive('resolve', '//services/dialplan/load:resolve_load', ('--realtime', '--option=--stream=true', *PINNED),
               SHORT)
# Beside whatever else the machine does.
ROUTES_SHARED = drive('resolve', '//services/dialplan/load:resolve_load', ('--option=--stream=true', *PINNED), SHORT)
# The floor: what gRPC and TLS take of the same calls on this machine.
BARE = LoadProgram('tools/benchmarks/drive_dialplan.py',
                   ('bare', '--bare_server={//services/dialplan/load:bare_server}',
                    '--load={//services/dialplan/load:resolve_load}', '--realtime', *PINNED),
                   SHORT,
                   ('//services/dialplan/load:bare_server', '//services/dialplan/load:resolve_load'))
MEMORY = drive('memory')
DELTA = GoogleBenchmark('//services/common/plan_snapshot:snapshot_state_benchmark', cases='/1000000/',
                        env=('SALLYPORT_BENCH_LARGE=1',))

ROWS = [
    Row('dialplan.resolve', 'one decision, 100 000 patterns in 1000 partitions', 'us', RESOLVER,
        'BM_Resolve/100000', at_most(2), scale=1e-3),
    Row('dialplan.resolve_grpc', 'ResolveRoute over mutual TLS, 10 000/s, dialplan on one core, realtime, 99th percentile',
        'us', RESOLVE, 'p99_us', at_most(250), Peer('bare gRPC', BARE, 'p99_us')),
    Row('dialplan.resolve_grpc_median', 'the same, median', 'us', RESOLVE, 'p50_us',
        peer=Peer('bare gRPC', BARE, 'p50_us')),
    Row('dialplan.resolve_grpc_cpu', 'the same, CPU time of the server for each', 'us', RESOLVE, 'server_cpu_us',
        peer=Peer('bare gRPC', BARE, 'server_cpu_us')),
    Row('dialplan.routes_grpc', 'ResolveRoutes (a stream, a question a message), the same, 99th percentile', 'us', ROUTES,
        'p99_us', at_most(250), Peer('bare gRPC, unary', BARE, 'p99_us')),
    Row('dialplan.routes_grpc_median', 'the same, median', 'us', ROUTES, 'p50_us',
        peer=Peer('bare gRPC, unary', BARE, 'p50_us')),
    Row('dialplan.routes_grpc_cpu', 'the same, CPU time of the server for each', 'us', ROUTES, 'server_cpu_us',
        peer=Peer('bare gRPC, unary', BARE, 'server_cpu_us')),
    Row('dialplan.routes_grpc_shared', 'ResolveRoutes, not realtime, 99th percentile', 'us', ROUTES_SHARED, 'p99_us'),
    Row('dialplan.routes_grpc_steal', 'the same, time that the host took from the machine meanwhile', '%', ROUTES_SHARED,
        'steal_percent'),
    Row('dialplan.routes_grpc_load', 'the same, load average', '', ROUTES_SHARED, 'load_average'),
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
