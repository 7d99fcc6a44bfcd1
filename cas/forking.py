"""What a process that forks, and the child that it forks, must not do to each other."""

from __future__ import annotations

import importlib
import threading
import time
from typing import Protocol

__all__ = ["Releasable", "never_collect", "settle_imports"]


class Releasable(Protocol):
    """A lock that is held."""

    def release(self) -> None:
        """Let it go."""
        ...


def settle_imports(patience: float) -> None:
    """Wait until no other thread is in the middle of importing a module, so many seconds at most.

    Python frees the lock of a module that is being imported only in the thread that imports it: a child that was forked
    meanwhile would wait for it for ever, at its first use of that module. Ours are imported late, so often in a thread.
    """
    bootstrap = getattr(importlib, "_bootstrap", None)  # no public way tells; without it nothing is waited for
    locks = getattr(bootstrap, "_module_locks", {})
    nobody = (None, threading.get_ident())
    end = time.monotonic() + patience
    while time.monotonic() < end:
        held = [lock for lock in (find() for find in list(locks.values())) if lock is not None]
        if all(getattr(lock, "owner", None) in nobody for lock in held):
            return
        del held
        time.sleep(0.001)


def never_collect(parents: object) -> None:
    """Keep what is the parent's to the very end of a child, its interpreter's shutdown included."""
    import ctypes  # only a forked child comes here

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(parents))
