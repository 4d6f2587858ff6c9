"""Builds and runs fuzz targets side by side; tools/fuzz is its face."""

import argparse
import concurrent.futures
import os
import subprocess
import sys

from tools.fuzzing import runner


def _bazel(*arguments):
    done = subprocess.run(('bazel',) + arguments, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout.split('\n')


def all_labels():
    return sorted(
        line for line in _bazel('query', '--noshow_progress',
                                'attr(tags, "fuzz_regression", kind(cc_test, //...))') if line)


def chosen(labels, words):
    """Those whose name has one of `words`; all without words."""
    if not words:
        return labels, []
    unknown = [word for word in words if not any(word in label for label in labels)]
    return [label for label in labels if any(word in label for word in words)], unknown


def _seeds(label):
    """The folders of the inputs that are committed beside a target."""
    files = [line for line in _bazel('query', '--noshow_progress', f'labels(data, {label})') if line]
    paths = [file.lstrip('/').replace(':', '/') for file in files]
    return sorted({os.path.dirname(path) for path in paths})


def _targets(labels):
    if not os.environ.get('FUZZ_NO_BUILD'):
        subprocess.run(['bazel', 'build', '--config=fuzz'] + labels, check=True)
    folder = _bazel('info', '--config=fuzz', 'bazel-bin')[0]
    return [
        runner.Target(label, os.path.join(folder, label.lstrip('/').replace(':', '/')),
                      _seeds(label)) for label in labels
    ]


def fuzz(targets, seconds, jobs, root, out):
    """Runs all of them, `jobs` at a time; returns whether none failed."""
    failed = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        runs = [pool.submit(runner.run, target, seconds, root) for target in targets]
        for run in concurrent.futures.as_completed(runs):
            result = run.result()
            state = 'FAILED' if result.failures else 'ok'
            print(f'{state:6} {result.label:60} {result.runs:>12} runs, {result.coverage:>6} edges, '
                  f'{result.corpus:>5} inputs', file=out, flush=True)
            for failure in result.failures:
                print(f'         {failure}', file=out, flush=True)
            if result.failures:
                failed.append(result.label)
    print(f'{len(targets) - len(failed)} passed, {len(failed)} failed; corpus, failures and logs in {root}',
          file=out)
    return not failed


def main(argv):
    parser = argparse.ArgumentParser(prog='tools/fuzz')
    parser.add_argument('words', nargs='*', metavar='TARGET', help='part of a label')
    parser.add_argument('--seconds', type=int, default=60, help='for each target (default: 60)')
    parser.add_argument('--jobs', type=int, default=max(1, (os.cpu_count() or 2) // 2),
                        help='targets at a time (default: half of the cores)')
    parser.add_argument('--corpus', default='.fuzz',
                        help='folder of what was found (default: .fuzz)')
    parser.add_argument('--list', action='store_true', help='print the targets')
    arguments = parser.parse_args(argv)
    if arguments.seconds < 1 or arguments.jobs < 1:
        parser.error('--seconds and --jobs are at least 1')
    labels, unknown = chosen(all_labels(), arguments.words)
    if unknown:
        parser.error(f'no fuzz target has {", ".join(unknown)} in its name; see --list')
    if arguments.list:
        print('\n'.join(labels))
        return 0
    root = os.path.abspath(arguments.corpus)
    good = fuzz(_targets(labels), arguments.seconds, arguments.jobs, root, sys.stdout)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
