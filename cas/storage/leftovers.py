"""Temporary files whose writers were killed: nobody else knows of them, so age is what tells them from those in use."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["OLD", "sweep"]

OLD = 24 * 3600 * 1_000_000
"""Microseconds after the last write to a temporary file from which on it counts as left behind."""


def sweep(directory: Path | str, now: int) -> None:
    """Remove the files and directories in ``directory`` that nobody has written to for a day before ``now``, in µs
    since the epoch. Locks stay: who holds one need not write to it. Nothing is raised; the next one tries again."""
    with suppress(OSError), os.scandir(directory) as found:
        for one in found:
            if not one.name.endswith(".lock"):
                with suppress(OSError):
                    if now - _written(one) > OLD:
                        _remove(one)


def _written(entry: os.DirEntry[str]) -> int:
    """When it was last written to, or for a directory what lies in it."""
    last = entry.stat(follow_symlinks=False).st_mtime_ns // 1000
    if entry.is_dir(follow_symlinks=False):
        with os.scandir(entry.path) as inside:
            last = max([last, *(one.stat(follow_symlinks=False).st_mtime_ns // 1000 for one in inside)])
    return last


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        from shutil import rmtree

        rmtree(entry.path, ignore_errors=True)
    else:
        Path(entry.path).unlink()
