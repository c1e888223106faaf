"""Ctrl-C that waits until work is whole."""

import signal
import threading
from types import FrameType, TracebackType


class HeldInterrupt:
    """Holds back the first Ctrl-C inside its block until `release` or the block's end; a second one acts at once.

    Weights that an interrupt leaves half updated are neither those before the step nor those after it.
    """

    def __init__(self) -> None:
        self.pending = False
        self._before: signal.Handlers | signal._HANDLER = None

    def __enter__(self) -> "HeldInterrupt":
        before = signal.getsignal(signal.SIGINT)
        # Python allows handlers in the main thread only, and who ignores Ctrl-C shall go on ignoring it
        if threading.current_thread() is threading.main_thread() and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.pending and kind is None:
            signal.raise_signal(signal.SIGINT)

    def release(self) -> None:
        """Let a Ctrl-C that was held back do what it does outside the block."""
        if self.pending:
            self.pending = False
            signal.signal(signal.SIGINT, self._before)
            signal.raise_signal(signal.SIGINT)
            signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.pending and callable(self._before):
            self._before(number, frame)
        self.pending = True
