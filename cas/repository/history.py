"""Looking back: logs, names, and what is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any

from cas import clock
from cas.errors import RefSyntax, UsageError
from cas.refs import grammar
from cas.refs.history import History
from cas.refs.names import Name
from cas.refs.partitions import EMPTY, Partition
from cas.refs.patterns import Pattern, glob, parse_pattern
from cas.repository import resolving
from cas.repository.current import lock_for
from cas.repository.info import NameInfo
from cas.repository.version import ArtifactVersion

if TYPE_CHECKING:
    from cas.catalog.refs import Counted, Row
    from cas.repository.repository import Repository

__all__ = ["aliases", "check_limit", "declaration", "find", "info_of", "log", "names", "newest_first"]

# From so many names on, all tips are asked for at once.
_MANY = 50


def catch_up_all(repository: Repository) -> None:
    """Take in what is new in every log of the repository."""
    from cas.refs.log import list_logs

    for project, domain in list_logs(repository.store, prefix=repository.log_prefix):
        repository.catalog.catch_up(repository.log_of(project, domain))


def log(repository: Repository, ref: str | None, limit: int | None) -> list[ArtifactVersion]:
    """The versions of a ref, newest first: of every partition that contains it; each content once for each time it
    came."""
    check_limit(limit)
    if ref is None:
        catch_up_all(repository)
        return [resolving.from_row(repository, row) for row in repository.catalog.refs.newest(limit)]
    repository, ref = _place(repository, ref)
    revision = grammar.parse(ref)
    if revision.path is not None and revision.span is None:
        whole = ref.partition("//")[0]
        raise RefSyntax(
            f"{ref!r} is within a version, and has no history of its own",
            text=ref,
            position=len(whole),
            hint=f"see the history of the whole: cas log '{whole}'",
        )
    if revision.name is None or revision.selector is not None or revision.mods or revision.id_prefix is not None:
        # From one version back: the history of its exact partition up to it.
        start = resolving.resolve(repository, ref)
        if start.name is None or start.partition is None:
            return [start]
        name = Name(start.project or "", start.domain or "", start.name)
        until, partitions, strict = start.stamp, start.partition, True
    else:
        name = Name(revision.project or repository.project, revision.domain or repository.domain, revision.name)
        resolving.resolve_revision(repository, revision, ref)
        until, partitions, strict = None, revision.partition, False
    return _versions(repository, name, partitions, limit, until, strict=strict)


def check_limit(limit: int | None) -> None:
    """Raises UsageError for a limit below 0."""
    if limit is not None and limit < 0:
        raise UsageError(f"a limit is 0 or more, not {limit}", hint="leave it away for all")


def _versions(
    repository: Repository, name: Name, partition: Partition, limit: int | None, until: int | None, *, strict: bool
) -> list[ArtifactVersion]:
    refs = repository.catalog.refs
    found = []
    for number, one in refs.partitions(name):
        if one == partition if strict else one.contains(partition):
            entries = History(refs.entries(number)).versions
            found += [entry for entry in entries if until is None or entry.stamp <= until]
    found.sort(key=lambda entry: (entry.stamp, entry.write), reverse=True)
    return [resolving.from_entry(repository, name, entry) for entry in found[:limit]]


def find(
    repository: Repository,
    pattern: str,
    *,
    type_: str | None,
    metadata: Mapping[str, Any] | None,
    partitions: Mapping[str, str] | None,
    time: str | None,
    limit: int | None,
) -> list[ArtifactVersion]:
    """The latest version of every partition that matches, newest first."""
    check_limit(limit)
    repository, pattern = _place(repository, pattern)
    wanted = parse_pattern(pattern)
    asked = Partition.of({key: str(value) for key, value in (partitions or {}).items()}, time)
    every = _wanted(repository, wanted)
    rows = _tips(repository, every, asked)
    if wanted.keys or wanted.time is not None:
        rows = [row for row in rows if wanted.matches(row.name, Partition.parse(row.partition))]
    rows.sort(key=lambda row: row.stamp, reverse=True)
    versions: Iterable[ArtifactVersion] = (resolving.from_row(repository, row) for row in rows)
    if (lock := lock_for(repository)) is not None:
        versions = newest_first(lock.tips(repository, versions, lambda one: _fits(one, wanted, every, asked)))
    if type_ is not None:
        versions = (one for one in versions if fnmatchcase(one.type, type_))
    if metadata:
        items = list(metadata.items())
        versions = (one for one in versions if _has(one.metadata, items))
    return list(islice(versions, limit))


def _tips(repository: Repository, names: list[Name], asked: Partition) -> list[Row]:
    """The latest version of every partition of the names that contains what is asked."""
    if len(names) < _MANY or asked != EMPTY:
        return [row for name in names for row in repository.catalog.refs.tips(name, asked)]
    every = set(names)
    return [row for row in repository.catalog.refs.every_tip() if (row.project, row.domain, row.name) in every]


def newest_first(versions: Iterable[ArtifactVersion]) -> list[ArtifactVersion]:
    """The versions by when they were published."""
    return sorted(versions, key=lambda one: one.stamp or 0, reverse=True)


def _fits(version: ArtifactVersion, wanted: Pattern, names: Collection[Name], asked: Partition) -> bool:
    name, partition = Name(version.project or "", version.domain or "", version.name or ""), version.partition
    return (
        name in names and partition is not None and partition.contains(asked) and wanted.matches(name.name, partition)
    )


def _has(metadata: dict[str, Any], items: list[tuple[str, Any]]) -> bool:
    return all(key in metadata and metadata[key] == value for key, value in items)


def names(repository: Repository, pattern: str) -> list[NameInfo]:
    """The names that match a glob, with their declarations and counts."""
    repository, pattern = _place(repository, pattern)
    fitting = set(_wanted(repository, parse_pattern(pattern)))
    return [
        _info(repository, one)
        for one in repository.catalog.refs.counted()
        if one.name in fitting and (one.partitions or one.declared.keys is not None)
    ]


def _wanted(repository: Repository, pattern: Pattern) -> list[Name]:
    """The names that fit; of the repository's own project and domain where the pattern names none."""
    catch_up_all(repository)
    if pattern.project is None or pattern.domain is None:
        every = repository.catalog.refs.names(repository.project, repository.domain)
        return [one for one in every if glob(pattern.name, one.name)]
    return [
        one
        for one in repository.catalog.refs.names()
        if glob(pattern.project, one.project) and glob(pattern.domain, one.domain) and glob(pattern.name, one.name)
    ]


