#!/usr/bin/env python3
"""Each gate of check.py passes a good tree and fails a bad one."""

import os
import subprocess
import sys
import tempfile
import unittest

CHECK = os.path.abspath('tools/lint/check.py')
CORE_DEPS = os.path.abspath('tools/lint/core_deps.sh')
STYLE = os.path.abspath('.clang-format')
GOOD_HEADER = ('#ifndef SERVICES_X_CORE_GOOD_H_\n'
               '#define SERVICES_X_CORE_GOOD_H_\n'
               'int Good();\n'
               '#endif  // SERVICES_X_CORE_GOOD_H_\n')
GOOD_BUILD = ('sallyport_cc_test(name = "good_test")\nsallyport_core_gate()\n'
              'sallyport_test_suites()\n')


class Tree:
    def __init__(self, files):
        self.folder = tempfile.TemporaryDirectory()
        base = {
            'BUILD': 'tests = ["//services/dialplan/core:unit"]',
            '.clang-format': open(STYLE, encoding='utf-8').read(),
            'services/dialplan/core/good.h': GOOD_HEADER,
            'services/dialplan/core/BUILD': GOOD_BUILD,
        }
        for service in ('signaling_edge', 'media_relay', 'credential_issuer',
                        'capf', 'dialplan'):
            base[f'services/{service}/io/metrics_table.h'] = (
                f'#ifndef A_H_\n#define A_H_\n'
                f'constexpr char k[] = "sallyport_{service}_calls_total";\n#endif\n')
        base.update(files)
        for path, text in base.items():
            full = os.path.join(self.folder.name, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf-8') as f:
                f.write(text)

    def run(self, gate, *rest):
        done = subprocess.run([sys.executable, CHECK, gate, self.folder.name, *rest],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


class GatesTest(unittest.TestCase):
    def assert_refused(self, gate, files, expected):
        code, out = Tree(files).run(gate)
        self.assertEqual(code, 1, out)
        self.assertIn(expected, out)

    def test_a_good_tree_passes_every_gate(self):
        tree = Tree({})
        for gate in ('core_tokens', 'file_size', 'todo', 'header', 'suites',
                     'declared_deps', 'includes', 'metrics_table', 'private_words'):
            code, out = tree.run(gate)
            self.assertEqual(code, 0, out)

    def test_core_tokens(self):
        for code, why in (
                ('absl::Time t = absl::Now();', 'reads the wall clock'),
                ('auto t = std::chrono::steady_clock::now();', 'reads a clock'),
                ('std::thread t([] {});', 'makes a thread'),
                ('absl::Mutex mu;', 'locks'),
                ('const char* h = getenv("HOME");', 'reads the environment'),
                ('spdlog::info("x");', 'logs'),
                ('RAND_bytes(b, 4);', 'draws its own random'),
                ('#include <sys/socket.h>', 'system header'),
                ('throw 1;', 'throws'),
                ('#include "sallyport/dialplan/v1/user.pb.h"', 'generated code')):
            self.assert_refused('core_tokens', {'services/dialplan/core/bad.cc': code + '\n'}, why)

    def test_core_tokens_ignores_comments_and_tests(self):
        code, out = Tree({
            'services/dialplan/core/a.cc': '// absl::Now() is not called here\n',
            'services/dialplan/core/a_test.cc': 'auto t = absl::Now();\n',
            'services/dialplan/io/b.cc': 'absl::Mutex mu;\n',
        }).run('core_tokens')
        self.assertEqual(code, 0, out)

    def test_core_tokens_exception_needs_a_reason(self):
        files = {
            'services/dialplan/core/a.cc': 'throw 1;\n',
            'tools/lint/core_tokens_allowed.txt': 'services/dialplan/core/a.cc: throw\n',
        }
        code, out = Tree(files).run('core_tokens')
        self.assertNotEqual(code, 0)
        self.assertIn('needs a reason', out)
        files['tools/lint/core_tokens_allowed.txt'] = 'services/dialplan/core/a.cc: throw  # shown\n'
        self.assertEqual(Tree(files).run('core_tokens')[0], 0)

    def test_file_size(self):
        self.assert_refused('file_size', {'services/dialplan/core/long.cc': 'int x;\n' * 801},
                            'more than 800 lines')

    def test_todo(self):
        self.assert_refused('todo', {'services/a.cc': '// TODO: later\n'}, 'TODO(#n)')
        self.assert_refused('todo', {'services/a.cc': '// FIXME(#3)\n'}, 'TODO(#n)')
        self.assertEqual(Tree({'services/a.cc': '// TODO(#3): later\n'}).run('todo')[0], 0)

    def test_format(self):
        self.assert_refused('format', {'services/dialplan/core/bad.cc': 'int   x  ;\n'},
                            'not as clang-format')

    def test_header(self):
        self.assert_refused('header', {'services/dialplan/core/bad.h': 'int x;\n'}, 'no include guard')
        self.assert_refused('header', {
            'services/dialplan/core/good.cc': '#include <string>\n#include "services/dialplan/core/good.h"\n'},
            'must be the first include')

    def test_includes(self):
        uses = '// std::map\nstd::string_view s = "std::set";\nabsl::Status t;\n'
        mine = 'services/dialplan/core/good.h'
        self.assert_refused('includes', {mine: uses}, f'{mine}:2: std::string_view without string_view')
        self.assert_refused('includes', {mine: uses}, f'{mine}:3: absl::Status without absl/status/status.h')
        both = '#include <string_view>\n#include "absl/status/status.h"\n'
        code, out = Tree({mine: both + uses}).run('includes')
        self.assertEqual(code, 0, out)
        # Through a header of ours.
        code, out = Tree({mine: both, 'services/dialplan/core/good.cc': f'#include "{mine}"\n' + uses}).run('includes')
        self.assertEqual(code, 0, out)
        self.assert_refused('includes', {mine: both + uses + 'std::vector<uint8_t> v;\n'}, ':6: uint8_t without cstdint')

    def test_suites(self):
        self.assert_refused('suites', {'services/dialplan/io/BUILD': 'sallyport_cc_test(name="a_test")\n'},
                            'no sallyport_test_suites')
        self.assert_refused('suites', {'services/dialplan/core/BUILD': 'sallyport_cc_test(name="a_test")\nsallyport_test_suites()\n'},
                            'without sallyport_core_gate')
        self.assert_refused('suites', {'services/dialplan/rpc/BUILD': 'sallyport_cc_test(name="a")\nsallyport_test_suites()\n'},
                            'no suite lists //services/dialplan/rpc')

    def test_declared_deps(self):
        files = {
            'services/dialplan/io/BUILD': 'sallyport_cc_library(\n    name = "user",\n    srcs = ["user.cc"],\n)\n',
            'services/dialplan/io/user.cc': '// A line.\n#include "services/dialplan/core/good.h"\n',
            'services/dialplan/core/BUILD': 'sallyport_cc_library(name = "good", hdrs = ["good.h"])\n' + GOOD_BUILD,
        }
        self.assert_refused('declared_deps', files,
                            'services/dialplan/io/user.cc:2: //services/dialplan/io:user has no dep on '
                            '//services/dialplan/core:good')
        files['services/dialplan/io/BUILD'] = (
            'sallyport_cc_library(\n    name = "user",\n    srcs = ["user.cc"],\n'
            '    deps = ["//services/dialplan/core:good"],\n)\n')
        code, out = Tree(files).run('declared_deps')
        self.assertEqual(code, 0, out)

    def test_metrics_table(self):
        self.assert_refused('metrics_table', {
            'services/dialplan/io/metrics_table.h': '"sallyport_calls_total"\n'}, 'does not begin with')
        self.assert_refused('metrics_table', {
            'services/dialplan/io/metrics_table.h': '"sallyport_dialplan_things"\n'}, 'does not end in a unit')
        self.assert_refused('metrics_table', {
            'services/dialplan/io/metrics_table.h': '"sallyport_dialplan_a_total"\n"sallyport_dialplan_a_total"\n'},
            'listed twice')
        self.assert_refused('metrics_table', {
            'services/dialplan/io/loop.cc': 'Count("sallyport_dialplan_calls_total");\n'}, 'belongs in')

    def test_private_words(self):
        self.assert_refused('private_words', {'tools/x.sh': 'cd /ro' + 'ot/x/\n'}, 'names /ro')
        self.assert_refused('private_words', {'README.md': 'http://deb.debian' + '.org/debian\n'}, 'names')

    def requirements_tree(self, first_row):
        files = {'tests/e2e/call_test.py': '# UM-01: shown here; UM-129 too\n'}
        for series, count in (('UM', 129), ('AVE', 59), ('CUC', 89), ('CCE', 69), ('IMP', 76)):
            rows = [f'| {series}-{n:02d} | informative | may be so | |' for n in range(1, count + 1)]
            if series == 'UM':
                rows[0] = first_row
            files[f'docs/requirements/{series.lower()}.md'] = '\n'.join(rows) + '\n'
        return files

    def test_requirements(self):
        held = '| UM-01 | held | by calls | `tests/e2e/call_test.py` |'
        code, out = Tree(self.requirements_tree(held)).run('requirements')
        self.assertEqual(code, 0, out)
        self.assertIn('1 held, 421 informative', out)
        for row, expected in (
                ('| UM-01 | held | by calls | |', 'UM-01 is held by no test'),
                ('| UM-01 | partly | | |', 'does not say how'),
                ('| UM-01 | done | by calls | |', 'is none of held'),
                ('| UM-02 | held | by calls | `tests/e2e/call_test.py` |', 'UM-02 where UM-01 is due'),
                ('| UM-12 | held | by calls | `tests/e2e/call_test.py` |', 'does not quote UM-12'),
                ('| UM-01 | held | by calls | `tests/e2e/gone_test.py` |', 'is not a test of ours'),
                ('| UM-01 | held | by calls | `BUILD` |', 'is not a test of ours'),
                ('| UM-01 | held | by calls |', 'a row has an id'),
                ('', 'has 128 rows of 129')):
            self.assert_refused('requirements', self.requirements_tree(row), expected)
        missing = self.requirements_tree(held)
        del missing['docs/requirements/ave.md']
        self.assert_refused('requirements', missing, 'docs/requirements/ave.md:1: is missing')

    def test_one_tls_library(self):
        code, out = Tree({}).run('one_tls_library', os.path.abspath('tools/lint/testdata/exports_ssl'))
        self.assertEqual(code, 1, out)
        self.assertIn('exports SSL_new', out)
        code, out = Tree({}).run('one_tls_library', '/bin/true')
        self.assertEqual(code, 0, out)
        code, out = Tree({}).run('one_tls_library', '/usr/bin/openssl')
        self.assertEqual(code, 1, out)
        self.assertIn('is linked with libssl', out)

    def test_core_deps(self):
        done = subprocess.run([CORE_DEPS, 'tools/lint/testdata/bad_core_deps'], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn('//tools/bazel/system:grpc', done.stdout)


if __name__ == '__main__':
    result = unittest.main(exit=False).result
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
