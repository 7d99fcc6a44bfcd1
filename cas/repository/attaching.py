"""A repository at a URL, opened directly: read through a bounded local cache, published to the store itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from cas import clock
from cas.errors import NoRepository
from cas.objects.ids import Kind
from cas.refs.log import RefLog
from cas.remotes.attached import AttachedStore
from cas.remotes.cache import note_use, trim
from cas.remotes.fetching import fetch
from cas.remotes.pulling import bring, entry
from cas.remotes.settings import ON_DEMAND, RemoteSettings
from cas.remotes.sides import Remote
from cas.repository import config
from cas.repository.exchange import here_of, home_of
from cas.repository.repository import Repository
from cas.storage.local import LocalStore

__all__ = ["CACHE_BYTES", "AttachedRepository", "open_at"]

CACHE_BYTES = 4 << 30
_NAME = "origin"


class AttachedRepository(Repository):
    """A repository whose logs and objects lie at a URL; ``root`` is the cache. Use it as any other.

    Each question asks the store for what is new; what is put has gone there when ``put`` returns.
    """

    def __init__(
        self,
        root: Path,
        url: RemoteSettings,
        *,
        cache_bytes: int = CACHE_BYTES,
        temporary: bool = False,
        author: str = "",
        now: Callable[[], int] = clock.now,
    ) -> None:
        super().__init__(root, author=author, now=now)
        self.url = url.url
        self._settings = url
        self._cache_bytes = cache_bytes
        self._temporary = temporary
        self._process = os.getpid()
        self._attach()

    def _attach(self) -> None:
        remote = Remote(here_of(self), self._settings, prefix="refs")
        # Its log is this repository's own, and so is the catalog of it.
        remote.__dict__["catalog"] = self.catalog
        self.remotes.adopt(remote)
        self.store = AttachedStore(self.root, lambda: self.remotes.open(_NAME))
        self.objects.fetch_missing = lambda key: self.bring([key])
        self.objects.elsewhere = self

    def log_of(self, project: str, domain: str) -> RefLog:
        """One of its logs, of which the cache may hold a checkpoint and what follows it."""
        log = super().log_of(project, domain)
        log.folded = True
        return log

    def bring(self, keys: Collection[bytes]) -> bool:
        """Fetch objects with all that they consist of, and keep the cache within its bounds; whether they are here."""
        remote = self.remotes.open(_NAME)
        if bring(remote, keys):
            return False
        trim(self.objects, remote.inventory, self._cache_bytes)
        return True

    def entry(self, key: bytes) -> tuple[Kind, bytes] | None:
        """One entry as the store holds it, verified; None where it is nowhere."""
        return entry(self.remotes.open(_NAME), key)

    def close(self) -> None:
        """Keep the cache within its bounds, and let go of everything."""
        self.session.close()
        if "objects" in self.__dict__ and not self._temporary and self.objects.directory.is_dir():
            note_use(self.objects)
            trim(self.objects, self.remotes.open(_NAME).inventory, self._cache_bytes)
        super().close()
        if self._temporary and self._process == os.getpid():  # a forked child uses its parent's
            import shutil

            shutil.rmtree(self.root.parent, ignore_errors=True)

    def _forked(self) -> None:
        super()._forked()
        self._attach()

    def __repr__(self) -> str:
        return f"<Repository {self.url}>"


def open_at(
    url: str,
    *,
    options: Mapping[str, str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    cache_bytes: int = CACHE_BYTES,
    create: bool = False,
    author: str = "",
    now: Callable[[], int] = clock.now,
) -> AttachedRepository:
    """Open the repository at a URL. ``cache`` is a directory for what is read, shared by all processes that name it;
    without it a temporary one is used until the repository is closed.

    Raises NoRepository where there is none (with ``create`` it is made), RefRollback where its history is not a
    continuation of the one in the cache, and the remote errors.
    """
    import tempfile

    from blake3 import blake3

    from cas.remotes.options import check_options
    from cas.remotes.urls import parse

    location = parse(url)
    checked = check_options(location.scheme, options or {})
    settings = RemoteSettings(_NAME, location.url, checked, objects=ON_DEMAND)
    try:
        project, domain = home_of(settings)
    except NoRepository:
        if not create:
            raise
        project, domain = "default", "main"
    base = Path(tempfile.mkdtemp(prefix="cas-")) if cache is None else Path(cache)
    # The same bucket at two services is two places.
    service = [checked[name] for name in ("endpoint_url", "account_name") if name in checked]
    root = base / blake3("\n".join((location.url, *service)).encode()).hexdigest(16)
    for place in ("objects", "refs", "tmp"):
        (root / place).mkdir(parents=True, exist_ok=True)
    LocalStore(root).create("config.toml", config.new(project, domain).encode())
    repository = AttachedRepository(
        root, settings, cache_bytes=cache_bytes, temporary=cache is None, author=author, now=now
    )
    remote = repository.remotes.open(_NAME)
    if create:
        remote.prepare()
    fetch(remote)
    return repository
