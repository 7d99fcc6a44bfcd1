"""What the demo says and how: numbered titles, code, real commands, and figures that a person can read."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter

from cas.errors import CasError

__all__ = ["Stage", "duration", "size"]

_SHOWN = 14  # lines of a command's output


class Stage:
    """Numbers the steps of a story and says them through ``echo``; its commands run in ``home``."""

    def __init__(self, echo: Callable[[str], object], home: Path) -> None:
        self._echo = echo
        self._home = home
        self._step = 0
        self._began = perf_counter()

    def title(self, text: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._began = perf_counter()
        self._echo("")
        self._echo(f"{self._step}. {text}")

    def code(self, text: str) -> None:
        """The Python that the step runs."""
        self._lines(f">>> {line}" for line in text.splitlines())

    def command(self, *arguments: str) -> None:
        """Run ``cas ARGUMENTS`` as the reader would, in a process of its own, and show what it prints.

        Raises CasError where it fails.
        """
        words = [sys.executable, "-m", "cas.cli", "-C", str(self._home), *arguments]
        done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", check=False)
        if done.returncode:
            raise CasError(f"cas {shlex.join(arguments)} failed: {done.stderr.strip()}")
        lines = done.stdout.splitlines()
        rest = [f"… and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN + 1 else lines[_SHOWN:]
        self._lines([f"$ cas {shlex.join(arguments)}", *lines[:_SHOWN], *rest])

    def say(self, text: str) -> None:
        """A sentence of the story."""
        self._lines(text.splitlines())

    def elapsed(self) -> str:
        """How long the step has taken so far."""
        return duration(perf_counter() - self._began)

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._echo(f"   {line}".rstrip())


def size(count: int) -> str:
    """Bytes for people: ``0 bytes``, ``812 bytes``, ``1.4 kB``, ``23.0 MB`` (decimal units)."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor - factor // 20_000:  # what would round up to 1000.0 of the unit below
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def duration(seconds: float) -> str:
    """``0.03 s``, ``1.2 s``."""
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
