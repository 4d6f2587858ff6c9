#!/usr/bin/env python3
"""The short form of tools/soak edge_reload."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.getcwd())

from tests.soak import edge_reload  # noqa: E402


class EdgeReloadTest(unittest.TestCase):

    def test_a_hundred_changes_drop_nothing(self):
        folder = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        # Memory is still filling in the first seconds: the long run measures it.
        figures = edge_reload.run(folder, reloads=80, warm=20, at_once=3, held=5, pause=0.05, most_grown=0.5)
        print(figures, file=sys.stderr)
        self.assertGreaterEqual(figures['changes'], 100)
        for kind in ('plan', 'certificate', 'trust'):
            self.assertGreater(figures[kind], 0, kind)
        self.assertGreater(figures['calls'], 20)
        self.assertEqual(figures['certificates_seen'], 2)


if __name__ == '__main__':
    unittest.main(verbosity=2)
