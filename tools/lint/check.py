#!/usr/bin/env python3
"""The source-tree gates of //:lint. Usage: check.py GATE ROOT [FILE...]

Each gate prints every fault as `path:line: what` and exits 1 if there is one.
ROOT is a checkout; only files that a build or a reader uses are looked at.
"""

import ast
import os
import re
import subprocess
import sys

from includes import includes as include_faults

SOURCE_ENDINGS = ('.cc', '.h', '.proto', '.py', '.sh', '.bzl')
SKIPPED_FOLDERS = {'.git', 'testdata', 'node_modules', '.run'}
MAX_LINES = 800
WARN_LINES = 500

# What a core may not contain (style.md 2.6, gate 4), with why.
CORE_TOKENS = [
    (r'\babsl::Now\s*\(', 'reads the wall clock'),
    (r'\b(system|steady|high_resolution)_clock\b', 'reads a clock'),
    (r'\bclock_gettime\b|\bgettimeofday\b|[^_\w]time\s*\(\s*(NULL|nullptr|0)?\s*\)',
     'reads a clock'),
    (r'\bstd::(jthread|thread|async)\b|\bpthread_', 'makes a thread'),
    (r'\b(absl::)?Mutex\b|\bstd::(recursive_|shared_|timed_)?mutex\b', 'locks'),
    (r'\bgetenv\b', 'reads the environment'),
    (r'\bspdlog\b|\bLOG\(', 'logs'),
    (r'\bRAND_\w+\s*\(|\bstd::(random_device|mt19937)|\brand\s*\(\)', 'draws its own random'),
    (r'#include\s+<sys/|#include\s+<(netinet|arpa|unistd|fcntl|poll)\b', 'includes a system header'),
    (r'\bthrow\b', 'throws'),
    (r'\.pb\.h"', 'includes generated code'),
]


def walk(root, endings):
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            d for d in folders
            if d not in SKIPPED_FOLDERS and not d.startswith('bazel-'))
        for name in sorted(files):
            if name.endswith(endings):
                path = os.path.join(folder, name)
                yield os.path.relpath(path, root), path


