"""Allocations come and go at a relay, 200 a second; its memory must stay flat.

    tools/soak relay_churn [--minutes=30]     72 hours: --minutes=4320

Each client is challenged, allocates, binds a channel and ends it. Growth counts
from a tenth of the time on, when ports have begun to come out of their rest.
"""

import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOST_GROWN_KB = 1024


def main(argv):
    parser = argparse.ArgumentParser(prog='tools/soak relay_churn', description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=30)
    parser.add_argument('--cpu', type=int, default=1, help='of the relay; its load gets core 0')
    arguments = parser.parse_args(argv)
    relay = os.path.join(ROOT, 'bazel-bin/services/media_relay/media_relay')
    load = os.path.join(ROOT, 'bazel-bin/services/media_relay/load/media_load')
    done = subprocess.run([load, '--work=churn', f'--relay={relay}', f'--seconds={arguments.minutes * 60}',
                           f'--cpu={arguments.cpu}', '--load_cpus=0'],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        print('FAILED: the run ended early', file=sys.stderr)
        return 1
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{figures['allocations']:.0f} allocations, {figures['per_second']:.0f}/s, p99 {figures['p99_ms']:.1f} ms, "
          f"none refused; resident memory {figures['resident_kb']:.0f} kB, grown by {figures['grown_kb']:.0f} kB")
    if figures['grown_kb'] > MOST_GROWN_KB:
        print(f'FAILED: grown by more than {MOST_GROWN_KB} kB', file=sys.stderr)
        return 1
    return 0
