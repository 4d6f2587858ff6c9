#!/usr/bin/env python3
"""Rows, sources, medians, and the two forms of the report."""

import dataclasses
import json
import os
import sys
import unittest

sys.path.insert(0, os.getcwd())

from tools.benchmarks import report, runner, undisturbed  # noqa: E402
from tools.benchmarks.row import Peer, Row, at_least, at_most, times_peer  # noqa: E402
from tools.benchmarks.source import Context, GoogleBenchmark, LoadProgram, Unavailable  # noqa: E402


@dataclasses.dataclass(frozen=True)
class Fake:
    """Yields `values` pass by pass; None: it cannot run."""
    name: str
    key: str
    values: tuple
    log: list = dataclasses.field(default_factory=list, compare=False)
    targets = ()

    def measure(self, context):
        value = self.values[sum(1 for n in self.log if n == self.name)]
        self.log.append(self.name)
        if value is None:
            raise Unavailable(f'{self.name} is not installed')
        return {self.key: value}


def measure(rows, passes=3):
    return runner.measure(rows, Context(root='.', bin='.'), passes)


class RowTest(unittest.TestCase):

    def test_goals_say_what_they_ask_for_and_whether_it_is_met(self):
        self.assertEqual(str(at_most(2)), '<= 2')
        self.assertEqual(str(at_least(50_000)), '>= 50000')
        self.assertEqual(str(times_peer(1.4)), '>= 1.4x')
        self.assertTrue(at_most(2).met(2.0, None))
        self.assertFalse(at_most(2).met(2.1, None))
        self.assertFalse(at_least(5).met(4.9, None))
        self.assertTrue(times_peer(1.4).met(100.0, 1.4))
        self.assertIsNone(times_peer(1.4).met(100.0, None))
        self.assertIsNone(at_most(2).met(None, None))

    def test_a_row_that_contradicts_itself_is_refused(self):
        source = Fake('s', 'k', (1,))
        for bad in (dict(name='nosuite'), dict(name='s.Upper'), dict(goal=times_peer(2)),
                    dict(goal=at_least(2)), dict(goal=at_most(2), less_is_better=False)):
            with self.assertRaises(ValueError, msg=bad):
                Row(**{**dict(name='s.x', what='', unit='us', source=source, key='k'), **bad})


class RunnerTest(unittest.TestCase):

    def test_a_source_runs_once_a_pass_and_its_peer_right_after(self):
        log = []
        ours = Fake('ours', 'k', (5, 1, 3), log)
        theirs = Fake('theirs', 'k', (6, 6, 6), log)
        rows = [Row('s.a', '', 'us', ours, 'k', peer=Peer('theirs', theirs, 'k')),
                Row('s.b', '', 'us', ours, 'k', scale=10)]
        results = measure(rows)
        self.assertEqual(log, ['ours', 'theirs'] * 3)
        self.assertEqual([r.value for r in results], [3, 30])  # medians
        self.assertEqual(results[0].ratio, 2.0)  # takes half as long
        self.assertEqual(results[0].spread, 4 / 3)
        self.assertEqual(results[0].passes, 3)

    def test_a_ratio_is_of_what_one_pass_shows(self):
        # The machine is twice as fast in the second pass, for both, and slow
        # for ours in the third.
        ours, theirs = Fake('o', 'k', (10, 5, 30)), Fake('t', 'k', (20, 10, 20))
        result, = measure([Row('s.a', '', 'us', ours, 'k', peer=Peer('t', theirs, 'k'))])
        self.assertEqual((result.value, result.peer_value, result.ratio), (10, 20, 2.0))
        ours, theirs = Fake('o', 'k', (10, 5, 6)), Fake('t', 'k', (20, 10, 4))
        result, = measure([Row('s.a', '', 'us', ours, 'k', peer=Peer('t', theirs, 'k'))])
        self.assertEqual((result.value, result.peer_value, result.ratio), (6, 10, 2.0))

    def test_more_is_better_turns_the_ratio_round(self):
        ours, theirs = Fake('o', 'k', (300,)), Fake('t', 'k', (100,))
        row = Row('s.a', '', '/s', ours, 'k', times_peer(2), Peer('t', theirs, 'k'), less_is_better=False)
        result, = measure([row], 1)
        self.assertEqual(result.ratio, 3.0)
        self.assertTrue(result.met)

    def test_what_cannot_run_is_said_and_tried_once(self):
        log = []
        ours, theirs = Fake('o', 'k', (1, 1, 1), log), Fake('t', 'k', (None,), log)
        row = Row('s.a', '', 'us', ours, 'k', times_peer(2), Peer('kamailio', theirs, 'k'))
        result, = measure([row])
        self.assertEqual(log.count('t'), 1)
        self.assertEqual(result.value, 1)
        self.assertIsNone(result.ratio)
        self.assertIsNone(result.met)
        self.assertEqual(result.why, 'kamailio: t is not installed')
        missing, = measure([Row('s.b', '', 'us', Fake('o', 'k', (1,)), 'other')], 1)
        self.assertIsNone(missing.value)
        self.assertEqual(missing.why, 'the program gave no other')

    def test_names_pick_suites_groups_and_rows(self):
        source = Fake('s', 'k', (1,))
        rows = [Row(n, '', 'us', source, 'k') for n in ('a.x', 'a.x.y', 'a.xy', 'b.x')]

        def picked(*names):
            return [r.name for r in runner.pick(rows, names)]

        self.assertEqual(picked(), ['a.x', 'a.x.y', 'a.xy', 'b.x'])
        self.assertEqual(picked('a'), ['a.x', 'a.x.y', 'a.xy'])
        self.assertEqual(picked('a.x', 'b'), ['a.x', 'a.x.y', 'b.x'])
        with self.assertRaisesRegex(ValueError, 'c: there is no such row'):
            picked('a', 'c')

    def test_every_suite_of_the_tree_loads(self):
        rows = runner.all_rows()
        self.assertIn('dialplan.resolve', [r.name for r in rows])
        for row in rows:
            for source in row.sources():
                for target in source.targets:
                    self.assertTrue(target.startswith('//'), target)


