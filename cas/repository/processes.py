"""The repositories that this process has open: parted from the parent's in a forked child, closed at its end."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from cas.errors import CasError
from cas.forking import Releasable, never_collect, settle_imports

if TYPE_CHECKING:
    from cas.repository.repository import Repository

__all__ = ["remember"]

_PATIENCE = 10.0  # seconds that a fork waits for another thread's question or write
_OPEN: weakref.WeakSet[Repository] = weakref.WeakSet()
_held: dict[int, list[Releasable]] = {}  # while a thread forks, by its number


def remember(repository: Repository) -> None:
    """Close it when the process ends, and part it from the parent's when the process is forked."""
    _OPEN.add(repository)


def _before_fork() -> None:
    held = _held[threading.get_ident()] = []
    for repository in list(_OPEN):
        held += repository.catalog.database.hold(_PATIENCE)
    if threading.active_count() > 1:
        settle_imports(_PATIENCE)


def _after_fork_in_parent() -> None:
    for lock in reversed(_held.pop(threading.get_ident(), [])):
        lock.release()


def _after_fork() -> None:
    _held.clear()
    for repository in list(_OPEN):
        if "remotes" in repository.__dict__:
            never_collect(repository.remotes)
        repository._forked()


def _at_exit() -> None:
    # Nothing is lost without this: an open pack is as durable as a sealed one, and the next writer would seal it.
    for repository in list(_OPEN):
        with suppress(CasError):
            repository.close()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
atexit.register(_at_exit)
