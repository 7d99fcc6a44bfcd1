"""A repository of its own for each test."""

from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import pytest

from cas.repository import Repository, init


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repository]:
    """An empty repository, the current one."""
    with init(tmp_path) as repository:
        yield repository
    repository.close()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a repository."""
    from cas.repository import current

    monkeypatch.chdir(tmp_path)
    # Whatever tests before this one left in use.
    monkeypatch.setattr(current, "_process_wide", [])
    monkeypatch.setattr(current, "_CURRENT", ContextVar("nowhere", default=None))
    return tmp_path