class UndisturbedTest(unittest.TestCase):

    def run_with(self, stolen, wanted, most, speeds=None):
        """Windows of 1000 ticks, of which the host takes so many."""
        readings, taken, done = [], 0, 0

        def read():
            readings.append(f'cpu  {1000 * done - taken} 0 0 0 0 0 0 {taken} 0 0\ncpu0 1 2\n')
        for each in stolen:
            read()
            taken, done = taken + each, done + 1
            read()
        stat, numbers = iter(readings), iter(range(len(stolen)))
        speed = iter(speeds or [100] * (len(stolen) + 1))
        best, seen, disturbed = undisturbed.windows(
            lambda: next(speed), lambda now: (next(numbers), now), wanted, most, lambda: next(stat))
        self.assertEqual([number for number, _ in seen], list(range(len(stolen))))
        return best, disturbed

    def test_windows_that_the_host_disturbs_are_left_out(self):
        self.assertEqual(self.run_with([0, 50, 10, 11, 0], 3, 9), ([(0, 100), (4, 100), (2, 100)], 2))

    def test_windows_in_which_the_speed_changes_are_left_out(self):
        self.assertEqual(self.run_with([0, 0, 0, 0], 2, 9, [100, 80, 85, 70, 70]), ([(3, 70), (1, 80)], 2))

    def test_where_too_few_are_left_the_least_disturbed_make_up_for_them(self):
        self.assertEqual(self.run_with([90, 0, 30, 60], 2, 4), ([(1, 100), (2, 100)], 3))


