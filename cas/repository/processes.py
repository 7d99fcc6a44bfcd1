"""The repositories that this process has open: parted from the parent's in a forked child, closed at its end."""

from __future__ import annotations

import atexit
import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from cas.errors import CasError
from cas.lazy import late

if TYPE_CHECKING:
    from cas.remotes.backends import forks
    from cas.repository.repository import Repository
else:
    (forks,) = late("cas.remotes.backends", "forks")

__all__ = ["remember"]

_OPEN: weakref.WeakSet[Repository] = weakref.WeakSet()


def remember(repository: Repository) -> None:
    """Close it when the process ends, and part it from the parent's when the process is forked."""
    _OPEN.add(repository)


def _after_fork() -> None:
    for repository in list(_OPEN):
        if "remotes" in repository.__dict__:
            forks.never_collect(repository.remotes)
        repository._forked()


def _at_exit() -> None:
    # Nothing is lost without this: an open pack is as durable as a sealed one, and the next writer would seal it.
    for repository in list(_OPEN):
        with suppress(CasError):
            repository.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
