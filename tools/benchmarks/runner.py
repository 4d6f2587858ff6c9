"""Picks rows, builds what they need, and measures in turns."""

import importlib
import os
import pkgutil
import subprocess

from tools.benchmarks import suites
from tools.benchmarks.report import summarise
from tools.benchmarks.source import Context, Unavailable

PASSES = 5
QUICK_PASSES = 2


def all_rows():
    """The ROWS of every module in suites/, by suite."""
    rows = []
    for module in sorted(m.name for m in pkgutil.iter_modules(suites.__path__)):
        rows.extend(importlib.import_module(f'tools.benchmarks.suites.{module}').ROWS)
    names = [row.name for row in rows]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ValueError(f'two rows of one name: {", ".join(sorted(doubled))}')
    return rows


def pick(rows, names):
    """Rows of the suites, groups ("dialplan.resolve" also means
    "dialplan.resolve.grpc") or rows named; all if none is. ValueError for a
    name that is nothing's."""
    for name in names:
        if not any(row.name == name or row.name.startswith(name + '.') for row in rows):
            raise ValueError(f'{name}: there is no such row or suite; see --list')
    return [row for row in rows if not names or
            any(row.name == n or row.name.startswith(n + '.') for n in names)]


def sources(rows):
    """What rows measure and what they compare it with, each once."""
    return list(dict.fromkeys(s for row in rows for s in row.sources()))


def build(work, root, config='release'):
    """Builds what the sources run; returns Bazel's output folder."""
    targets = sorted({t for source in work for t in source.targets})
    if targets:
        subprocess.run(['bazel', 'build', f'--config={config}', '--'] + targets, cwd=root, check=True, stdout=2)
    return subprocess.run(['bazel', 'info', f'--config={config}', 'bazel-bin'], cwd=root, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()


def cpus():
    """The core that is measured, and those of its load."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[-1], tuple(usable[:-1]) or tuple(usable)


def measure(rows, context, passes, progress=lambda text: None):
    """Every source once per pass, each peer right after what it is compared
    with, so that what disturbs the machine disturbs both."""
    samples, failures = {}, {}
    for turn in range(passes):
        for source in sources(rows):
            if source in failures:
                continue
            progress(f'pass {turn + 1} of {passes}: {describe(source)}')
            try:
                samples.setdefault(source, []).append(source.measure(context))
            except Unavailable as e:
                failures[source] = str(e)
    return [summarise(row, samples, failures) for row in rows]


def describe(source):
    return getattr(source, 'target', None) or getattr(source, 'program', None) or str(source)


def context_for(root, bin_folder, quick):
    cpu, load = cpus()
    return Context(root=root, bin=bin_folder, quick=quick, cpu=cpu, load_cpus=load)
