"""Answers to queries, from a repository: the one place where flows read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

from cas.catalog import chronicle, selection
from cas.catalog.refs import Declared
from cas.errors import RefNotFound
from cas.flows.facts import Facts
from cas.flows.wanted import Wanted
from cas.refs import grammar
from cas.refs.names import Name
from cas.refs.partitions import Partition
from cas.repository import ArtifactVersion, Repository, resolving
from cas.repository import reading as stored
from cas.repository.current import current, lock_for
from cas.repository.history import check_limit
from cas.repository.publishing import Wish
from cas.repository.version import decode_record

__all__ = [
    "ArtifactVersion",
    "Repository",
    "Versions",
    "asked",
    "check_limit",
    "declared",
    "declared_keys",
    "every_tip",
    "has_version",
    "history",
    "latest",
    "latest_per_partition",
    "name_of",
    "note",
    "nothing",
    "partition_values",
    "position",
    "repository",
    "value_of",
    "with_records",
]


def repository() -> Repository:
    """The current repository. Raises NoRepository."""
    return current()


class Versions(Sequence[ArtifactVersion]):
    """Versions in the order of their partitions, each read when it is looked at."""

    def __init__(self, repo: Repository, name: Name, partitions: Sequence[str]) -> None:
        self._repo = repo
        self._name = name
        self._partitions = partitions

    def __len__(self) -> int:
        return len(self._partitions)

    @overload
    def __getitem__(self, index: int) -> ArtifactVersion: ...
    @overload
    def __getitem__(self, index: slice) -> Versions: ...

    def __getitem__(self, index: int | slice) -> ArtifactVersion | Versions:
        if isinstance(index, slice):
            return Versions(self._repo, self._name, self._partitions[index])
        partition = Partition.parse(self._partitions[index])
        found = _tip(self._repo, self._name, partition, strict=True)
        if found is None:
            raise RefNotFound(f"{_ref(self._name, partition)} was deleted after it was found")
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __repr__(self) -> str:
        shown = ", ".join(repr(one) for one in self[:10])
        return f"[{shown}{', …' if len(self) > 10 else ''}]"


def latest(repo: Repository, wanted: Wanted) -> ArtifactVersion | None:
    """The most recent version that matches, or None. What open spans hold back counts, and a lock that is replayed."""
    lock = lock_for(repo)
    locked = lock.answer(repo, asked(repo, wanted)) if lock is not None else None
    if locked is not None:
        return locked
    name = _name(repo, wanted)
    partition = wanted.partition
    if partition is None:
        return _latest_of_many(repo, name, wanted)
    if wanted.version is None:
        return _tip(repo, name, partition, strict=wanted.strict)
    return _selected(repo, name, partition, wanted.version, strict=wanted.strict)


def _selected(
    repo: Repository, name: Name, partition: Partition, selector: str, *, strict: bool
) -> ArtifactVersion | None:
    """What a version or alias names in the partitions that contain one (``strict``: in that one); None for nothing."""
    revision = grammar.Revision(None, name.project, name.domain, name.name, partition, selector, (), None, None)
    try:
        return resolving.resolve_revision(repo, revision, grammar.format(revision), strict=strict)
    except RefNotFound:
        return None


def nothing(repo: Repository, wanted: Wanted, where: str = "") -> RefNotFound:
    """The error that names a query which finds nothing, and ``where`` it stands."""
    known = declared(repo, _name(repo, wanted)) is not None
    hint = f"see what is there: cas ls {wanted.name}" if known else f"nothing is published as {wanted.name!r} yet"
    return RefNotFound(f"{where}no artifact matches {wanted}", hint=hint)


def value_of(repo: Repository, version: ArtifactVersion) -> Any:
    """The value of a version; reading it here makes no input of a span."""
    return stored.value(repo, version)


def asked(repo: Repository, wanted: Wanted) -> str:
    """What a span's record shows as asked for: the ref that says the same as a query, or its own text without one."""
    partition = wanted.partition
    if partition is None or wanted.strict:
        return str(wanted)
    name = _name(repo, wanted)
    home = (name.project, name.domain) == (repo.project, repo.domain)
    project, domain = (None, None) if home else (name.project, name.domain)
    return grammar.format(grammar.Revision(None, project, domain, name.name, partition, wanted.version, (), None, None))


