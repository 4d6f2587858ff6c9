"""Where values come from: programs that are run once per pass.

A source is hashable, says what Bazel has to build for it (`targets`), and
`measure(context)` returns a dict from key to value. It raises Unavailable if
it cannot run on this machine, such as a peer that is not installed.
"""

import dataclasses
import json
import os
import shutil
import statistics
import subprocess
from typing import Tuple

_TO_NS = {'ns': 1.0, 'us': 1e3, 'ms': 1e6, 's': 1e9}


class Unavailable(Exception):
    """This source cannot be measured here; the text says why."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What a source needs to know of the run."""
    root: str  # of the checkout
    bin: str  # where Bazel put the release build
    quick: bool = False
    # One core for what is measured, the others for its load.
    cpu: int = 0
    load_cpus: Tuple[int, ...] = (0,)

    def binary(self, target):
        """The file that //a/b:c was built to."""
        package, _, name = target.removeprefix('//').partition(':')
        return os.path.join(self.bin, package, name or os.path.basename(package))

    def on_one_core(self, command):
        """`command`, kept on the core that is measured."""
        return ['taskset', '-c', str(self.cpu)] + list(command)


def run(command, timeout, cwd):
    """Standard output of a command that has to succeed."""
    try:
        done = subprocess.run(command, cwd=cwd, timeout=timeout, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except subprocess.TimeoutExpired as e:
        raise Unavailable(f'{os.path.basename(command[0])}: no end after {timeout:g} s') from e
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f'{os.path.basename(command[0])}: exit status {done.returncode}: '
                          f'{said[-1] if said else "nothing said"}')
    return done.stdout


@dataclasses.dataclass(frozen=True)
class GoogleBenchmark:
    """A sallyport_cc_benchmark on one core. Keys: the case's name, which gives
    its CPU time in ns; `case:counter` for one of its counters."""
    target: str
    cases: str = '.'  # --benchmark_filter
    seconds: float = 0.5  # per case
    env: Tuple[str, ...] = ()  # 'NAME=value'
    # So often each, all in turns: for cases that are compared with each other.
    turns: int = 1

    @property
    def targets(self):
        return (self.target,)

    def measure(self, context):
        seconds = min(self.seconds, 0.1) if context.quick else self.seconds
        turns = [] if self.turns == 1 else [f'--benchmark_repetitions={self.turns}',
                                            '--benchmark_enable_random_interleaving=true']
        out = run(context.on_one_core([
            'env', *self.env, context.binary(self.target), '--benchmark_format=json',
            f'--benchmark_filter={self.cases}', f'--benchmark_min_time={seconds / self.turns}', *turns,
        ]), timeout=600, cwd=context.root)
        return self.parse(out)

    @staticmethod
    def parse(text):
        turns, failed = {}, []
        known = {'family_index', 'per_family_instance_index', 'repetitions', 'repetition_index',
                 'threads', 'iterations', 'real_time', 'cpu_time'}
        for case in json.loads(text)['benchmarks']:
            if case.get('error_occurred'):  # its own row's loss, no other's
                failed.append(f"{case['name']}: {case.get('error_message', 'failed')}")
                continue
            if case.get('run_type', 'iteration') != 'iteration':
                continue
            turns.setdefault(case['name'], []).append(case['cpu_time'] * _TO_NS[case['time_unit']])
            for counter, value in case.items():
                if isinstance(value, (int, float)) and counter not in known:
                    turns.setdefault(f"{case['name']}:{counter}", []).append(float(value))
        if failed and not turns:
            raise Unavailable('; '.join(failed))
        return {key: statistics.median(values) for key, values in turns.items()}


@dataclasses.dataclass(frozen=True)
class LoadProgram:
    """A program that drives real processes and prints, as its last line, one
    JSON object: the keys and their values. `{cpu}`, `{load_cpus}` and
    `{//a/b:c}` (the path of a binary) are filled in its arguments. Without a
    colon in it `program` is a command of the machine."""
    program: str
    args: Tuple[str, ...] = ()
    quick_args: Tuple[str, ...] = ()  # added with --quick
    needs: Tuple[str, ...] = ()  # other targets that its arguments name
    timeout: float = 900

    @property
    def targets(self):
        own = (self.program,) if self.program.startswith('//') else ()
        return own + self.needs

    def command(self, context):
        if self.program.startswith('//'):
            program = context.binary(self.program)
        else:
            program = shutil.which(self.program) or os.path.join(context.root, self.program)
            if not os.access(program, os.X_OK):
                raise Unavailable(f'{self.program} is not installed')
        out = [program]
        for arg in self.args + (self.quick_args if context.quick else ()):
            for target in self.needs:
                arg = arg.replace('{' + target + '}', context.binary(target))
            out.append(arg.replace('{cpu}', str(context.cpu)).replace(
                '{load_cpus}', ','.join(map(str, context.load_cpus))))
        return out

    def measure(self, context):
        lines = run(self.command(context), timeout=self.timeout, cwd=context.root).strip().splitlines()
        try:
            values = json.loads(lines[-1])
            return {key: float(value) for key, value in values.items()}
        except (IndexError, ValueError, AttributeError, TypeError) as e:
            raise Unavailable(f'{self.program}: its last line is no object of numbers') from e
