#!/usr/bin/env python3
"""Measures our path verifier against public suites, from data at a path.

    tools/pki_suites/run.py --check=BINARY [--limbo=FILE] [--bettertls=FILE] [--pkits=FOLDER]

FILE is the suite's own JSON (limbo.json; what BetterTLS's export-tests
writes); FOLDER holds certs/, crls/ and pkits_testcases-inl.h. BINARY is
//tools/pki_suites:path_check. Every deviation must be in deviations.txt with
its reason; one that is not there, or one that accepts what must be refused
without being there as such, makes this exit with 1. None of the data is part
of this repository.
"""

import argparse
import base64
import datetime
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
# 2.16.840.1.101.3.2.1.48.N of PKITS, content octets.
PKITS_POLICY = '6086480165030201' + '30'
PKITS_TIME = int(datetime.datetime(2011, 4, 15, tzinfo=datetime.timezone.utc).timestamp())


def pem_to_base64(pem):
    return ''.join(line for line in pem.split('\n') if line and not line.startswith('-----'))


def unix(text):
    return int(datetime.datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp())


def limbo_cases(path):
    with open(path, encoding='utf-8') as f:
        suite = json.load(f)
    for case in suite['testcases']:
        expected = case.get('expected_peer_name') or {}
        time = case.get('validation_time')
        parts = {
            'id': case['id'],
            'time': unix(time) if time else int(datetime.datetime.now().timestamp()),
            'usage': 'client' if case['validation_kind'] == 'CLIENT' else 'server',
            'strict': 1,
            'anchors': ','.join(map(pem_to_base64, case['trusted_certs'])),
            'others': ','.join(map(pem_to_base64, case['untrusted_intermediates'])),
            'leaf': pem_to_base64(case['peer_certificate']),
            'lists': ','.join(map(pem_to_base64, case.get('crls') or [])),
            'host': expected.get('value', ''),
        }
        if case.get('max_chain_depth') is not None:
            parts['depth'] = case['max_chain_depth']
        yield 'limbo', case['expected_result'] == 'SUCCESS', parts


def bettertls_cases(path):
    with open(path, encoding='utf-8') as f:
        suite = json.load(f)
    for name, part in suite['suites'].items():
        for case in part['testCases']:
            yield 'bettertls.' + name, case['expected'] == 'ACCEPT', {
                'id': f'{name}:{case["id"]}',
                'time': int(datetime.datetime.now().timestamp()),
                'usage': 'server',
                'anchors': suite['trustRoot'],
                'others': ','.join(case['certificates'][1:]),
                'leaf': case['certificates'][0],
                'host': case['hostname'],
            }


def read_base64(path):
    with open(path, 'rb') as f:
        return base64.b64encode(f.read()).decode()


def pkits_cases(folder):
    with open(os.path.join(folder, 'pkits_testcases-inl.h'), encoding='utf-8') as f:
        text = f.read()
    for body in re.findall(r'const char\* const certs\[\].*?this->RunTest', text, re.S):
        certificates = re.findall(r'"([^"]+)"', re.search(r'certs\[\] = \{(.*?)\}', body, re.S).group(1))
        lists = re.findall(r'"([^"]+)"', re.search(r'crls\[\] = \{(.*?)\}', body, re.S).group(1))
        number = re.search(r'test_number = "([^"]+)"', body).group(1)
        wanted = re.search(r'SetInitialPolicySet\("([^"]*)"\)', body)
        policies = [PKITS_POLICY + '%02x' % int(one.rsplit('-', 1)[1])
                    for one in (wanted.group(1).split(',') if wanted else []) if one != 'anyPolicy']
        paths = [os.path.join(folder, 'certs', name + '.crt') for name in certificates]
        setting = re.findall(r'info\.(SetInitial\w+)\(true\)', body)
        yield 'pkits', 'should_validate = true' in body, {
            'id': '%s%s' % (number, ''.join('.' + p[-2:] for p in policies)),
            'time': PKITS_TIME,
            'anchors': read_base64(paths[0]),
            'others': ','.join(map(read_base64, paths[1:-1])),
            'leaf': read_base64(paths[-1]),
            'lists': ','.join(read_base64(os.path.join(folder, 'crls', name + '.crl')) for name in lists),
            'policies': ','.join(policies),
            'explicit': int('SetInitialExplicitPolicy' in setting),
            'no_mapping': int('SetInitialPolicyMappingInhibit' in setting),
            'no_any': int('SetInitialInhibitAnyPolicy' in setting),
        }


def read_deviations(path):
    """Lines "suite id accept|refuse reason in words"."""
    known = {}
    with open(path, encoding='utf-8') as f:
        for line in f:
            line = line.split('#', 1)[0].strip()
            if line:
                suite, case, verdict, reason = line.split(None, 3)
                known[suite, case] = verdict, reason
    return known


def run(check, cases):
    cases = list(cases)
    lines = [' '.join(f'{key}={value}' for key, value in parts.items() if value != '') for _, _, parts in cases]
    done = subprocess.run([check], input='\n'.join(lines) + '\n', capture_output=True, text=True, check=True)
    for (suite, accept, parts), line in zip(cases, done.stdout.splitlines(), strict=True):
        case, verdict, words = line.split('\t')
        assert case == str(parts['id']), (case, parts['id'])
        yield suite, case, accept, verdict, words


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--check', required=True)
    parser.add_argument('--limbo')
    parser.add_argument('--bettertls')
    parser.add_argument('--pkits')
    parser.add_argument('--deviations', default=os.path.join(HERE, 'deviations.txt'))
    parser.add_argument('--verbose', action='store_true', help='every case and its reason')
    options = parser.parse_args()
    known = read_deviations(options.deviations)
    results = []
    for reader, path in ((limbo_cases, options.limbo), (bettertls_cases, options.bettertls),
                         (pkits_cases, options.pkits)):
        if path:
            results += run(options.check, reader(path))
    table = {}
    unlisted = []
    for suite, case, accept, verdict, words in results:
        row = table.setdefault(suite, [0, 0, 0, 0])
        row[0] += 1
        if options.verbose:
            print(suite, case, 'accept' if accept else 'refuse', verdict, words)
        if accept == (verdict == 'OK'):
            row[1] += 1
            continue
        row[2 if verdict == 'OK' else 3] += 1
        said = 'accept' if verdict == 'OK' else 'refuse'
        listed = known.get((suite, case))
        if listed is None or listed[0] != said:
            unlisted.append(f'{suite} {case} {said} {verdict} {words}')
    print('%-28s %7s %7s %18s %18s' % ('suite', 'cases', 'as said', 'accepted, not said', 'refused, not said'))
    for suite, row in table.items():
        print('%-28s %7d %7d %18d %18d' % (suite, *row))
    for line in unlisted:
        print('not listed:', line)
    return 1 if unlisted or not results else 0


if __name__ == '__main__':
    sys.exit(main())