def note(repo: Repository, version: ArtifactVersion, wanted: Wanted) -> ArtifactVersion:
    """Make a version an input of the span around the caller, if there is one."""
    span = repo.current_span()
    if span is not None:
        # Of a repository as it was, what was asked for means something else now: the record says what it was.
        span.read(version, asked(repo, wanted) if repo.until is None else version.ref)
    return version


def latest_per_partition(
    repo: Repository, wanted: Wanted, *, limit: int | None = None, after: str | None = None
) -> Sequence[ArtifactVersion]:
    """The latest version of each partition that matches, by partition; at most ``limit``, those past ref ``after``."""
    name = _name(repo, wanted)
    passed = grammar.parse(after).partition.text if after is not None else None
    check_limit(limit)
    if lock_for(repo) is not None or wanted.version is not None:
        return [one for one in every_tip(repo, wanted) if passed is None or _text(one) > passed][:limit]
    found = _chosen(repo, name, wanted, after=passed, limit=None if wanted.strict else limit)
    if wanted.strict:
        found = [text for text in found if _matches(wanted, Partition.parse(text))]
    held = {wish.target.partition.text for wish in _held(repo, name, wanted)}
    if held:
        found = sorted(held.union(found))
        found = [text for text in found if passed is None or text > passed]
    return Versions(repo, name, found[:limit])


def _is_of(version: ArtifactVersion, name: Name) -> bool:
    return (version.project, version.domain, version.name) == name


def _text(version: ArtifactVersion) -> str:
    return version.partition.text if version.partition is not None else ""


def every_tip(repo: Repository, wanted: Wanted) -> list[ArtifactVersion]:
    """The latest version of each partition that matches, by partition, all found at once.

    Where a lock is replayed: of what it has, and of what the run that replays it has made.
    """
    name = _name(repo, wanted)
    with repo.catalog.database.lock:
        repo.catalog.catch_up(repo.log_of(name.project, name.domain))
        rows = selection.tips(repo.catalog.database.connection, name, dict(wanted.keys), wanted.times)
    found = {row.partition: resolving.from_row(repo, row) for row in rows}
    if wanted.strict:
        found = {text: one for text, one in found.items() if wanted.matches(one.partitions, one.time)}
    if (lock := lock_for(repo)) is not None:
        locked = lock.tips(
            repo, found.values(), lambda one: _is_of(one, name) and wanted.matches(one.partitions, one.time)
        )
        found = {_text(one): one for one in locked}
    for wish in reversed(list(_held(repo, name, wanted))):
        found[wish.target.partition.text] = _of_wish(repo, wish)
    if wanted.version is not None:
        pinned = {text: _selected(repo, name, Partition.parse(text), wanted.version, strict=True) for text in found}
        found = {text: one for text, one in pinned.items() if one is not None}
    return [found[text] for text in sorted(found)]


def with_records(repo: Repository, versions: Sequence[ArtifactVersion]) -> list[ArtifactVersion]:
    """The same versions, the records of all read at once, so that none is read by itself later."""
    idents = [bytes.fromhex(one.id) for one in versions]
    return [
        ArtifactVersion(
            repo,
            ident,
            one._place,
            literal=bytes.fromhex(one.literal_id),
            span=_raw(one.span),
            record=decode_record(read),
        )
        for one, ident, read in zip(versions, idents, repo.objects.read_many(idents), strict=True)
    ]


def _raw(span: str | None) -> bytes | None:
    return bytes.fromhex(span) if span else None


def declared_keys(repo: Repository, wanted: Wanted) -> tuple[str, ...]:
    """The partition keys that the log declares for a name."""
    known = declared(repo, _name(repo, wanted))
    return (known.keys or ()) if known is not None else ()


def partition_values(repo: Repository, wanted: Wanted, key: str) -> list[str]:
    """The values of one key (or ``time``) among the partitions that match, sorted."""
    name = _name(repo, wanted)
    key = "time" if key == "time_partition" else key
    if lock_for(repo) is not None or wanted.version is not None:
        there = every_tip(repo, wanted)
        return sorted({value for one in there if (value := one.time if key == "time" else one.partitions.get(key))})
    with repo.catalog.database.lock:
        repo.catalog.catch_up(repo.log_of(name.project, name.domain))
        found = selection.values(repo.catalog.database.connection, name, key, dict(wanted.keys), wanted.times)
    held = [wish.target.partition for wish in _held(repo, name, wanted)]
    pending = {one.time if key == "time" else dict(one.keys).get(key) for one in held}
    return sorted({*found, *(value for value in pending if value is not None)})


