#!/usr/bin/env python3
"""What is run for the profile, and whether the one that is here is of this code."""

import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.getcwd())

from tools.benchmarks.row import Peer, Row
from tools.profiling import __main__ as profiling

SERVICES = ('capf', 'credential_issuer', 'dialplan', 'media_relay', 'signaling_edge')
# `llvm-profdata show`: a function's name, then what there is of it, further in.
FUNCTION = re.compile(r'^  (\S.*):$', re.M)


def recorded():
    """Our functions that were called, by their symbols: others are not in the profile."""
    shown = subprocess.run([profiling.MERGE, 'show', '--all-functions', profiling.PROFILE], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    # Those of no linkage have their file before them.
    names = {name.rpartition(':')[2] for name in FUNCTION.findall(shown)}
    return {name for name in names if '9sallyport' in name}


def symbols(program):
    shown = subprocess.run(['nm', program], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {line.rpartition(' ')[2] for line in shown.splitlines()}


class WorkTest(unittest.TestCase):
    def test_each_row_is_one_of_the_benchmarks(self):
        self.assertEqual([row.name for row in profiling.chosen()], list(profiling.WORK))

    def test_programs_of_others_are_not_run(self):
        rows = [Row('a.b', '', '/s', 'ours', 'k', peer=Peer('kamailio', 'theirs', 'k')),
                Row('a.c', '', '/s', 'ours', 'k', peer=Peer('bare', 'the least', 'k'))]
        self.assertEqual(profiling.sources(rows), ['ours', 'the least'])

    def test_every_service_works(self):
        targets = {target for source in profiling.sources(profiling.chosen()) for target in source.targets}
        for service in SERVICES:
            self.assertIn(f'//services/{service}:{service}', targets)


class RecordedTest(unittest.TestCase):
    def setUp(self):
        self.names = recorded()

    def test_every_service_has_worked(self):
        for service in SERVICES:
            own = [name for name in self.names if f'{len(service)}{service}' in name]
            self.assertGreater(len(own), 50, service)

    def test_what_it_speaks_of_is_still_there(self):
        there = set().union(*(symbols(f'services/{service}/{service}') for service in SERVICES))
        # The bare servers and the loads have some of their own.
        gone = sorted(self.names - there)
        self.assertLess(len(gone), len(self.names) / 4,
                        f'of {len(self.names)} functions that the profile knows these are gone; tools/profile makes it '
                        f'anew: {gone[:20]}')


if __name__ == '__main__':
    unittest.main()
