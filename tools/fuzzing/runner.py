"""One fuzz target: run for a time, then its corpus made small."""

import collections
import os
import re
import shutil
import subprocess

# What libFuzzer calls the inputs that it keeps.
FAILURE_PREFIXES = ('crash-', 'timeout-', 'oom-', 'leak-', 'slow-unit-')
# Beyond these an input is a failure: a parser of ours takes far less.
TIMEOUT_S = 20
RSS_MB = 2048

Target = collections.namedtuple('Target', 'label binary seeds')
Result = collections.namedtuple('Result', 'label runs coverage corpus failures log')


def name_of(label):
    """'//services/capf/core:csr_fuzz' as a folder: 'services.capf.core.csr_fuzz'."""
    return label.lstrip('/').replace('/', '.').replace(':', '.')


def _failures(folder):
    return sorted(
        os.path.join(folder, name)
        for name in os.listdir(folder)
        if name.startswith(FAILURE_PREFIXES) and not name.startswith('slow-unit-'))


def _number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def merge(target, corpus, log):
    """Keeps of `corpus` only what covers something that the rest does not."""
    small = corpus + '.small'
    shutil.rmtree(small, ignore_errors=True)
    os.makedirs(small)
    done = subprocess.run(
        [target.binary, '-merge=1', f'-timeout={TIMEOUT_S}', small, corpus],
        stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False)
    # A failing input stays where it was found; so does all else, then.
    if done.returncode == 0:
        shutil.rmtree(corpus)
        os.rename(small, corpus)
    else:
        shutil.rmtree(small)


def run(target, seconds, root):
    """Fuzzes `target`; what it finds is below `root`, by the target's name."""
    name = name_of(target.label)
    corpus = os.path.join(root, 'corpus', name)
    failures = os.path.join(root, 'failures', name)
    for folder in (corpus, failures, os.path.join(root, 'logs')):
        os.makedirs(folder, exist_ok=True)
    before = set(_failures(failures))
    log_path = os.path.join(root, 'logs', name + '.log')
    with open(log_path, 'w', encoding='utf-8', errors='replace') as log:
        command = [
            target.binary,
            f'-max_total_time={seconds}',
            f'-timeout={TIMEOUT_S}',
            f'-rss_limit_mb={RSS_MB}',
            f'-artifact_prefix={failures}/',
            '-print_final_stats=1',
            '-verbosity=1',
            corpus,
        ] + target.seeds
        done = subprocess.run(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False)
        found = [path for path in _failures(failures) if path not in before]
        if done.returncode != 0 and not found:
            # It ended without an input to blame: the log says why.
            found = [log_path]
        merge(target, corpus, log)
    with open(log_path, encoding='utf-8', errors='replace') as log:
        text = log.read()
    return Result(
        label=target.label,
        runs=_number(r'stat::number_of_executed_units:\s*(\d+)', text),
        coverage=_number(r'#\d+\s+\S+\s+cov: (\d+)', text),
        corpus=len(os.listdir(corpus)),
        failures=found,
        log=log_path)