def lines_of(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read().splitlines()


def without_comment(line):
    return re.sub(r'//.*$', '', re.sub(r'"(\\.|[^"\\])*"', '""', line))


def allowed_core_tokens(root):
    """Lines `path: token-regex  # reason` of tools/lint/core_tokens_allowed.txt."""
    path = os.path.join(root, 'tools/lint/core_tokens_allowed.txt')
    allowed = []
    if os.path.exists(path):
        for number, line in enumerate(lines_of(path), 1):
            text, _, reason = line.partition('#')
            if not text.strip():
                continue
            if not reason.strip():
                raise SystemExit(f'{path}:{number}: an exception needs a reason')
            where, _, what = text.strip().partition(': ')
            allowed.append((where, what))
    return allowed


def core_tokens(root):
    faults = []
    allowed = allowed_core_tokens(root)
    for rel, path in walk(root, ('.cc', '.h')):
        if not re.match(r'services/\w+/core/|services/common/digit_analysis/', rel):
            continue
        if re.search(r'_(test|fuzz|benchmark)\.cc$', rel):
            continue
        for number, line in enumerate(lines_of(path), 1):
            code = re.sub(r'//.*$', '', line)
            if '#include' not in code:
                code = without_comment(line)
            for token, why in CORE_TOKENS:
                match = re.search(token, code)
                if match and (rel, match.group(0).strip()) not in allowed:
                    faults.append(f'{rel}:{number}: a core {why}: {match.group(0).strip()}')
    return faults


def file_size(root):
    faults = []
    for rel, path in walk(root, SOURCE_ENDINGS):
        count = len(lines_of(path))
        if count > MAX_LINES:
            faults.append(f'{rel}:{count}: more than {MAX_LINES} lines')
        elif count > WARN_LINES:
            print(f'warning: {rel} has {count} lines')
    return faults


def todo(root):
    faults = []
    for rel, path in walk(root, SOURCE_ENDINGS):
        if rel.startswith('tools/lint/'):
            continue
        for number, line in enumerate(lines_of(path), 1):
            for match in re.finditer(r'\b(TODO|FIXME|XXX|HACK)\b(\(#\d+\))?', line):
                if match.group(1) != 'TODO' or not match.group(2):
                    faults.append(f'{rel}:{number}: {match.group(0)}: write TODO(#n) with an issue')
    return faults


def formatting(root):
    files = [path for _, path in walk(root, ('.cc', '.h'))]
    if not files:
        return []
    done = subprocess.run(
        ['clang-format-14', '--style=file', '--dry-run', '--Werror'] + files,
        capture_output=True, text=True, cwd=root)
    if done.returncode == 0:
        return []
    shown = re.findall(r'^(\S+?):(\d+):\d+: error: .*$', done.stderr, re.M)
    return [f'{os.path.relpath(os.path.realpath(f), os.path.realpath(root))}:{n}: not as clang-format writes it'
            for f, n in shown] or [done.stderr.strip()]


def header_guard(root):
    """Include guards by path, and each .cc includes its own header first."""
    faults = []
    for rel, path in walk(os.path.join(root, 'services'), ('.h',)):
        rel = 'services/' + rel
        text = '\n'.join(lines_of(path))
        if '#pragma once' not in text and not re.search(r'#ifndef \w+_H_\n#define \w+_H_', text):
            faults.append(f'{rel}:1: no include guard')
    for rel, path in walk(os.path.join(root, 'services'), ('.cc',)):
        rel = 'services/' + rel
        own = re.sub(r'(_test|_fuzz|_benchmark)?\.cc$', '.h', rel)
        if not os.path.exists(os.path.join(root, own)):
            continue
        includes = re.findall(r'^#include\s+["<](.+?)[">]', '\n'.join(lines_of(path)), re.M)
        if includes and includes[0] != own:
            faults.append(f'{rel}:1: its own header {own} must be the first include')
    return faults


def suites(root):
    """Every package that declares suites is in the root BUILD's lists."""
    faults = []
    listed = '\n'.join(lines_of(os.path.join(root, 'BUILD')))
    for rel, path in walk(root, ('BUILD',)):
        package = os.path.dirname(rel)
        if not package:
            continue
        text = '\n'.join(lines_of(path))
        has_tests = re.search(r'\bsallyport_(cc|fuzz)_test\(|\bsallyport_cc_benchmark\(|\bsh_test\(|\bsallyport_core_gate\(', text)
        if has_tests and 'sallyport_test_suites()' not in text:
            faults.append(f'{rel}:1: has tests but no sallyport_test_suites()')
        if has_tests and f'"//{package}:' not in listed:
            faults.append(f'BUILD:1: no suite lists //{package}; run tools/dev/update_suites')
        if re.match(r'services/\w+/core$', package) and 'sallyport_core_gate()' not in text:
            faults.append(f'{rel}:1: a core without sallyport_core_gate()')
    return faults


def targets_of(rel, path):
    """(package, name, files, headers, deps) of each C++ target that a BUILD
    file writes out; those that a loop makes are left out."""
    package = os.path.dirname(rel)

    def words(node):
        if isinstance(node, ast.BinOp):
            return words(node.left) + words(node.right)
        return [e.value for e in getattr(node, 'elts', ()) if isinstance(e, ast.Constant)]

    with open(path, encoding='utf-8') as f:
        tree = ast.parse(f.read(), path)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
                and re.match(r'sallyport_(cc_|fuzz_)', node.func.id)):
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if not isinstance(given.get('name'), ast.Constant):
            continue
        files = words(given.get('srcs')) + words(given.get('hdrs'))
        deps = set()
        for dep in words(given.get('deps')):
            if dep.startswith(':'):
                dep = f'//{package}{dep}'
            elif ':' not in dep:
                dep = f'{dep}:{os.path.basename(dep)}'
            deps.add(dep)
        name = f'//{package}:{given["name"].value}'
        yield package, name, [f for f in files if f.endswith(('.h', '.cc'))], deps


def declared_deps(root):
    """A target names every target of ours whose header it includes: what
    layering_check would do, were it in the packaged Bazel."""
    targets = [target for rel, path in walk(root, ('BUILD',)) for target in targets_of(rel, path)]
    owners = {}
    for package, name, files, _ in targets:
        for file in files:
            if file.endswith('.h'):
                owners.setdefault(f'{package}/{file}', set()).add(name)
    faults = []
    for package, name, files, deps in targets:
        for file in files:
            path = os.path.join(root, package, file)
            if not os.path.exists(path):
                continue  # another target's
            for number, line in enumerate(lines_of(path), 1):
                include = re.match(r'#include "(.+)"', line)
                has = owners.get(include.group(1)) if include else None
                if has and name not in has and not has & deps:
                    faults.append(f'{package}/{file}:{number}: {name} has no dep on {min(has)}')
    return faults


