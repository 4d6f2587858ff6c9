"""One child process: started, watched by what it says, stopped for certain."""

import ctypes
import os
import signal
import subprocess
import threading
import time


class Failed(Exception):
    """A step did not happen; the text says which, and where to look."""


# Before there are threads: a child of one must not load anything.
_LIBC = ctypes.CDLL(None)


def _die_with_parent():
    """The kernel ends the child when the thread that started it ends, and so
    when this process does, however it ends."""
    _LIBC.prctl(1, signal.SIGTERM)


def wait_until(condition, what, timeout=20.0, pause=0.05):
    """Polls `condition` until it is truthy and returns that; else Failed."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f'{what}: did not happen within {timeout:.0f} s')
        time.sleep(pause)


class StuckPipe:
    """A pipe that is full and that nobody reads, until resume()."""

    def __init__(self):
        self._out, self.in_ = os.pipe()
        os.set_blocking(self.in_, False)
        for line in (b'.' * 4095 + b'\n', b'\n'):
            try:
                while True:
                    os.write(self.in_, line)
            except BlockingIOError:
                continue
        os.set_blocking(self.in_, True)

    def resume(self, path):
        """Copies from here on to the file what comes, till the last writer ends."""
        os.close(self.in_)

        def copy():
            with open(self._out, 'rb') as pipe, open(path, 'ab', buffering=0) as out:
                for line in pipe:
                    if line.strip(b'.\n'):
                        out.write(line)
        threading.Thread(target=copy, daemon=True).start()


class Process:
    """A child with its output in a log file; or, if given, in a StuckPipe."""

    def __init__(self, name, command, log, env=None, cwd=None, stuck=None):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self._env = env
        self._cwd = cwd
        self._stuck = stuck
        self._child = None

    def start(self):
        with open(self.log, 'ab') as out:
            try:
                self._child = subprocess.Popen(
                    self.command, stdout=self._stuck.in_ if self._stuck else out,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL, env=self._env, cwd=self._cwd,
                    preexec_fn=_die_with_parent)
            except OSError as error:
                raise Failed(f'{self.name}: cannot start {self.command[0]}: {error}') from error
        return self

    @property
    def pid(self):
        return self._child.pid

    def running(self):
        return self._child is not None and self._child.poll() is None

    def exit_code(self):
        return None if self._child is None else self._child.poll()

    def text(self):
        try:
            with open(self.log, encoding='utf-8', errors='replace') as f:
                return f.read()
        except FileNotFoundError:
            return ''

    def last_line(self):
        lines = [line for line in self.text().splitlines() if line.strip()]
        return lines[-1] if lines else '(its log is empty)'

    def wait_for(self, condition, what, timeout=20.0):
        """Waits like wait_until, but fails at once if the process ends."""
        def step():
            value = condition()
            if not value and not self.running():
                raise Failed(f'{what}: {self.name} ended with {self.exit_code()}; '
                             f'its last line: {self.last_line()}')
            return value
        try:
            return wait_until(step, what, timeout)
        except Failed as failure:
            if 'last line' in str(failure):
                raise
            raise Failed(f'{failure}; last line of {self.name}: {self.last_line()}') from None

    def kill(self):
        """As the kernel's out-of-memory killer would: SIGKILL, no farewell."""
        self._child.send_signal(signal.SIGKILL)
        self._child.wait()

    def stop(self, timeout=10.0):
        """SIGTERM, then SIGKILL; returns the exit code."""
        if self._child is None:
            return None
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(timeout)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        return self._child.returncode

    def resident_bytes(self):
        """Memory in use now, from the kernel's own account."""
        with open(f'/proc/{self.pid}/statm', encoding='ascii') as f:
            return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
