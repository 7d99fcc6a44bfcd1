"""Answers to queries, from a repository: the one place where flows read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cas.errors import RefNotFound
from cas.flows.wanted import Wanted
from cas.refs import grammar
from cas.refs.history import History
from cas.refs.names import Name
from cas.refs.partitions import Partition
from cas.repository import ArtifactVersion, Repository, resolving
from cas.repository import reading as stored
from cas.repository.current import current

__all__ = [
    "ArtifactVersion",
    "asked",
    "has_version",
    "history",
    "latest",
    "latest_per_partition",
    "note",
    "nothing",
    "partition_values",
    "repository",
    "value_of",
]


def repository() -> Repository:
    """The current repository. Raises NoRepository."""
    return current()


def latest(repo: Repository, wanted: Wanted) -> ArtifactVersion | None:
    """The most recent version that matches, or None. What open spans hold back counts."""
    partition = wanted.partition
    if partition is None:
        found = max(_matching(repo, wanted), key=_age, default=None)
        if found is None or wanted.version is None:
            return found
    name = _name(repo, wanted)
    revision = grammar.Revision(
        None, name.project, name.domain, name.name, partition or _single(wanted), wanted.version, (), None, None
    )
    try:
        return resolving.resolve_revision(repo, revision, grammar.format(revision), strict=wanted.strict)
    except RefNotFound:
        return None


def nothing(repo: Repository, wanted: Wanted, where: str = "") -> RefNotFound:
    """The error that names a query which finds nothing, and ``where`` it stands."""
    known = repo.declaration("/".join(_name(repo, wanted))) is not None
    hint = f"see what is there: cas ls {wanted.name}" if known else f"nothing is published as {wanted.name!r} yet"
    return RefNotFound(f"{where}no artifact matches {wanted}", hint=hint)


def value_of(repo: Repository, version: ArtifactVersion) -> Any:
    """The value of a version; reading it here makes no input of a span."""
    return stored.value(repo, version)


def asked(repo: Repository, wanted: Wanted, found: ArtifactVersion) -> str:
    """The ref that a span's record shows as asked for: the query's, or the version's where no ref says the same."""
    partition = wanted.partition
    if partition is None:
        return found.ref
    name = _name(repo, wanted)
    home = (name.project, name.domain) == (repo.project, repo.domain)
    project, domain = (None, None) if home else (name.project, name.domain)
    return grammar.format(grammar.Revision(None, project, domain, name.name, partition, wanted.version, (), None, None))


def note(repo: Repository, version: ArtifactVersion, wanted: Wanted) -> ArtifactVersion:
    """Make a version an input of the span around the caller, if there is one."""
    span = repo.current_span()
    if span is not None:
        span.read(version, asked(repo, wanted, version))
    return version


def latest_per_partition(
    repo: Repository, wanted: Wanted, *, limit: int | None = None, after: str | None = None
) -> list[ArtifactVersion]:
    """The latest version of each partition that matches, by partition; at most ``limit``, those past ref ``after``."""
    found = sorted(_matching(repo, wanted), key=_place)
    if after is not None:
        passed = _order(grammar.parse(after).partition)
        found = [one for one in found if _place(one) > passed]
    return found[:limit]


def partition_values(repo: Repository, wanted: Wanted, key: str) -> list[str]:
    """The values of one key (or ``time``) among the partitions that match, sorted."""
    partitions = (partition for partition, _ in _tips(repo, wanted))
    if key in ("time", "time_partition"):
        return sorted({one.time for one in partitions if one.time is not None})
    return sorted({value for one in partitions if (value := dict(one.keys).get(key)) is not None})


def _matching(repo: Repository, wanted: Wanted) -> list[ArtifactVersion]:
    return [make() for _, make in _tips(repo, wanted)]


def _tips(repo: Repository, wanted: Wanted) -> Iterator[tuple[Partition, Any]]:
    """Each partition that matches, with what makes its latest version; what open spans hold back comes instead."""
    name = _name(repo, wanted)
    held: set[Partition] = set()
    for span in repo.spans_around():
        for wish in reversed(span.pending()):
            partition = wish.target.partition
            if wish.target.name == name and partition not in held and _matches(wanted, partition):
                held.add(partition)
                yield partition, lambda p=partition: resolving.resolve(repo, _exact(name, p), strict=True)
    with repo.catalog.database.lock:
        repo.catalog.catch_up(repo.log_of(name.project, name.domain))
        rows = list(repo.catalog.refs.tips(name, _single(wanted)))
    for row in rows:
        partition = Partition.parse(row.partition)
        if partition not in held and _matches(wanted, partition):
            yield partition, lambda row=row: resolving.from_row(repo, row)


def _matches(wanted: Wanted, partition: Partition) -> bool:
    return wanted.matches(dict(partition.keys), partition.time)


def _single(wanted: Wanted) -> Partition:
    """The keys that have one value: what the catalog narrows by before the rest is looked at."""
    return Partition.of({key: values[0] for key, values in wanted.keys if len(values) == 1})


def _name(repo: Repository, wanted: Wanted) -> Name:
    return Name(wanted.project or repo.project, wanted.domain or repo.domain, wanted.name)


def _exact(name: Name, partition: Partition) -> str:
    return grammar.format(grammar.Revision(None, name.project, name.domain, name.name, partition, None, (), None, None))


def _place(one: ArtifactVersion) -> tuple[object, str]:
    assert one.partition is not None
    return _order(one.partition)


def _order(partition: Partition) -> tuple[object, str]:
    return partition.keys, partition.time or ""


def _age(one: ArtifactVersion) -> Any:
    return one.created


def history(repo: Repository, name: Name, partition: Partition) -> list[ArtifactVersion]:
    """Every version of a name in the partitions that contain one, oldest first; none where the name is unknown."""
    with repo.catalog.database.lock:
        repo.catalog.catch_up(repo.log_of(name.project, name.domain))
        found = [
            entry
            for number, one in repo.catalog.refs.partitions(name)
            if one.contains(partition)
            for entry in History(repo.catalog.refs.entries(number)).versions
        ]
    found.sort(key=lambda entry: (entry.stamp, entry.write))
    return [resolving.from_entry(repo, name, entry) for entry in found]


def has_version(repo: Repository, name: Name, partition: Partition, version: str) -> bool:
    """Whether an exact partition has ever had a version of this name."""
    with repo.catalog.database.lock:
        repo.catalog.catch_up(repo.log_of(name.project, name.domain))
        number = repo.catalog.refs.ref_number(name, partition)
        return number is not None and repo.catalog.refs.version_is(number, version) is not None