def metrics_table(root):
    """Each metric is listed once, in its service's table, and named by rule."""
    faults = []
    seen = {}
    pattern = re.compile(r'"(sallyport_[a-z0-9_]+)"')
    tables = []
    for rel, path in walk(os.path.join(root, 'services'), ('.h', '.cc')):
        rel = 'services/' + rel
        if os.path.basename(rel).startswith('metrics_table.'):
            tables.append(rel)
            service = rel.split('/')[1]
            for number, line in enumerate(lines_of(path), 1):
                for name in pattern.findall(line):
                    if name in seen:
                        faults.append(f'{rel}:{number}: {name} is listed twice')
                    seen[name] = rel
                    if service != 'common' and not name.startswith(f'sallyport_{service}_'):
                        faults.append(f'{rel}:{number}: {name} does not begin with sallyport_{service}_')
                    if not re.search(r'_(total|seconds|bytes|ratio|connections|calls|registrations|sessions|allocations|version|info|state|entries|certificates|keys|ports|packets|watchers|resources|enrollments)$', name):
                        faults.append(f'{rel}:{number}: {name} does not end in a unit or total')
    for rel, path in walk(os.path.join(root, 'services'), ('.cc', '.h')):
        rel = 'services/' + rel
        if '_test.cc' in rel or os.path.basename(rel).startswith('metrics_table.') or rel.startswith('services/common/'):
            continue
        for number, line in enumerate(lines_of(path), 1):
            for name in pattern.findall(line):
                faults.append(f'{rel}:{number}: {name} belongs in a metrics_table.h')
    for service in ('signaling_edge', 'media_relay', 'credential_issuer', 'capf', 'dialplan'):
        if os.path.isdir(os.path.join(root, 'services', service)) and not any(
                t.startswith(f'services/{service}/') for t in tables):
            faults.append(f'services/{service}/io/metrics_table.h:1: is missing')
    return faults


def private_words(root):
    """No registry's host and no absolute path of a machine in a tracked file."""
    faults = []
    bad = re.compile(r'(?<![\w./-])/(work|root|farm|home/\w+)/|\b(deb|security|snapshot)\.debian\.org|registry\.npmjs|pypi\.org|proxy\.golang\.org')
    for rel, path in walk(root, SOURCE_ENDINGS + ('BUILD', 'WORKSPACE', '.md', '.yaml', '.json', '.txt', 'run', 'test', 'install')):
        if rel.startswith('tools/lint/'):
            continue
        for number, line in enumerate(lines_of(path), 1):
            match = bad.search(line)
            if match:
                faults.append(f'{rel}:{number}: names {match.group(0)}')
    return faults


def one_tls_library(_root, binaries):
    """No TLS symbol leaves a binary of ours, and no second library comes in."""
    faults = []
    for binary in binaries:
        symbols = subprocess.run(['nm', '-D', '--defined-only', binary],
                                 capture_output=True, text=True, check=True).stdout
        for match in re.finditer(r' [A-Za-z] ((SSL|EVP|X509|CRYPTO|RSA|EC|BIO|ERR|srtp)_\w+)', symbols):
            faults.append(f'{binary}: exports {match.group(1)}')
        static = subprocess.run(['nm', binary], capture_output=True, text=True).stdout
        has_own = re.search(r' [tT] SSL_CTX_new$', static, re.M)
        undefined = subprocess.run(['nm', '-D', '--undefined-only', binary],
                                   capture_output=True, text=True, check=True).stdout
        for match in re.finditer(r' U ((SSL|EVP|X509)_\w+)', undefined):
            faults.append(f'{binary}: takes {match.group(1)} from a shared library'
                          + (' beside its own BoringSSL' if has_own else ''))
        loaded = subprocess.run(['ldd', binary], capture_output=True, text=True, check=True).stdout
        needed = subprocess.run(['readelf', '-d', binary], capture_output=True, text=True, check=True).stdout
        for match in re.finditer(r'^\s*(lib(nss3|nspr4|freebl3|softokn3|boringssl|android-\S*ssl\S*|gnutls|mbedtls)\S*)', loaded, re.M):
            # Debian's libpq brings libldap, which brings it; its own TLS is
            # OpenSSL, as gRPC's is, and no name of one is a name of the other.
            # Who is linked with it has chosen it (media_relay, for DTLS).
            if match.group(2) == 'gnutls' and ('libpq.so' in loaded or '[libgnutls.so' in needed):
                continue
            faults.append(f'{binary}: loads {match.group(1)}')
        for match in re.finditer(r'NEEDED.*\[(lib(ssl|crypto)\.so\S*)\]', needed):
            faults.append(f'{binary}: is linked with {match.group(1)}')
    return faults


