"""credential_issuer: minting, and issuing with a durable audit record."""

from tools.benchmarks.row import Row, at_least
from tools.benchmarks.source import GoogleBenchmark, LoadProgram

ISSUER = GoogleBenchmark('//services/credential_issuer/core:issuer_benchmark')


def drive(audit):
    """A load on a real process, whose audit is counted afterwards."""
    needs = ('//services/credential_issuer:credential_issuer', '//services/credential_issuer/load:issue_load')
    return LoadProgram('tools/benchmarks/drive_credentials.py',
                       (audit, '--issuer={' + needs[0] + '}', '--load={' + needs[1] + '}', '--realtime',
                        '--option=--seconds=10'),
                       ('--option=--seconds=4',), needs)


SQLITE = drive('sqlite')
FILE = drive('file')
POSTGRES = drive('postgres')

ROWS = [
    Row('credentials.issue', 'credentials issued in process, one core', '/s', ISSUER,
        'BM_Issue:items_per_second', at_least(50_000), less_is_better=False),
    Row('credentials.select', 'choosing among 100 relays, one core', '/s', ISSUER,
        'BM_SelectRelays/100:items_per_second', less_is_better=False),
    Row('credentials.mras', 'MRAS requests read and answered, one core', '/s', ISSUER,
        'BM_Mras:items_per_second', less_is_better=False),
    Row('credentials.grpc_sqlite', 'issued over mutual TLS, each with a durable audit record: SQLite', '/s', SQLITE,
        'issues_per_second', at_least(5_000), less_is_better=False),
    Row('credentials.grpc_sqlite_p99', 'the same, 256 calls open, 99th percentile', 'ms', SQLITE, 'p99_ms'),
    Row('credentials.grpc_file', 'the same into a file', '/s', FILE, 'issues_per_second', at_least(5_000),
        less_is_better=False),
    Row('credentials.grpc_postgres', 'the same into PostgreSQL', '/s', POSTGRES, 'issues_per_second',
        at_least(5_000), less_is_better=False),
    Row('credentials.grpc_postgres_p99', 'the same, 256 calls open, 99th percentile', 'ms', POSTGRES, 'p99_ms'),
]
