"""Exchanging with other repositories, for the facade: the remotes it knows, fetch, pull, push, clone."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from cas import clock
from cas.errors import CasError, NoRepository, PartialFailure, RefNotFound, RemoteError, UsageError
from cas.refs import grammar
from cas.refs.names import Name
from cas.refs.partitions import EMPTY
from cas.refs.patterns import parse_pattern
from cas.remotes import settings as remote_settings
from cas.remotes.reports import Transfer
from cas.remotes.selection import Selection, moment
from cas.remotes.settings import ON_DEMAND, RemoteSettings, checked
from cas.remotes.sides import JOBS, Here, Progress, Remote, Scope, none
from cas.repository import config, resolving
from cas.storage.local import LocalStore

if TYPE_CHECKING:
    from pathlib import Path

    from cas.objects.ids import Kind, ObjectId
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["Remotes", "clone", "fetch", "here_of", "home_of", "list_there", "pull", "push"]


class Remotes:
    """The remotes of a repository: ``repo.remotes``. Also the connections to them, made on first use."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._open: dict[str, Remote] = {}

    def list(self) -> list[RemoteSettings]:
        """The remotes that the repository's config names."""
        return list(remote_settings.known(self._repository.config.settings).values())

    def add(self, name: str, url: str, options: Mapping[str, str] | None = None, *, probe: bool = True) -> None:
        """Remember a URL under a name; ``options`` of its store stand in docs/remotes.

        Several writers must be safe there: that is tried, unless it can only be read. Raises UnsupportedRemote for
        URLs that cas does not open, credentials among them, RemoteProtocol where a second writer would win, UsageError.
        """
        added = RemoteSettings(name, url, dict(options or {}))
        remote_settings.check_free(self._repository.config.settings, added)  # before anything is made there
        if probe:
            self._probe(added)
        self._change(lambda path: remote_settings.add(path, added))

    def remove(self, name: str) -> None:
        """Forget a remote, and all that is kept of it here."""
        import shutil

        self._change(lambda path: remote_settings.remove(path, name))
        self._close(name)
        for place in (self._repository.root / "remotes" / name, self._repository.root / "refs" / "remotes" / name):
            shutil.rmtree(place, ignore_errors=True)

    def set_url(self, name: str, url: str, options: Mapping[str, str] | None = None, *, probe: bool = True) -> None:
        """Give a remote another URL. What is kept of its log stays: the log there must continue it."""
        if probe:
            known = remote_settings.find(self._repository.config.settings, name)
            self._probe(remote_settings.moved(known, url, options))
        self._change(lambda path: remote_settings.set_url(path, name, url, options))
        self._close(name)

    def open(self, name: str | None = None) -> Remote:
        """The connection to a remote; without a name to origin, or to the only one. Raises NotFound."""
        if name in self._open:
            return self._open[name]
        found = remote_settings.find(self._repository.config.settings, name)
        remote = self._open.get(found.name)
        if remote is None:
            remote = self._open[found.name] = Remote(here_of(self._repository), found)
        return remote

    def on_demand(self) -> OnDemand | None:
        """What fetches objects on first use; None where no remote is a partial clone's."""
        return OnDemand(self) if any(found.on_demand for found in self.list()) else None

    def adopt(self, remote: Remote) -> None:
        """Use a connection that was made elsewhere."""
        self._open[remote.name] = remote

    def close(self) -> None:
        """Let go of all connections."""
        for name in list(self._open):
            self._close(name)

    def _close(self, name: str) -> None:
        remote = self._open.pop(name, None)
        if remote is not None:
            remote.close()

    def _change(self, change: Callable[[Path], None]) -> None:
        change(self._repository.root / "config.toml")
        self._repository.config = config.read(str(self._repository.root))

    def _probe(self, added: RemoteSettings) -> None:
        from cas.remotes.backends import open_writable
        from cas.remotes.probe import probe
        from cas.remotes.urls import parse

        if parse(added.url).scheme in ("http", "https"):
            return
        store = open_writable(added.url, added.options)
        try:
            probe(store)
        finally:
            store.close()


