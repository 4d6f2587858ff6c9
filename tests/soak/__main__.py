"""Lists and runs the long runs; tools/soak is its face."""

import importlib
import sys

# Each is a module here, with main(argv).
RUNS = ('capf_kill', 'dialplan_kill', 'edge_reload', 'relay_churn')
TARGETS = {'capf_kill': ('//services/capf:replicas_test',),
           'dialplan_kill': ('//services/dialplan:dialplan', '//services/dialplan/load:write_load'),
           'edge_reload': ('//tests/harness',),
           'relay_churn': ('//services/media_relay:media_relay', '//services/media_relay/load:media_load')}


def main(argv):
    if argv[:1] == ['--targets'] and len(argv) == 2 and argv[1] in RUNS:
        print('\n'.join(TARGETS[argv[1]]))
        return 0
    if argv[:1] == ['--list'] or not argv:
        for name in RUNS:
            module = importlib.import_module(f'tests.soak.{name}')
            print(f'{name:20} {module.__doc__.splitlines()[0]}')
        return 0 if argv else 2
    if argv[0] not in RUNS:
        print(f'no such run: {argv[0]}; tools/soak --list', file=sys.stderr)
        return 2
    return importlib.import_module(f'tests.soak.{argv[0]}').main(argv[1:])


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
