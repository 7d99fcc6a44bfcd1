"""The current repository: what module-level functions work on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cas.repository.lockfile import Lock
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["LOCK", "current", "current_or_none", "enter", "leave", "lock_for", "replayed", "use"]

_CURRENT: ContextVar[Repository | None] = ContextVar("cas.repository", default=None)
# What was current before each `with repo:` around. Threads and tasks may be inside the same repository at once.
_BEFORE: ContextVar[tuple[Repository | None, ...]] = ContextVar("cas.repositories before", default=())
LOCK: ContextVar[Lock | None] = ContextVar("cas.lock", default=None)
"""What refs and queries resolve by inside a run that is repeated."""
# What threads without a context of their own see: `use` in the main thread is meant for them, too.
_process_wide: list[Repository] = []


def lock_for(repository: Repository) -> Lock | None:
    """The lock that is replayed; None for a repository as it was at some time, which stands still without one."""
    return LOCK.get() if repository.until is None else None


def replayed(repository: Repository, ref: str) -> ArtifactVersion | None:
    """The version that a ref named in the run that is repeated; None where no lock says so."""
    lock = lock_for(repository)
    return None if lock is None else lock.answer(repository, ref)


def use(
    repository: Repository | str | os.PathLike[str],
    *,
    create: bool = False,
    options: Mapping[str, str] | None = None,
) -> Repository:
    """Make a repository the current one, and return it: one that is open, or the one at a path or URL.

    With ``create`` it is made there where there is none. Of a URL ``options`` are its store's (docs/remotes).
    """
    from cas.repository.opening import create_or_open
    from cas.repository.repository import Repository

    if not isinstance(repository, Repository):
        repository = create_or_open(repository, create=create, options=options)
    _CURRENT.set(repository)
    _process_wide[:] = [repository]
    return repository


def current() -> Repository:
    """The repository in use, else the one found upward from the working directory. Raises NoRepository."""
    found = current_or_none()
    if found is not None:
        return found
    from cas.repository.opening import open_repository

    return use(open_repository())


def current_or_none() -> Repository | None:
    """The repository in use, if one was chosen."""
    return _CURRENT.get() or next(iter(_process_wide), None)


def enter(repository: Repository) -> None:
    """Make a repository the current one of this thread or task, until :func:`leave`."""
    _BEFORE.set((*_BEFORE.get(), _CURRENT.get()))
    _CURRENT.set(repository)


def leave() -> None:
    """Undo the last :func:`enter` here. Where a block is left in another task than it was entered in, nothing."""
    *before, last = _BEFORE.get() or (_CURRENT.get(),)
    _BEFORE.set(tuple(before))
    _CURRENT.set(last)
