"""What every test under tests/ begins with: a demo cluster of its own."""

import os
import sys
import tempfile
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

    @classmethod
    def show_logs(cls):
        for name, process in cls.cluster.processes.items():
            tail = process.text().splitlines()[-15:]
            print(f'--- {name}\n' + '\n'.join(tail), file=sys.stderr)


def main(module='__main__'):
    """Runs the module's tests; no test at all is a failure."""
    program = unittest.main(module=module, exit=False, verbosity=2)
    result = program.result
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
