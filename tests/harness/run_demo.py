"""What tools/run runs after the build. Exit status: 0 proven, 1 not."""

import os
import shutil
import signal
import sys
import tempfile
import time

from tests.harness.cluster import Cluster
from tests.harness.demo import Demo
from tests.harness.process import Failed
from tests.harness.table import render


def main():
    once = '--once' in sys.argv[1:]
    folder = tempfile.mkdtemp(prefix='sallyport-demo-')
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()

    def say(text):
        print(f'[{time.monotonic() - began:5.1f} s] {text}', flush=True)

    demo = Demo(Cluster(folder), say)
    code = 1
    try:
        demo.run()
        print()
        print(render(demo.facts))
        print(f'\nAll proven in {time.monotonic() - began:.0f} s.', flush=True)
        code = 0
        if not once:
            print(f'The suite stays up. The command line: '
                  f'{os.path.relpath(shutil.which("bazel-bin/tools/cli/sallyport") or "sallyport")}'
                  f' --config {demo.cluster.path("conf", "cli.json")} doctor\nCtrl-C ends it.', flush=True)
            signal.pause()
    except KeyboardInterrupt:
        code = 0 if code == 0 else 1
    except Failed as failure:
        print(f'\nNot proven: {failure}\nLogs and configuration: {folder}', file=sys.stderr)
    finally:
        demo.stop()
    if code == 0:
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == '__main__':
    sys.exit(main())
