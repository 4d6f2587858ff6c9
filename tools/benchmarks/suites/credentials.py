"""credential_issuer: minting."""

from tools.benchmarks.row import Row, at_least
from tools.benchmarks.source import GoogleBenchmark

ISSUER = GoogleBenchmark('//services/credential_issuer/core:issuer_benchmark')

ROWS = [
    Row('credentials.issue', 'credentials issued in process, one core', '/s', ISSUER,
        'BM_Issue:items_per_second', at_least(50_000), less_is_better=False),
]
