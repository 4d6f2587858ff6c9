"""signaling_edge: parser and core in process."""

from tools.benchmarks.row import Row, at_most
from tools.benchmarks.source import GoogleBenchmark

PARSER = GoogleBenchmark('//services/signaling_edge/core:sip_parser_benchmark')
CORE = GoogleBenchmark('//services/signaling_edge/core:edge_core_benchmark')

ROWS = [
    Row('signaling.parse_invite', 'parse and index an INVITE of 1.1 kB', 'us', PARSER, 'BM_ParseInvite',
        at_most(1.5), scale=1e-3),
    Row('signaling.core.options', 'OPTIONS answered in the core', 'us', CORE, 'BM_Options', scale=1e-3),
    Row('signaling.core.call', 'INVITE to BYE in the core, both legs', 'us', CORE, 'BM_CallBothLegs', scale=1e-3),
]
