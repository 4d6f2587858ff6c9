"""dialplan: decisions, and the stream of the plan."""

from tools.benchmarks.row import Row, at_most
from tools.benchmarks.source import GoogleBenchmark

RESOLVER = GoogleBenchmark('//services/common/digit_analysis:resolver_benchmark')
TABLE = GoogleBenchmark('//services/common/digit_analysis:route_table_benchmark', cases='BM_Find|BM_Compile/100000')

ROWS = [
    Row('dialplan.resolve', 'one decision, 100 000 patterns in 1000 partitions', 'us', RESOLVER,
        'BM_Resolve/100000', at_most(2), scale=1e-3),
    Row('dialplan.find', 'closest match alone, 100 000 patterns in 1000 partitions', 'ns', TABLE,
        'BM_Find/100000/1000'),
    Row('dialplan.compile', 'compiling 100 000 patterns', 'ms', TABLE, 'BM_Compile/100000', scale=1e-6),
]