class OnDemand:
    """The remotes of partial clones, as a store asks for what is not here (cas.objects.store.Elsewhere)."""

    def __init__(self, remotes: Remotes) -> None:
        self._remotes = remotes

    def __call__(self, key: ObjectId) -> bool:
        """Fetch one object."""
        return self.bring([key])

    def bring(self, keys: Collection[bytes]) -> bool:
        """Fetch objects with all that they consist of; whether they are here now. Raises NoRepository."""
        from cas.remotes.pulling import bring

        return any(not bring(there, keys) for there in self._partial()) or self._none()

    def entry(self, key: bytes) -> tuple[Kind, bytes] | None:
        """One entry as a remote stores it, verified; None where it is nowhere."""
        from cas.remotes.pulling import entry

        return next((found for there in self._partial() if (found := entry(there, key)) is not None), None)

    def _none(self) -> bool:
        """False, where the remotes are there and lack what was asked for. Raises NoRepository for one that is not."""
        for there in self._partial():
            _check_still_there(there)
        return False

    def _partial(self) -> Iterator[Remote]:
        return (self._remotes.open(found.name) for found in self._remotes.list() if found.on_demand)


def _check_still_there(there: Remote) -> None:
    try:
        there.home()
    except NoRepository as error:
        raise NoRepository(
            f"what is not here yet comes from {there.name}, and there is no repository at {there.settings.url}",
            hint=f"mount it or bring it back; if it moved: cas remote set-url {there.name} URL",
        ) from error


def here_of(repository: Repository) -> Here:
    """The parts of a repository that an exchange works on."""
    return Here(
        repository.root,
        LocalStore(repository.root),
        repository.objects,
        repository.catalog,
        (repository.project, repository.domain),
        repository.sign(),
        repository.now,
        lambda: config.new(repository.project, repository.domain),
        _check_config,
    )


def _check_config(text: str, where: str) -> Scope:
    found = config.parse(text, where)
    return found.project, found.domain


def fetch(
    repository: Repository,
    remote: str | None = None,
    *,
    objects: Sequence[str] = (),
    jobs: int = JOBS,
    progress: Progress = none,
) -> Transfer:
    """Copy what is new in a remote's logs, with its records; with ``objects``, also all that those refs need."""
    from cas.remotes.fetching import fetch as fetch_logs
    from cas.remotes.records import bring_records

    there = repository.remotes.open(remote)
    found = fetch_logs(there, jobs=jobs)
    try:
        told = bring_records(there, selection_of(there.settings, ()), jobs=jobs, progress=progress)
    except RemoteError:
        if there.store.listable:
            raise
        told = Transfer(there.name, there.settings.url)  # a web server that shows no directories: refs are all it gives
    if not objects:
        return replace(told, segments=found.segments, entries=found.entries)
    from cas.remotes.pulling import bring_artifacts

    versions = [version for ref in objects for version in _matching(repository, ref, there.name)]
    return bring_artifacts(there, [bytes.fromhex(one.id) for one in versions], jobs=jobs, progress=progress)


def _matching(repository: Repository, text: str, remote: str) -> Iterable[ArtifactVersion]:
    """The versions that a ref names, here or at the remote; of a pattern the newest of every partition."""
    if re.search(r"[*?\[]", text):
        found = repository.find(text)
        if not found and ":" not in text:
            found = repository.find(f"{remote}:{text}")
        if not found:
            hint = f"see the names: cas ls '{remote}:*'"
            raise RefNotFound(f"nothing matches {text}, here or at {remote}", hint=hint)
        return found
    if grammar.parse(text).remote is not None:
        return [repository.resolve(text)]
    try:
        return [repository.resolve(text)]
    except LookupError:
        return [repository.resolve(f"{remote}:{text}")]