def _chosen(repo: Repository, name: Name, wanted: Wanted, **said: Any) -> list[str]:
    with repo.catalog.database.lock:
        repo.catalog.catch_up(repo.log_of(name.project, name.domain))
        connection = repo.catalog.database.connection
        return selection.choose(connection, name, dict(wanted.keys), wanted.times, **said)


def _latest_of_many(repo: Repository, name: Name, wanted: Wanted) -> ArtifactVersion | None:
    if wanted.version is not None:
        return max(every_tip(repo, wanted), key=lambda one: one.stamp or 0, default=None)
    held = next(iter(_held(repo, name, wanted)), None)
    if held is not None:
        return _of_wish(repo, held)
    for text in _chosen(repo, name, wanted, newest_first=True, limit=None if wanted.strict else 1):
        partition = Partition.parse(text)
        if _matches(wanted, partition):
            return _tip(repo, name, partition, strict=True)
    return None


def _tip(repo: Repository, name: Name, partition: Partition, *, strict: bool) -> ArtifactVersion | None:
    """The newest version in the partitions that contain one (``strict``: in exactly that one)."""
    keys = tuple((key, (value,)) for key, value in partition.keys)
    times = None if partition.time is None else (partition.time,)
    held = next(iter(_held(repo, name, Wanted(name.name, keys=keys, times=times, strict=strict))), None)
    if held is not None:
        return _of_wish(repo, held)
    with repo.catalog.database.lock:
        repo.catalog.catch_up(repo.log_of(name.project, name.domain))
        refs = repo.catalog.refs
        row = refs.tip(name, partition) if strict else refs.latest(name, partition)
    return None if row is None else resolving.from_row(repo, row)


def _held(repo: Repository, name: Name, wanted: Wanted) -> Iterator[Wish]:
    """What open spans around the caller hold back of a query, newest first."""
    for span in repo.spans_around():
        for wish in span.held(name):
            if _matches(wanted, wish.target.partition):
                yield wish


def _of_wish(repo: Repository, wish: Wish) -> ArtifactVersion:
    """The version that a span holds back, as code inside the span sees it."""
    name, partition, version = wish.target
    revision = grammar.Revision(None, name.project, name.domain, name.name, partition, version, (), None, None)
    return resolving.resolve_revision(repo, revision, grammar.format(revision), strict=True)


def _matches(wanted: Wanted, partition: Partition) -> bool:
    return wanted.matches(dict(partition.keys), partition.time)


def _name(repo: Repository, wanted: Wanted) -> Name:
    return Name(wanted.project or repo.project, wanted.domain or repo.domain, wanted.name)


def _ref(name: Name, partition: Partition) -> str:
    return grammar.format(grammar.Revision(None, name.project, name.domain, name.name, partition, None, (), None, None))


def declared(repo: Repository, name: Name) -> Declared | None:
    """What the log says of a name; None where it is unknown."""
    with repo.catalog.database.lock:
        known = repo.catalog.refs.declared(name)
        if known is None:
            repo.catalog.catch_up(repo.log_of(name.project, name.domain))
            known = repo.catalog.refs.declared(name)
        return known


def name_of(repo: Repository, facts: Facts) -> Name:
    """The full name of an artifact, in the repository's own project and domain where it says none."""
    return Name(facts.project or repo.project, facts.domain or repo.domain, facts.name)


def history(repo: Repository, name: Name, partition: Partition | None = None) -> list[ArtifactVersion]:
    """Every version of a name, or of one exact partition, oldest first; none where the name is unknown."""
    with repo.catalog.database.lock:
        repo.catalog.catch_up(repo.log_of(name.project, name.domain))
        connection, refs = repo.catalog.database.connection, repo.catalog.refs
        found = chronicle.publications(connection, refs, name, partition.text if partition is not None else None)
    return [resolving.from_row(repo, row) for row in found]


def position(repo: Repository, name: Name) -> tuple[int, str, int]:
    """How far the log that a name is in goes now: while this stays the same nothing is new there."""
    with repo.catalog.database.lock:
        return repo.catalog.catch_up(repo.log_of(name.project, name.domain))


def has_version(repo: Repository, name: Name, partition: Partition, version: str) -> bool:
    """Whether an exact partition has ever had a version of this name."""
    with repo.catalog.database.lock:
        repo.catalog.catch_up(repo.log_of(name.project, name.domain))
        number = repo.catalog.refs.ref_number(name, partition)
        return number is not None and repo.catalog.refs.version_is(number, version) is not None
