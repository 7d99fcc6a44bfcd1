"""Creating repositories and finding them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cas import clock
from cas.errors import NoRepository, StorageError, UsageError
from cas.repository import config
from cas.repository.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

# pathlib is imported where a path is more than looked up: it costs a cold `cas resolve` a fifteenth of its time.

__all__ = ["DIRECTORY", "find_root", "init", "open_repository"]

DIRECTORY = ".cas"


def init(
    path: str | os.PathLike[str] = ".",
    *,
    project: str = "default",
    domain: str = "main",
    author: str = "",
    now: Callable[[], int] = clock.now,
) -> Repository:
    """Create a repository in ``path``/.cas and open it. One that is there already is opened as it is, as git does."""
    from pathlib import Path

    from cas.storage.durable import storage_errors
    from cas.storage.local import LocalStore

    root = Path(path).absolute() / DIRECTORY
    with storage_errors(f"create {root}"):
        for place in ("objects", "refs", "tmp"):
            (root / place).mkdir(parents=True, exist_ok=True)
        LocalStore(root).create("config.toml", config.new(project, domain).encode())
    return Repository(root, author=author, now=now)


def open_repository(
    path_or_url: str | os.PathLike[str] | None = None,
    *,
    author: str = "",
    now: Callable[[], int] = clock.now,
    trust: bool = False,
    options: Mapping[str, str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    cache_bytes: int | None = None,
) -> Repository:
    """Open the repository at a URL or in a directory; by default the nearest at or above the working directory.

    Of one at a URL ``options`` are its store's (docs/remotes), ``cache`` a directory for what is read, of at most
    ``cache_bytes``; without it that lies in a temporary one until the repository is closed.
    Raises NoRepository, UnsafeRepository, UnsupportedFormat, and of a URL UnsupportedRemote and the remote errors.
    """
    if path_or_url is None:
        return Repository(find_root(os.getcwd()), author=author, now=now, trust=trust)  # noqa: PTH109 - see above
    text = os.fspath(path_or_url)
    if _is_elsewhere(text):
        from cas.repository.attaching import CACHE_BYTES, open_at

        size = CACHE_BYTES if cache_bytes is None else cache_bytes
        return open_at(text, options=options, cache=cache, cache_bytes=size, author=author, now=now)
    path = _directory(text, options)
    here = os.path.isfile(f"{path}/config.toml")  # noqa: PTH113 - where pathlib may not look it raises
    root = path if path.name == DIRECTORY or here else path / DIRECTORY
    if not os.path.isfile(f"{root}/config.toml"):  # noqa: PTH113 - where pathlib may not look it raises
        _check_searchable(str(root))
        raise NoRepository(f"no repository at {path}", hint=f"create one: cas init {path}")
    return Repository(root, author=author, now=now, trust=trust)


def find_root(start: str) -> str:
    """The ``.cas`` of a directory or the nearest above it. Raises NoRepository."""
    directory = start
    while True:
        root = f"{directory.rstrip('/')}/{DIRECTORY}"
        if os.path.isfile(f"{root}/config.toml"):  # noqa: PTH113 - see above
            return root
        _check_searchable(root)
        above = os.path.dirname(directory)  # noqa: PTH120 - see above
        if above == directory:
            raise NoRepository(f"no repository at {start} or above", hint="create one: cas init")
        directory = above


def _check_searchable(root: str) -> None:
    """Raises StorageError where a repository may be, and this user may not look."""
    if os.path.isdir(root) and not os.access(root, os.X_OK):  # noqa: PTH112 - see above
        raise StorageError(f"cannot look into {root}: permission denied", hint=f"see who may: ls -ld {root}")


def create_or_open(
    path_or_url: str | os.PathLike[str], *, create: bool, options: Mapping[str, str] | None = None
) -> Repository:
    """Open the repository at a path or URL; with ``create``, make it where there is none."""
    try:
        return open_repository(path_or_url, options=options)
    except NoRepository:
        if not create:
            raise
    text = os.fspath(path_or_url)
    if _is_elsewhere(text):
        from cas.repository.attaching import open_at

        return open_at(text, options=options, create=True)
    path = _directory(text, options)
    if path.is_file():
        raise UsageError(f"{path} is a file, not a directory", hint="choose another path")
    path.mkdir(parents=True, exist_ok=True)
    return init(path)


def _is_elsewhere(text: str) -> bool:
    return "://" in text and not text.lower().startswith("file://")


def _directory(text: str, options: Mapping[str, str] | None) -> Path:
    """The directory that a path or a file URL names. Raises UnsupportedRemote, and UsageError for options."""
    from pathlib import Path

    if options:
        from cas.remotes.options import check_options

        check_options("file", options)
    if "://" in text:
        from cas.remotes.urls import parse

        text = parse(text).path
    return Path(text).expanduser().absolute()
