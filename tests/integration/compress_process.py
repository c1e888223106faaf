"""Runs of the command line in processes of their own, forked from one that has the big imports behind it.

Started as a script, this is the process that forks: it reads a line of JSON for each run, and answers with a line
that has the process id and, once that has ended, with another that has its exit code.
"""

import json
import os
import select
import subprocess
import sys
import traceback
from types import SimpleNamespace

ONE_THREAD = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}  # threads do not survive a fork


class Runs:
    """Starts runs, one at a time; a context manager.

    Args:
        logs: Folder for what they print.
    """

    def __init__(self, logs):
        self._logs = logs

    def __enter__(self):
        self._parent = subprocess.Popen(
            [sys.executable, __file__],
            env=ONE_THREAD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_):
        self._parent.stdin.close()
        self._parent.wait(60)
        self._parent.stdout.close()

    def start(self, arguments):
        """Return the id of a process that runs ``burnish`` with these arguments."""
        files = [str(self._logs / name) for name in ("stdout", "stderr")]
        print(json.dumps([arguments, *files]), file=self._parent.stdin, flush=True)
        return int(self._parent.stdout.readline())

    def has_ended(self):
        """Tell whether the run that was started last is over."""
        return bool(select.select([self._parent.stdout], [], [], 0)[0])

    def wait(self):
        """Return the exit code of the run that was started last, and what it printed."""
        code = int(self._parent.stdout.readline())
        printed, errors = ((self._logs / name).read_text() for name in ("stdout", "stderr"))
        return SimpleNamespace(returncode=code, stdout=printed, stderr=errors)


def _warm_up():
    """Import what a run will, that of the first export included."""
    import altair  # noqa: F401
    import onnxruntime  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torch

    import burnish.cli.commands.compress  # noqa: F401
    from burnish.graph.capture import capture

    layers = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU())
    capture(layers.eval(), {"x": torch.zeros(2, 1, 8, 8).numpy()}, output_names=("y",))


def _run(arguments, printed, errors):
    from burnish.cli.main import main

    for number, path in ((1, printed), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["burnish", *arguments]
    code = 1
    try:
        main()
    except SystemExit as left:
        code = int(left.code or 0)
    except Exception:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what libraries do at exit may wait for threads that the fork left behind


def _serve():
    _warm_up()
    for line in sys.stdin:
        run = json.loads(line)
        child = os.fork()
        if child == 0:
            _run(*run)  # ends the process
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
