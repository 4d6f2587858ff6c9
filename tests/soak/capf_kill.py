"""kill -9 of capf's replicas and of their database while both issue.

Two capf processes share one PostgreSQL; clients ask both for certificates.
Either replica or the database is killed at a random moment, and started again;
what was answered must be there, no request may have two certificates, and the
audit must be one whole chain that names exactly what was issued.
"""

import argparse
import os
import subprocess


def main(argv):
    parser = argparse.ArgumentParser(prog='tools/soak capf_kill', description=__doc__)
    parser.add_argument('--kills', type=int, default=200)
    options = parser.parse_args(argv)
    program = os.path.abspath('bazel-bin/services/capf/replicas_test')
    return subprocess.run(
        [program, '--gtest_filter=ReplicasTest.Killed*'],
        cwd=program + '.runfiles/sallyport',
        env={**os.environ, 'CAPF_KILLS': str(options.kills)},
        check=False).returncode