def view_of(repository: Repository, name: str) -> Repository:
    """A remote as it was last fetched. Raises NotFound where there is no such remote, or nothing of it is here."""
    from cas.remotes.fetching import require
    from cas.repository.remote_view import RemoteView

    remote = repository.remotes.open(name)
    require(remote)
    view = RemoteView(repository, remote)
    return view if repository.until is None else view.at(clock.to_datetime(repository.until))


def pull(
    repository: Repository,
    remote: str | None = None,
    patterns: Sequence[str] = (),
    *,
    jobs: int = JOBS,
    progress: Progress = none,
    dry_run: bool = False,
) -> Transfer:
    """Fetch, bring what is missing here, and merge. Stored conflicts are in the answer's ``conflicts``.

    Raises PartialFailure, after all else was merged, where an object is nowhere, and RefNotFound for a name that the
    remote never had.
    """
    from cas.remotes.pulling import pull as pull_all

    there = repository.remotes.open(remote)
    chosen = selection_of(there.settings, patterns)
    bytes_too = not there.settings.on_demand
    with _uncollected():
        done = pull_all(there, chosen, bytes_too=bytes_too, jobs=jobs, progress=progress, dry=dry_run)
    if patterns and not done.entries:
        _check_names(view_of(repository, there.name), patterns)
    return _complete(done, "pulled")


def push(
    repository: Repository,
    remote: str | None = None,
    patterns: Sequence[str] = (),
    *,
    lineage: bool = False,
    jobs: int = JOBS,
    progress: Progress = none,
    dry_run: bool = False,
    with_storage: bool = False,
) -> Transfer:
    """Send what the remote lacks. Stored conflicts that this makes there are in the answer's ``conflicts``.

    What models keep in storages outside the repository stays there: the answer's ``outside`` says how much in each.
    ``with_storage`` copies it along, of all versions that match, also of those that are there already. Raises
    PartialFailure, after all else was published, where an object is nowhere; with ``with_storage``, before anything is,
    StorageUnknown, StorageError, HashMismatch.
    """
    from cas.remotes import outside
    from cas.remotes.pushing import push as push_all

    there = repository.remotes.open(remote)
    _check_names(repository, patterns)
    with repository.lock:
        if not repository.session.open_spans:
            repository.session.close()  # sealed packs are read best
    chosen = Selection(tuple(patterns))
    with _uncollected():
        copies = outside.reader() if with_storage else None
        done = push_all(there, chosen, lineage=lineage, jobs=jobs, progress=progress, dry=dry_run, copies=copies)
    return _complete(done, "pushed")


def _check_names(repository: Repository, patterns: Sequence[str]) -> None:
    """Raises RefNotFound for a name that there is none of: a slip of the pen would move nothing, silently."""
    for text in patterns:
        pattern = parse_pattern(text)
        if pattern.is_plain and not any(re.search(r"[*?\[]", part or "") for part in (pattern.project, pattern.domain)):
            name = Name(pattern.project or repository.project, pattern.domain or repository.domain, pattern.name)
            repository.catalog.catch_up(repository.log_of(name.project, name.domain))
            if repository.catalog.refs.declared(name) is None:
                raise resolving.not_found(repository, name, EMPTY, text, strict=False)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No cyclic garbage collection meanwhile: it would walk hundreds of thousands of entries, none of them garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _complete(done: Transfer, what: str) -> Transfer:
    if done.missing and not done.dry:
        raise PartialFailure(
            f"{done.entries} entries were considered; {len(done.missing)} versions were not {what}: "
            "an object of each is neither here nor there",
            missing=done.missing,
            hint="whoever made them has their objects: ask them to push",
        )
    return done


def selection_of(found: RemoteSettings, patterns: Sequence[str]) -> Selection:
    """What a pull takes: the patterns given, within what the clone was limited to."""
    limits = tuple(found.filter.split()) if found.filter else ()
    since = moment(found.since) if found.since else None
    return Selection(tuple(patterns) or limits, since, found.depth)


