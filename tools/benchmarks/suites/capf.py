"""capf: certificates of phones, trust lists, verification of chains."""

from tools.benchmarks.row import Peer, Row, at_least, at_most, times_peer
from tools.benchmarks.source import GoogleBenchmark, LoadProgram

VERIFY = GoogleBenchmark('//services/common/pki:path_verifier_benchmark')
LOCKOUT = GoogleBenchmark('//services/capf/core:phone_trust_benchmark')
PUBLISH = GoogleBenchmark('//services/capf/core:trust_list_plan_benchmark')

# Shares of the bare rate of signatures.
ISSUE = GoogleBenchmark('//services/capf/io:issue_benchmark', turns=5)


def drive(what, phones, *more):
    """Many phones at a real process, whose audit is counted afterwards."""
    needs = ('//services/capf:capf', '//services/capf/load:enroll_load')
    return LoadProgram('tools/benchmarks/drive_capf.py',
                       (what, *more, '--capf={' + needs[0] + '}', '--load={' + needs[1] + '}', '--realtime',
                        f'--phones={phones}'),
                       (f'--phones={phones // 5}',), needs)


# One core is capf's alone, as one core is the load's where calls are counted.
ONE_CORE = ('--cpu={cpu}', '--load_cpus={load_cpus}')
P256 = drive('p256', 10000, *ONE_CORE)
RSA2048 = drive('rsa2048', 10000, *ONE_CORE)
P256_POSTGRES = drive('p256', 10000, '--postgres')
RSA2048_POSTGRES = drive('rsa2048', 10000, '--postgres')
# At one capf, or at two replicas where one process may not have so many
# descriptors.
WAIT = drive('wait', 21000)

ROWS = [
    # An LSC costs a signature at least, so the ratio says what it costs more, on any machine.
    Row('capf.enroll_p256',
        'LSCs over CAPF and TLS 1.2 (P-256) with a durable audit, by CPU time of capf on one core: P-256 issuer',
        '/s', P256, 'per_core', at_least(1000), less_is_better=False,
        peer=Peer('bare signatures', ISSUE, 'BM_BareSignature/0:items_per_second')),
    Row('capf.enroll_p256_wall', 'the same, 64 phones at once, by the clock', '/s', P256, 'per_second',
        less_is_better=False),
    Row('capf.enroll_rsa2048', 'the same as the first: RSA-2048 issuer', '/s', RSA2048, 'per_core', at_least(600),
        less_is_better=False, peer=Peer('bare signatures', ISSUE, 'BM_BareSignature/2048:items_per_second')),
    Row('capf.enroll_p256_postgres', 'as capf.enroll_p256_wall, the store in PostgreSQL', '/s', P256_POSTGRES,
        'per_second', less_is_better=False),
    Row('capf.enroll_p256_postgres_cpu', 'by CPU time of capf alone', '/s', P256_POSTGRES, 'per_core',
        less_is_better=False),
    Row('capf.enroll_rsa2048_postgres', 'by the clock: RSA-2048 issuer, the store in PostgreSQL', '/s',
        RSA2048_POSTGRES, 'per_second', less_is_better=False),
    Row('capf.waiting', 'memory of a phone that waits for its key, of 21 000', 'bytes', WAIT, 'bytes_per_phone',
        at_most(20_000)),
    Row('capf.waiting_phones', 'how many waited at once, and had their certificates afterwards', 'phones', WAIT,
        'waiting', at_least(20_000), less_is_better=False),
    Row('capf.waiting_replicas', 'at how many capf: two, on one PostgreSQL, where one may not have so many descriptors',
        '', WAIT, 'replicas'),
    Row('capf.issue_p256', 'LSCs built, linted, signed in process: P-256 issuer', '/s', ISSUE,
        'BM_IssueLsc/0/0:items_per_second', times_peer(0.8), less_is_better=False,
        peer=Peer('bare signatures', ISSUE, 'BM_BareSignature/0:items_per_second')),
    Row('capf.issue_p256_verified', 'the same, each signature of its own verified', '/s', ISSUE,
        'BM_IssueLsc/0/1:items_per_second', less_is_better=False,
        peer=Peer('bare signatures', ISSUE, 'BM_BareSignature/0:items_per_second')),
    Row('capf.issue_p256_request', 'the same as the first, from a request with its proof of possession', '/s', ISSUE,
        'BM_IssueFromRequest/0:items_per_second', less_is_better=False,
        peer=Peer('bare signatures', ISSUE, 'BM_BareSignature/0:items_per_second')),
    Row('capf.verify_request', 'that request alone, read and verified', '/s', ISSUE,
        'BM_VerifyRequest:items_per_second', less_is_better=False),
    Row('capf.issue_rsa2048', 'LSCs built, linted, signed in process: RSA-2048 issuer', '/s', ISSUE,
        'BM_IssueLsc/2048/0:items_per_second', times_peer(0.8), less_is_better=False,
        peer=Peer('bare signatures', ISSUE, 'BM_BareSignature/2048:items_per_second')),
    Row('capf.verify', 'a chain of three P-256 certificates, from DER to the verdict', 'us', VERIFY,
        'BM_VerifyChainOfThree', at_most(250), scale=1e-3),
    Row('capf.ctl', 'a CTL of 100 nodes built and signed (RSA-2048, SHA-512)', 'ms', PUBLISH,
        'BM_PublishCtl/100/1/0', at_most(5), scale=1e-6),
    Row('capf.ctl_sha1', 'the same, SHA-1', 'ms', PUBLISH, 'BM_PublishCtl/100/0/0', at_most(5), scale=1e-6),
    Row('capf.ctl_read_back', 'the same as the first, and read back and verified', 'ms', PUBLISH,
        'BM_PublishCtl/100/1/1', scale=1e-6),
    Row('capf.simulate', 'whether 100 000 phones would accept a list', 's', LOCKOUT,
        'BM_SimulateTrustList/100000', at_most(2), scale=1e-9),
]
