"""The command line of tools/bench."""

import argparse
import fcntl
import os
import platform
import subprocess
import sys
import tempfile

from tools.benchmarks import report, runner


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog='tools/bench', description='Measures what the suite claims to reach, side by side with its peers.')
    parser.add_argument('names', nargs='*', metavar='NAME', help='a suite or a row; all if none is given')
    parser.add_argument('--list', action='store_true', help='name the rows and end')
    parser.add_argument('--json', action='store_true', help='one object a line')
    parser.add_argument('--quick', action='store_true', help='at most a minute each; rougher')
    parser.add_argument('--passes', type=int, help='how often each is measured; the median is shown')
    return parser.parse_args(argv)


def machine(root):
    """What a figure is worth nothing without."""
    commit = subprocess.run(['git', 'describe', '--always', '--dirty'], cwd=root, check=False,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    model = 'unknown CPU'
    with open('/proc/cpuinfo', encoding='ascii', errors='replace') as f:
        for line in f:
            if line.startswith('model name'):
                model = line.split(':', 1)[1].strip()
                break
    return (f'commit {commit or "unknown"}, {model}, {os.cpu_count()} cores, '
            f'Linux {platform.release()}, load {os.getloadavg()[0]:.1f}, --config=release')


def say(text):
    print(text, file=sys.stderr, flush=True)


def main(argv):
    args = arguments(argv)
    root = os.getcwd()
    try:
        rows = runner.pick(runner.all_rows(), args.names)
    except ValueError as e:
        say(f'tools/bench: {e}')
        return 2
    if args.list:
        width = max(len(row.name) for row in rows)
        for row in rows:
            goal = f' (goal: {row.goal} {row.unit})' if row.goal else ''
            print(f'{row.name:{width}}  {row.what}{goal}')
        return 0
    passes = args.passes or (runner.QUICK_PASSES if args.quick else runner.PASSES)
    bin_folder = runner.build(runner.sources(rows), root)
    # Two runs at once would measure each other.
    with open(os.path.join(tempfile.gettempdir(), 'sallyport-bench.lock'), 'a', encoding='ascii') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('waiting for another run to end')
            fcntl.flock(lock, fcntl.LOCK_EX)
        say(machine(root))
        results = runner.measure(rows, runner.context_for(root, bin_folder, args.quick), passes, say)
    if args.json:
        for result in results:
            print(report.to_json(result))
    else:
        print(report.table(results), end='')
    return 1 if report.failed(results) else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
