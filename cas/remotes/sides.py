"""The two sides of an exchange: the parts of the repository here, and the connection to one that lies elsewhere."""

from __future__ import annotations

import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from cas.catalog.catalog import Catalog
from cas.errors import LimitExceeded, NoRepository, RefSyntax, UnsupportedRemote
from cas.refs.log import RefLog
from cas.refs.names import check_domain, check_project
from cas.refs.segments import MAX_BYTES
from cas.remotes.backends import check_writable, open_readable
from cas.remotes.settings import RemoteSettings
from cas.storage.durable import replace_file, storage_errors

if TYPE_CHECKING:
    from cas.objects.ids import Kind, ObjectId
    from cas.objects.raw import RawEntry
    from cas.objects.store import ObjectStore
    from cas.refs.segments import Segment
    from cas.remotes.inventory import Inventory
    from cas.storage.contract import RemoteStore, UploadingStore
    from cas.storage.local import LocalStore

__all__ = ["DAMAGED", "JOBS", "Here", "Progress", "Remote", "Scope", "in_threads", "inner", "none", "read_home"]

JOBS = 8
DAMAGED = "nothing of it was admitted; ask who keeps the remote to look: cas fsck"
_SEGMENT = re.compile(r"[0-9]{20}\.toml")
_LENT = 16 << 20
_CONFIG = 16 << 10  # a reader of TOML is slow at long ones
Scope = tuple[str, str]  # project, domain
Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes to do, as far as they are known."""


def none(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


class Here(NamedTuple):
    """The parts of the local repository that an exchange works on."""

    root: Path
    store: LocalStore
    objects: ObjectStore
    catalog: Catalog
    home: Scope
    author: str
    now: Callable[[], int]
    new_config: Callable[[], str]
    """The text of a new repository's config.toml."""
    check_config: Callable[[str, str], Scope]
    """From a config's text and where it lies to its default project and domain; refuses formats it does not know."""

    def logs(self) -> list[RefLog]:
        """Every log of the repository."""
        return [RefLog(self.store, *scope) for scope in _logs_in(self.root / "refs")]