class SourceTest(unittest.TestCase):

    def test_google_benchmark_times_are_ns_and_counters_have_names(self):
        text = json.dumps({'context': {}, 'benchmarks': [
            {'name': 'BM_A/1', 'run_type': 'iteration', 'cpu_time': 1.5, 'real_time': 9, 'time_unit': 'ms',
             'iterations': 10, 'items_per_second': 50.0, 'label': 'x'},
            {'name': 'BM_A/1_mean', 'run_type': 'aggregate', 'cpu_time': 1, 'real_time': 1, 'time_unit': 'ms'},
        ]})
        self.assertEqual(GoogleBenchmark.parse(text), {'BM_A/1': 1.5e6, 'BM_A/1:items_per_second': 50.0})

    def test_of_cases_in_turns_the_median_counts(self):
        turns = [{'name': 'BM_A', 'run_type': 'iteration', 'cpu_time': t, 'time_unit': 'ns', 'rate': 6 / t}
                 for t in (1, 3, 2)]
        self.assertEqual(GoogleBenchmark.parse(json.dumps({'benchmarks': turns})), {'BM_A': 2.0, 'BM_A:rate': 3.0})

    def test_a_case_that_failed_gives_no_figure(self):
        failed = {'name': 'BM_A', 'error_occurred': True, 'error_message': 'refused'}
        with self.assertRaisesRegex(Unavailable, 'BM_A: refused'):
            GoogleBenchmark.parse(json.dumps({'benchmarks': [failed]}))
        good = {'name': 'BM_B', 'run_type': 'iteration', 'cpu_time': 2, 'time_unit': 'ns'}
        self.assertEqual(GoogleBenchmark.parse(json.dumps({'benchmarks': [failed, good]})), {'BM_B': 2.0})

    def test_a_load_program_gets_its_cores_and_binaries(self):
        context = Context(root='/r', bin='/b', quick=True, cpu=3, load_cpus=(0, 1))
        source = LoadProgram('/bin/echo', ('--server={//services/x:y}', '--cpu={cpu}', '--load={load_cpus}'),
                             quick_args=('--seconds=2',), needs=('//services/x:y',))
        self.assertEqual(source.command(context), [
            '/bin/echo', '--server=/b/services/x/y', '--cpu=3', '--load=0,1', '--seconds=2'])
        self.assertEqual(LoadProgram('//services/x').targets, ('//services/x',))
        self.assertEqual(context.binary('//services/x'), '/b/services/x/x')

    def test_the_last_line_of_a_load_program_is_its_values(self):
        context = Context(root='.', bin='.')
        self.assertEqual(LoadProgram('/bin/sh', ('-c', 'echo warm; echo "{\\"p99\\": 3}"')).measure(context),
                         {'p99': 3.0})
        for script, why in (('echo warm', 'no object of numbers'), ('echo no such file >&2; exit 3',
                                                                   'exit status 3: no such file')):
            with self.assertRaisesRegex(Unavailable, why):
                LoadProgram('/bin/sh', ('-c', script)).measure(context)
        with self.assertRaisesRegex(Unavailable, 'not installed'):
            LoadProgram('no-such-program-here').measure(context)


class ReportTest(unittest.TestCase):

    def results(self):
        ours = Fake('o', 'k', (1.5,))
        rows = [Row('s.quick', '', 'us', ours, 'k', at_most(2)),
                Row('s.slow', '', 'us', ours, 'k', times_peer(4), Peer('kamailio', Fake('t', 'k', (3.0,)), 'k')),
                Row('s.gone', '', 'us', Fake('g', 'k', (None,)), 'k', at_most(2))]
        return measure(rows, 1)

    def test_json_has_the_keys_of_the_contract(self):
        quick, slow, gone = [json.loads(report.to_json(r)) for r in self.results()]
        for line in (quick, slow, gone):
            self.assertLessEqual({'bench', 'value', 'unit', 'peer', 'peer_value', 'ratio', 'goal', 'met'}, set(line))
        self.assertEqual((quick['bench'], quick['value'], quick['unit'], quick['goal'], quick['met'], quick['peer']),
                         ('s.quick', 1.5, 'us', '<= 2', True, None))
        self.assertEqual((slow['peer'], slow['peer_value'], slow['ratio'], slow['met']), ('kamailio', 3.0, 2.0, False))
        self.assertEqual((gone['value'], gone['met'], gone['why']), (None, None, 'g is not installed'))

    def test_the_table_lines_up_and_ends_with_what_went_wrong(self):
        lines = report.table(self.results()).splitlines()
        self.assertEqual(lines[0].split()[:3], ['bench', 'value', 'unit'])
        column = lines[0].index('goal')
        self.assertEqual([line[column:].split('  ')[0] for line in lines[1:4]], ['<= 2', '>= 4x', '<= 2'])
        self.assertIn('2.00x', lines[2])
        self.assertTrue(lines[2].endswith('NO'))
        self.assertEqual(lines[-1], 's.gone: g is not installed')

    def test_exit_status_is_of_ratios_and_gaps_not_of_absolute_figures(self):
        quick, slow, gone = self.results()
        missed = dataclasses.replace(quick, value=99.0)
        self.assertFalse(missed.met)
        self.assertFalse(report.failed([missed]))
        self.assertTrue(report.failed([slow]))
        self.assertTrue(report.failed([gone]))

    def test_numbers_are_short(self):
        self.assertEqual([report.number(v) for v in (None, 3.0, 1.23456, 123456.7, 0.00012345)],
                         ['-', '3', '1.235', '123 457', '0.0001234'])


if __name__ == '__main__':
    unittest.main()
