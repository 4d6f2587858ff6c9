"""What every test under tests/ begins with: a demo cluster of its own."""

import os
import sys
import tempfile
import threading
import time
import unittest

from tests.harness.cluster import Cluster
from tests.harness.demo import Demo


class DemoCase(unittest.TestCase):
    """A test class whose cluster is started once, provisioned, with phones."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        cls.demo = Demo(Cluster(folder))
        cls.cluster = cls.demo.cluster
        try:
            cls.prepare()
        except BaseException:
            cls.show_logs()
            cls.demo.stop()
            raise

    @classmethod
    def prepare(cls):
        cls.demo.start_services()
        cls.demo.provision()
        cls.demo.enroll()
        cls.demo.start_user_agents()

    @classmethod
    def tearDownClass(cls):
        cls.demo.stop()

    def run(self, result=None):
        def lost():
            return len(result.failures) + len(result.errors) if result is not None else 0
        before = lost()
        super().run(result)
        if lost() > before:
            print(f'=== what was said until {self.id().rpartition(".")[2]} failed', file=sys.stderr)
            self.show_logs()

    @classmethod
    def show_logs(cls):
        phone = getattr(cls.demo, 'phone', None)
        said = dict(cls.cluster.processes, **({'phone': phone.process} if phone else {}))
        for name, process in said.items():
            tail = process.text().splitlines()[-15 if name != 'phone' else -60:]
            print(f'--- {name}\n' + '\n'.join(tail), file=sys.stderr)


def lane(name):
    """Tests side by side that share something: those of one lane take turns."""
    def mark(test):
        test.lane = name
        return test
    return mark


class SideBySide(unittest.TestSuite):
    """The tests of a class at the same time, as they wait for most of theirs.
    What one changes the others must not look at: calls are told apart by their
    peers, and each has addresses of its own."""

    def run(self, result, debug=False):
        tests = list(self)
        if not tests or not isinstance(tests[0], unittest.TestCase):
            return super().run(result, debug)
        case = type(tests[0])
        try:
            case.setUpClass()
        except Exception:  # pylint: disable=broad-except
            result.addError(tests[0], sys.exc_info())
            return result
        lanes = {}
        for test in tests:
            name = test.id().rpartition('.')[2]
            lanes.setdefault(getattr(getattr(test, name), 'lane', name), []).append(test)
        lock = threading.Lock()
        threads = [threading.Thread(target=self.follow, args=(each, result, lock))
                   for each in lanes.values()]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            case.tearDownClass()
        return result

    @staticmethod
    def follow(tests, result, lock):
        for test in tests:
            one, begin = unittest.TestResult(), time.monotonic()
            test.run(one)
            with lock:
                result.testsRun += one.testsRun
                for kind in ('failures', 'errors', 'skipped'):
                    getattr(result, kind).extend(getattr(one, kind))
                result.stream.writeln(f'{test.id().rpartition(".")[2]} ... {"ok" if one.wasSuccessful() else "FAILED"} '
                                      f'({time.monotonic() - begin:.1f} s)')
                result.stream.flush()


def main(module='__main__', side_by_side=False):
    """Runs the module's tests; no test at all is a failure."""
    loader = unittest.TestLoader()
    if side_by_side:
        loader.suiteClass = SideBySide
    program = unittest.main(module=module, exit=False, verbosity=2, testLoader=loader)
    result = program.result
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
