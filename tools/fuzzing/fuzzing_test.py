#!/usr/bin/env python3
"""Fuzzing of stand-ins for fuzzers: programs that behave like libFuzzer's."""

import io
import os
import stat
import sys
import tempfile
import unittest

sys.path.insert(0, os.getcwd())

from tools.fuzzing import __main__ as fuzzing
from tools.fuzzing import runner

# Behaves as libFuzzer does where the runner looks: its arguments, the files it
# writes, its statistics and exit code.
STAND_IN = '''#!/usr/bin/env python3
import os, shutil, sys
options = dict(a[1:].split('=', 1) for a in sys.argv[1:] if a.startswith('-'))
folders = [a for a in sys.argv[1:] if not a.startswith('-')]
if options.get('merge') == '1':
    into, source = folders
    shutil.copy(os.path.join(source, 'a'), os.path.join(into, 'a'))
    sys.exit(0)
for name in ('a', 'b', 'c'):
    open(os.path.join(folders[0], name), 'w').write(name)
print('#1024\\tNEW    cov: 77 ft: 99 corp: 3/3b')
print('stat::number_of_executed_units: 4711')
print('seeds ' + ' '.join(folders[1:]) + ' time ' + options['max_total_time'])
%s
'''


class FuzzingTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        self.root = os.path.join(self.folder, 'out')

    def target(self, name, end):
        path = os.path.join(self.folder, name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(STAND_IN % end)
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        return runner.Target(f'//services/x:{name}', path, ['seeds'])

    def test_counts_and_keeps_what_covers_something(self):
        result = runner.run(self.target('good_fuzz', ''), 7, self.root)
        self.assertEqual(result.failures, [])
        self.assertEqual((result.runs, result.coverage, result.corpus), (4711, 77, 1))
        with open(result.log, encoding='utf-8') as log:
            self.assertIn('seeds seeds time 7', log.read())
        kept = os.listdir(os.path.join(self.root, 'corpus', 'services.x.good_fuzz'))
        self.assertEqual(kept, ['a'])

    def test_a_crash_is_told_with_its_input(self):
        crash = ("open(options['artifact_prefix'] + 'crash-1', 'w').write('x')\n"
                 'sys.exit(77)')
        out = io.StringIO()
        good = fuzzing.fuzz([self.target('bad_fuzz', crash), self.target('good_fuzz', '')],
                            1, 2, self.root, out)
        self.assertFalse(good)
        path = os.path.join(self.root, 'failures', 'services.x.bad_fuzz', 'crash-1')
        self.assertTrue(os.path.exists(path))
        self.assertIn('FAILED //services/x:bad_fuzz', out.getvalue())
        self.assertIn(path, out.getvalue())
        self.assertIn('1 passed, 1 failed', out.getvalue())

    def test_an_old_failure_is_not_told_again(self):
        folder = os.path.join(self.root, 'failures', 'services.x.good_fuzz')
        os.makedirs(folder)
        open(os.path.join(folder, 'crash-old'), 'w', encoding='utf-8').close()
        self.assertEqual(runner.run(self.target('good_fuzz', ''), 1, self.root).failures, [])

    def test_an_end_without_an_input_is_a_failure(self):
        result = runner.run(self.target('odd_fuzz', 'sys.exit(1)'), 1, self.root)
        self.assertEqual(result.failures, [result.log])

    def test_chooses_by_parts_of_labels(self):
        labels = ['//a:csv_reader_fuzz', '//a:dial_pattern_fuzz', '//b:number_fuzz']
        self.assertEqual(fuzzing.chosen(labels, []), (labels, []))
        self.assertEqual(fuzzing.chosen(labels, ['csv', '//b']), ([labels[0], labels[2]], []))
        self.assertEqual(fuzzing.chosen(labels, ['nothing'])[1], ['nothing'])


if __name__ == '__main__':
    unittest.main()