class Remote:
    """A repository elsewhere, and what is kept of it here: copies of its segments, a catalog of them, footers."""

    def __init__(self, here: Here, settings: RemoteSettings, *, prefix: str | None = None) -> None:
        self.here = here
        self.settings = settings
        self.name = settings.name
        self.directory = here.root / "remotes" / settings.name
        self.prefix = prefix or f"refs/remotes/{settings.name}"
        self._lock = threading.Lock()
        self._logs: dict[Scope, RefLog] = {}
        self.fresh: dict[Scope, list[Segment]] = {}
        """The segments that the last fetch brought."""
        self.lent: OrderedDict[bytes, tuple[RawEntry, bytes]] = OrderedDict()
        """Entries that were read without what they consist of, and are not kept here."""

    @cached_property
    def store(self) -> RemoteStore:
        """Where it lies; nothing is asked of it before it is used."""
        options = self.settings.options
        store = inner(open_readable(self.settings.url, options), lambda place: open_readable(place, options))
        root = getattr(store, "root", None)
        if root is not None and root.resolve() == self.here.root:
            raise UnsupportedRemote(f"{self.settings.url} is this repository itself", hint="name another place")
        return store

    @property
    def writable(self) -> UploadingStore:
        """The same place to write to. Raises UnsupportedRemote for one that can only be read."""
        check_writable(self.settings.url)
        return cast("UploadingStore", self.store)

    @cached_property
    def catalog(self) -> Catalog:
        """What its log says, from the copies kept here; ``read`` finds records that are here."""
        self.directory.mkdir(parents=True, exist_ok=True)

        def read(ident: ObjectId, kind: Kind) -> bytes:
            return self.here.objects.read(ident, kind)

        return Catalog(str(self.directory / "catalog.sqlite"), self.settings.url, read)

    @cached_property
    def inventory(self) -> Inventory:
        """Which objects it holds, as far as looked."""
        from cas.remotes.inventory import Inventory

        return Inventory(self.store, self.directory / "footers", self.here.root / "tmp")

    def copy_of(self, project: str, domain: str) -> RefLog:
        """The copy kept here of one of its logs."""
        log = self._logs.get((project, domain))
        if log is None:
            log = self._logs[project, domain] = RefLog(self.here.store, project, domain, prefix=self.prefix)
            log.folded = True
        return log

    def copies(self) -> list[RefLog]:
        """The copies kept here of all its logs."""
        return [self.copy_of(*scope) for scope in _logs_in(self.here.root / self.prefix)]

    def log_there(self, project: str, domain: str) -> RefLog:
        """A log where it really lies."""
        return RefLog(self.writable, project, domain)

    def claim(self, name: str, content: bytes) -> bytes | None:
        """Create a segment there; None where it stands there now, else what another writer put there."""
        claim = getattr(self.writable, "claim", None)
        if claim is not None:
            return cast("bytes | None", claim(name, content, MAX_BYTES))
        if self.writable.create(name, content):
            return None
        theirs = self.store.read(name, 0, MAX_BYTES + 1)
        return None if theirs == content else theirs

    def lend(self, entry: RawEntry, payload: bytes) -> None:
        """Remember an entry for a while."""
        with self._lock:
            self.lent[entry.key] = (entry, payload)
            while len(self.lent) > 1 and sum(len(one) for _, one in self.lent.values()) > _LENT:
                self.lent.popitem(last=False)

    def state(self) -> dict[str, Any]:
        """What was exchanged so far, to spare work: derived, and void once the URL changes."""
        try:
            found = json.loads((self.directory / "state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {"url": self.settings.url}
        return (
            found if isinstance(found, dict) and found.get("url") == self.settings.url else {"url": self.settings.url}
        )

    def change_state(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change what :meth:`state` gives; a change lost to another process costs work, no more."""
        with self._lock:
            state = self.state()
            change(state)
            content = json.dumps(state, indent=1, sort_keys=True).encode()
            replace_file(self.directory / "state.json", content, self.here.root / "tmp")

    def home(self) -> Scope:
        """Its default project and domain. Raises NoRepository where there is none yet, UnsupportedFormat."""
        return read_home(self.store, self.settings.url, self.here.check_config)

    def prepare(self) -> None:
        """Make it a repository where it is none yet."""
        try:
            self.home()
        except NoRepository:
            self.writable.create("config.toml", self.here.new_config().encode())

    def close(self) -> None:
        """Let go of connections."""
        self.__dict__.pop("inventory", None)
        for part in ("store", "catalog"):
            if part in self.__dict__:
                self.__dict__.pop(part).close()


def _logs_in(directory: Path) -> list[Scope]:
    """The logs below a directory here, as ``list_logs`` gives them, without a look at each of their files."""
    found: list[Scope] = []
    with storage_errors(f"list {directory}"):
        for project, domain in ((one, two) for one in _folders(directory) for two in _folders(directory / one)):
            with os.scandir(directory / project / domain) as entries, suppress(RefSyntax):
                if project != "remotes" and any(_SEGMENT.fullmatch(entry.name) for entry in entries):
                    found.append((check_project(project), check_domain(domain)))
    return sorted(found)


def _folders(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def inner(store: RemoteStore, opener: Callable[[str], RemoteStore]) -> RemoteStore:
    """The store itself; of a directory that people work in the ``.cas`` within, where they keep their repository."""
    root = getattr(store, "root", None)
    if root is None or not (root / ".cas" / "config.toml").is_file():
        return store
    store.close()
    return opener(str(root / ".cas"))


def read_home(store: RemoteStore, url: str, check_config: Callable[[str, str], Scope]) -> Scope:
    """The default project and domain of a repository elsewhere.

    Raises NoRepository where there is none, UnsupportedFormat and LimitExceeded for a config that cannot be one.
    """
    try:
        text = store.read("config.toml", 0, _CONFIG + 1)
    except FileNotFoundError:
        hint = "make it by pushing to it: cas push" if hasattr(store, "create") else "is the URL right?"
        raise NoRepository(f"no repository at {url}", hint=hint) from None
    if len(text) > _CONFIG:
        raise LimitExceeded(f"{url}: its config.toml has more than {_CONFIG} bytes", hint=DAMAGED)
    return check_config(text.decode("utf-8", errors="replace"), url)


def in_threads(jobs: int, work: Callable[[Any], Any], items: list[Any]) -> Iterator[Any]:
    """The results in order; with one item or one job in this thread. The first error ends it."""
    if jobs <= 1 or len(items) <= 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(min(jobs, len(items)), thread_name_prefix="cas-remote") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
