"""The command line of tools/profile."""

import argparse
import os
import subprocess
import sys
import tempfile

from tools.benchmarks import runner
from tools.benchmarks.source import Unavailable

CONFIG = 'profiling'
PROFILE = 'tools/profiling/release.profdata'
ATTEMPTS = 3
MERGE = 'llvm-profdata-14'

# Rows of tools/bench in which programs of ours work as they are to: some seconds
# each, so that none outweighs the others. What these never call is compiled as
# if there were no profile.
WORK = (
    'signaling.options.udp.of_bare',
    'signaling.options.tcp.of_bare',
    'signaling.options.tls.of_bare',
    'signaling.calls.udp_with_relay',
    'signaling.calls.tls_with_relay',
    'signaling.register',
    'signaling.handshakes.of_bare',
    # In both directions, which that load does not.
    'media.core.channel_data_1000',
    'media.turn.1000.of_bare',
    'media.turn.allocate',
    'media.bridge.1000.of_bare',
    'media.bridge.unsrtp.sockets',
    'media.session.create_mean',
    'dialplan.resolve_asleep',
    'dialplan.writes',
    'credentials.grpc_sqlite',
    'capf.enroll_p256',
    'capf.enroll_rsa2048',
)
# A bare server is compared with ours, so it is compiled as ours are.
OURS = ('bare',)


def sources(rows):
    """What these rows measure, without others' programs."""
    found = []
    for row in rows:
        found.append(row.source)
        if row.peer and row.peer.name in OURS:
            found.append(row.peer.source)
    return list(dict.fromkeys(found))


def chosen():
    """The rows of WORK. ValueError if one is none."""
    by_name = {row.name: row for row in runner.all_rows()}
    missing = [name for name in WORK if name not in by_name]
    if missing:
        raise ValueError(f'no such row of tools/bench: {", ".join(missing)}')
    return [by_name[name] for name in WORK]


def say(text):
    print(text, file=sys.stderr, flush=True)


def attempt(source, context):
    """Programs that count are slow, and so now and then too late for a load."""
    for left in reversed(range(ATTEMPTS)):
        try:
            return source.measure(context)
        except Unavailable as e:
            if not left:
                raise
            say(f'once more: {e}')


def record(rows, root, folder):
    """Does the work; each program leaves its counts in `folder` as it ends."""
    work = sources(rows)
    context = runner.context_for(root, runner.build(work, root, CONFIG), quick=True)
    os.environ['LLVM_PROFILE_FILE'] = os.path.join(folder, '%m.profraw')
    for source in work:
        say(f'{runner.describe(source)}: {" ".join(getattr(source, "args", ())[:3])}')
        attempt(source, context)


def main(argv):
    parser = argparse.ArgumentParser(
        prog='tools/profile', description='Renews the profile that --config=release is compiled by.')
    parser.add_argument('--list', action='store_true', help='name the rows of tools/bench that are run, and end')
    args = parser.parse_args(argv)
    rows = chosen()
    if args.list:
        print('\n'.join(f'{row.name}  {row.what}' for row in rows))
        return 0
    with tempfile.TemporaryDirectory(prefix='sallyport-profile-') as folder:
        try:
            record(rows, os.getcwd(), folder)
        except Unavailable as e:
            say(f'tools/profile: {e}')
            return 1
        counts = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        # Without what was never run.
        subprocess.run([MERGE, 'merge', '-sparse', f'-output={PROFILE}', *counts], check=True)
    say(f'{PROFILE}: {os.path.getsize(PROFILE)} octets, of {len(counts)} programs')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