# The requirements catalogue: how many ids each series has.
SERIES = {'UM': 129, 'AVE': 59, 'CUC': 89, 'CCE': 69, 'IMP': 76}
STATES = ('held', 'informative', 'partly', 'not held')


def requirement_row(root, rel, number, line, wanted):
    """The faults of one row of docs/requirements, and its state."""
    cells = [c.strip() for c in line.strip().strip('|').split('|')]
    if len(cells) != 4:
        return [f'{rel}:{number}: a row has an id, a state, how and the proof'], ''
    name, state, how, proof = cells
    faults = []
    if name != wanted:
        faults.append(f'{rel}:{number}: {name} where {wanted} is due')
    if state not in STATES:
        faults.append(f'{rel}:{number}: {state!r} is none of {", ".join(STATES)}')
    if not how:
        faults.append(f'{rel}:{number}: {name} does not say how')
    tests = re.findall(r'[\w./-]+', re.sub(r'<br ?/?>', ' ', proof))
    if state == 'held' and not tests:
        faults.append(f'{rel}:{number}: {name} is held by no test')
    for test in tests:
        path = os.path.join(root, test)
        if not re.search(r'_test\.(cc|py|sh)$', test) or not os.path.isfile(path):
            faults.append(f'{rel}:{number}: {test} is not a test of ours')
        elif not re.search(rf'(?<![A-Za-z]){name}(?!\d)', '\n'.join(lines_of(path))):
            faults.append(f'{rel}:{number}: {test} does not quote {name}')
    return faults, state


def requirements(root):
    """Each id of the catalogue has a row, and its proof quotes it."""
    faults = []
    counts = dict.fromkeys(STATES, 0)
    for series, count in SERIES.items():
        rel = f'docs/requirements/{series.lower()}.md'
        path = os.path.join(root, rel)
        if not os.path.exists(path):
            faults.append(f'{rel}:1: is missing')
            continue
        rows = [(n, line) for n, line in enumerate(lines_of(path), 1)
                if re.match(rf'\| *{series}-', line)]
        if len(rows) != count:
            faults.append(f'{rel}:1: has {len(rows)} rows of {count}')
        for position, (number, line) in enumerate(rows, 1):
            found, state = requirement_row(
                root, rel, number, line, f'{series}-{position:02d}')
            faults += found
            if state in counts:
                counts[state] += 1
    print(', '.join(f'{count} {state}' for state, count in counts.items()))
    return faults


def includes(root):
    return include_faults(root, [rel for rel, _ in walk(root, ('.cc', '.h'))])


GATES = {
    'core_tokens': core_tokens,
    'file_size': file_size,
    'todo': todo,
    'format': formatting,
    'header': header_guard,
    'includes': includes,
    'suites': suites,
    'declared_deps': declared_deps,
    'metrics_table': metrics_table,
    'private_words': private_words,
    'requirements': requirements,
}


def main():
    gate, root, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    if gate == 'one_tls_library':
        if not rest:
            raise SystemExit('one_tls_library: no binary given')
        faults = one_tls_library(root, rest)
    else:
        # A test's data are links into the checkout; follow one to its root.
        if os.path.isfile(root):
            root = os.path.dirname(os.path.realpath(root))
        faults = GATES[gate](root)
    for fault in faults:
        print(fault)
    if faults:
        print(f'{gate}: {len(faults)} faults')
        return 1
    print(f'{gate}: nothing found')
    return 0


if __name__ == '__main__':
    sys.exit(main())
