"""A line on stderr for what takes longer than a second, on a terminal only."""

from __future__ import annotations

import sys
import threading
from time import monotonic
from types import TracebackType
from typing import IO

from cas.cli.render import text

__all__ = ["Progress"]

PATIENCE = 1.0
PERIOD = 0.2


class Progress:
    """``with Progress("hashing a.bin", total=bytes) as progress: progress.advance(n)``.

    Without a total it shows the time and what was done so far. It draws from a thread, so that it moves also while
    one long call runs.
    """

    def __init__(
        self, label: str, *, total: int | None = None, unit: str = "bytes", stream: IO[str] | None = None
    ) -> None:
        self.label = text.clean(label)
        self.total = total
        self.unit = unit
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._drawn = False
        self._began = 0.0

    def advance(self, amount: int = 1) -> None:
        """So much more is done."""
        self.done += amount

    def show(self, done: int, total: int) -> None:
        """So much of so much is done."""
        self.done, self.total = done, total

    def __enter__(self) -> Progress:
        self._began = monotonic()
        if self._stream.isatty():
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            if self._drawn:
                self._write("\r\x1b[K")

    def _run(self) -> None:
        from shutil import get_terminal_size

        if self._stop.wait(PATIENCE):
            return
        while not self._stop.wait(PERIOD):
            self._drawn = True
            width = get_terminal_size().columns - 1
            line = progress_line(self.label, self.done, self.total, self.unit, monotonic() - self._began)
            self._write(f"\r{line[:width]}\x1b[K")

    def _write(self, content: str) -> None:
        try:
            self._stream.write(content)
            self._stream.flush()
        except OSError:  # the terminal is gone; the work goes on
            self._stop.set()


def progress_line(label: str, done: int, total: int | None, unit: str, seconds: float) -> str:
    """``hashing a.bin  42 %  1.2 GB of 2.9 GB  400 MB/s  3 s, 4 s left``."""
    parts = [label]
    shown = text.size if unit == "bytes" else lambda number: f"{number:,} {unit}"
    if total:
        parts.append(f"{min(100, 100 * done // total)} %")
        parts.append(f"{shown(done)} of {shown(total)}")
    elif done:
        parts.append(shown(done))
    if total and done and unit == "bytes" and seconds >= 1:
        parts.append(f"{text.size(int(done / seconds))}/s")
        left = seconds * max(0, total - done) / done
        parts.append(f"{seconds:.0f} s, {left:.0f} s left")
    else:
        parts.append(f"{seconds:.0f} s")
    return "  ".join(parts)
