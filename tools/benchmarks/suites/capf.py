"""capf: certificates of phones, trust lists, verification of chains."""

from tools.benchmarks.row import Row, at_least, at_most
from tools.benchmarks.source import GoogleBenchmark

VERIFY = GoogleBenchmark('//services/common/pki:path_verifier_benchmark')
LOCKOUT = GoogleBenchmark('//services/capf/core:phone_trust_benchmark')

ROWS = [
    Row('capf.verify', 'a chain of three P-256 certificates, from DER to the verdict', 'us', VERIFY,
        'BM_VerifyChainOfThree', at_most(250), scale=1e-3),
    Row('capf.simulate', 'whether 100 000 phones would accept a list', 's', LOCKOUT,
        'BM_SimulateTrustList/100000', at_most(2), scale=1e-9),
]
