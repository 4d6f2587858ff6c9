#!/usr/bin/env python3
"""The short form of tools/soak dialplan_kill."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.getcwd())

from tests.soak import dialplan_kill  # noqa: E402


class DialplanKillTest(unittest.TestCase):

    def test_five_kills_lose_nothing(self):
        folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        totals = dialplan_kill.run(folder, kills=5, clients=32)
        self.assertEqual(totals['kills'], 5)
        self.assertGreater(totals['writes'], 100)
        # They were cut off in the middle of it, not idle.
        self.assertGreater(totals['cut_off'], 5)


if __name__ == '__main__':
    unittest.main()