def declaration(repository: Repository, name: str) -> NameInfo | None:
    """What is known of a name."""
    revision = grammar.parse(name)
    assert revision.name is not None
    full = Name(revision.project or repository.project, revision.domain or repository.domain, revision.name)
    repository.catalog.catch_up(repository.log_of(full.project, full.domain))
    return info_of(repository, full)


def info_of(repository: Repository, name: Name) -> NameInfo | None:
    """What the catalog knows of a name, as far as it has caught up; None where that is nothing."""
    return next((_info(repository, one) for one in repository.catalog.refs.counted(name)), None)


def aliases(repository: Repository, ref: str | ArtifactVersion) -> dict[str, str]:
    """The aliases of the exact partition of a version, or of the one that a ref resolves to; those in conflict give
    versions joined by ``|``."""
    if isinstance(ref, ArtifactVersion):
        repository, version = ref._repository, ref  # the remote's or the past's, where it is a version there
    else:
        repository, ref = _place(repository, ref)
        version = resolving.resolve(repository, ref)
    if version.name is None or version.partition is None:
        return {}
    number = repository.catalog.refs.ref_number(
        Name(version.project or "", version.domain or "", version.name), version.partition
    )
    if number is None:
        return {}
    heads = History(repository.catalog.refs.entries(number)).aliases
    return {alias: "|".join(sorted({entry.version for entry in entries})) for alias, entries in heads.items()}


def _place(repository: Repository, text: str) -> tuple[Repository, str]:
    """Where a ref or pattern is looked up: ``origin:x`` is ``x`` at the remote, as it was last fetched."""
    remote, colon, rest = text.partition(":")
    if not colon or not rest or any(sign in remote for sign in "@/#~^%"):
        return repository, text
    from cas.repository.exchange import view_of

    return view_of(repository, remote), rest


def _info(repository: Repository, counted: Counted) -> NameInfo:
    name, declared, partitions, newest, versions = counted
    home = (name.project, name.domain) == (repository.project, repository.domain)
    return NameInfo(
        name.name if home else "/".join(name),
        declared.keys or (),
        declared.granularity,
        declared.type,
        declared.description,
        partitions,
        versions,
        clock.to_datetime(newest) if newest is not None else None,
    )