def clone(
    url: str,
    directory: str | os.PathLike[str] | None = None,
    *,
    options: Mapping[str, str] | None = None,
    filter: str | Sequence[str] | None = None,  # noqa: A002 - git's word
    since: str | None = None,
    depth: int | None = None,
    objects: bool = True,
    author: str = "",
    now: Callable[[], int] = clock.now,
    jobs: int = JOBS,
    progress: Progress = none,
) -> tuple[Repository, Transfer]:
    """A new repository in ``directory`` with what is at a URL, which becomes its remote ``origin``.

    ``filter`` are patterns of names, ``since`` a time (``2024-01``), ``depth`` versions of each ref; without
    ``objects`` only refs and records are taken, and objects come when they are first used. Later pulls keep to this.
    One that was stopped goes on where it was when it is asked for again, or by a pull. Nothing is left behind where
    it fails in a way that another attempt would meet too. Raises UsageError where the directory holds a repository.
    """
    import shutil
    from pathlib import Path

    from cas.remotes.urls import parse
    from cas.repository import cloning
    from cas.repository.opening import DIRECTORY, init

    location = parse(url)
    place = Path(directory) if directory is not None else Path(_name_of(location.path, location.host))
    root = place.absolute() / DIRECTORY
    if depth is not None and depth < 1:
        raise UsageError("--depth is at least 1", hint="leave it away for all versions")
    names = " ".join([filter] if isinstance(filter, str) else filter) if filter else None
    if since is not None:
        moment(since)
    partial = None if objects else ON_DEMAND
    origin = checked(RemoteSettings("origin", url, dict(options or {}), names, since, depth, partial))
    there = origin.url
    there_before = place.exists()
    goes_on = cloning.began(root, origin)
    home = home_of(origin)
    if not goes_on:
        cloning.begin(root, home, origin)
    repository = init(place, author=author, now=now)
    try:
        if goes_on and cloning.ended(repository.remotes.open("origin")):
            raise UsageError(f"{place} holds a clone of {there} already", hint=f"cas -C {place} pull")
        return repository, pull(repository, "origin", jobs=jobs, progress=progress)
    except PartialFailure:
        raise
    except BaseException as error:
        repository.close()
        if goes_on or cloning.may_go_on(repository, error):
            if isinstance(error, CasError) and not isinstance(error, UsageError):
                error.hint = f"run it again, or: cas -C {place} pull; what has arrived is not fetched again"
            raise
        shutil.rmtree(root, ignore_errors=True)
        if not there_before:
            shutil.rmtree(place, ignore_errors=True)
        raise


def home_of(origin: RemoteSettings) -> Scope:
    """The default project and domain of a repository elsewhere, asked before anything is made here."""
    from cas.remotes.backends import open_readable
    from cas.remotes.sides import inner, read_home

    store = inner(open_readable(origin.url, origin.options), lambda place: open_readable(place, origin.options))
    try:
        return read_home(store, origin.url, _check_config)
    finally:
        store.close()


def _name_of(path: str, host: str) -> str:
    name = path.rstrip("/").removesuffix("/.cas").rpartition("/")[2] or host
    if not name:
        raise UsageError("clone into which directory?", hint="cas clone URL DIR")
    return name


def list_there(
    repository: Repository | None, remote: str | None, options: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """``(artifact id, ref)`` of every tip and alias at a remote or URL, now; nothing is kept."""
    from cas.remotes.listing import tips_there

    if remote is not None and ("/" in remote or "://" in remote):
        return tips_there(remote, dict(options or {}), _check_config)
    if repository is None:
        raise UsageError("give a URL: there is no repository here", hint="cas ls-remote URL")
    found = remote_settings.find(repository.config.settings, remote)
    return tips_there(found.url, dict(found.options), _check_config)
