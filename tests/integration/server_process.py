"""A real server for tests: a process on free ports."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class RunningServer:
    http: str
    admin: str
    process: subprocess.Popen

    @property
    def address(self):
        return self.http.removeprefix("http://")


@contextlib.contextmanager
def serving(folder, *arguments, **environ):
    """Run ``burnish serve`` while the block runs; it must end by itself with code 0 at SIGTERM."""
    folder.mkdir(parents=True, exist_ok=True)
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "burnish", "serve", *map(str, arguments)]
    command += ["--port", "0", "--admin-port", "0", "--ready-file", str(ready)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environ)
    try:
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, "the server was not ready in time"
            time.sleep(0.02)
        yield RunningServer(**json.loads(ready.read_text()), process=process)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, (folder / "server.log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def is_running(pid):
    """Tell whether a process lives; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition, seconds):
    """Wait for a condition, and tell whether it came true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
