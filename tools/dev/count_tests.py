#!/usr/bin/env python3
"""Prints `N passed, N failed` from Bazel's build event files.

A test that was not built counts as failed, so that a broken build cannot look
like a short list of passes. Exits 1 if anything failed or nothing ran.
"""

import json
import sys


def main():
    passed, failed = 0, []
    for path in sys.argv[1:]:
        configured, summarised = set(), {}
        broken = False
        with open(path, encoding='utf-8') as f:
            for line in f:
                event = json.loads(line)
                ident = event.get('id', {})
                if 'testSummary' in ident and 'testSummary' in event:
                    label = ident['testSummary']['label']
                    summarised[label] = event['testSummary'].get('overallStatus')
                elif 'targetConfigured' in ident:
                    kind = event.get('configured', {}).get('targetKind', '')
                    if kind.endswith('_test rule'):
                        configured.add(ident['targetConfigured']['label'])
                elif 'finished' in event and event['finished'].get('exitCode', {}).get('name') not in (
                        'SUCCESS', 'TESTS_FAILED'):
                    broken = True
        for label, status in summarised.items():
            if status in ('PASSED', 'FLAKY'):
                passed += 1
            else:
                failed.append(f'{label} ({status})')
        if broken:
            failed.extend(f'{label} (not built)' for label in sorted(configured - set(summarised)))
            if not failed:
                failed.append(f'{path}: the build did not finish')
    for name in failed:
        print(f'FAILED: {name}')
    print(f'{passed} passed, {len(failed)} failed')
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    sys.exit(main())
