"""What a process that forks, and the child that it forks, must not do to each other."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Releasable", "never_collect"]


class Releasable(Protocol):
    """A lock that is held."""

    def release(self) -> None:
        """Let it go."""
        ...


def never_collect(parents: object) -> None:
    """Keep what is the parent's to the very end of a child, its interpreter's shutdown included."""
    import ctypes  # only a forked child comes here

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(parents))
