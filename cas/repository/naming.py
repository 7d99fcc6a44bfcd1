"""Changing what names mean: aliases, tombstones and declarations, each one entry of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cas.errors import (
    AliasConflict,
    ArtifactError,
    DeclarationError,
    PartitionError,
    RefNameCollision,
    RefNotFound,
    RefSyntax,
    UsageError,
)
from cas.refs import grammar
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry
from cas.refs.history import History
from cas.refs.names import Name, check_alias, check_declared_keys, check_name
from cas.refs.partitions import Granularity, Partition
from cas.refs.stamps import Stamps, WriteIds
from cas.repository import publishing, resolving
from cas.repository.info import DeletePlan, NameInfo

if TYPE_CHECKING:
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["alias", "declare", "delete", "plan_delete"]


def alias(repository: Repository, ref: str, name: str, expect: object, *, replace: bool) -> ArtifactVersion:
    """Point an alias at what a ref resolves to. ``expect`` is a version, None for nowhere, or ``ANY``."""
    from cas.repository.repository import ANY

    check_alias(name)
    revision = grammar.parse(ref)
    if revision.remote is not None:
        raise RefSyntax(f"{ref!r} is a remote's: aliases are moved here", text=ref, hint="take it in first: cas pull")
    if revision.path is not None and revision.span is None:
        whole = ref.partition("//")[0]
        raise RefSyntax(
            f"{ref!r} is within a version, and aliases point at versions",
            text=ref,
            position=len(whole),
            hint=f"point at the whole: cas alias '{whole}' {name}",
        )
    version = resolving.resolve(repository, ref)
    if version.name is None or version.partition is None or version.version is None:
        raise ArtifactError(f"{ref!r} is under no name, so it cannot have an alias", hint="put it under a name first")
    full = Name(version.project or "", version.domain or "", version.name)
    partition, target = version.partition, version.version
    log = repository.log_of(full.project, full.domain)
    before: list[tuple[str, ...]] = []

    def plan(stamps: Stamps) -> list[Entry]:
        number = repository.catalog.refs.ref_number(full, partition)
        history = History(repository.catalog.refs.entries(number) if number is not None else ())
        heads = history.heads(name)
        at = tuple(sorted({head.version for head in heads}))
        here = f"{full.name}@{partition.text}#{name}" if partition.text else f"{full.name}#{name}"
        if history.used(name) is not None:
            raise AliasConflict(f"{here} is a version", hint="choose another alias: versions never move")
        if not any(entry.version == target for entry in history.live):
            raise ArtifactError(
                f"{version.ref} is not published: it was deleted, or its span is still open",
                hint=f"point {name!r} at it when it is: cas log {full.name}",
            )
        if len(at) > 1 and not replace:
            raise AliasConflict(
                f"{here} was moved on two sides: to {' and to '.join(at)}", candidates=at, hint="settle it: --replace"
            )
        if expect is not ANY and at != (() if expect is None else (expect,)):
            raise AliasConflict(
                f"{here} is at {', '.join(at) or 'nothing'}, not at {expect or 'nothing'}",
                candidates=at,
                hint=f"look first: cas show '{here}'",
            )
        writes_seen = tuple(head.write for head in heads)
        if before and before[0] != writes_seen:
            raise AliasConflict(
                f"{here} was moved to {', '.join(at) or 'nothing'} meanwhile",
                candidates=at,
                hint="look, then try again",
            )
        before[:] = [writes_seen]
        if at == (target,):
            return []
        return [AliasEntry(full.name, partition, name, target, writes_seen, stamps.next(), WriteIds().next())]

    publishing.append(repository.catalog, log, plan, author=repository.sign, now=repository.now)
    return version


def plan_delete(repository: Repository, ref: str) -> DeletePlan:
    """What deleting a ref takes away."""
    _, plan = _targets(repository, ref)
    return DeletePlan(tuple(text for text, _, _, _ in plan))


def delete(repository: Repository, ref: str) -> DeletePlan:
    """Tombstone what a ref names."""
    name, found = _targets(repository, ref)
    writes = WriteIds()

    def plan(stamps: Stamps) -> list[Entry]:
        return [
            DeleteEntry(name.name, partition, version, alias, stamps.next(), writes.next())
            for _, partition, version, alias in found
        ]

    log = repository.log_of(name.project, name.domain)
    publishing.append(repository.catalog, log, plan, author=repository.sign, now=repository.now)
    return DeletePlan(tuple(text for text, _, _, _ in found))


def _targets(repository: Repository, ref: str) -> tuple[Name, list[tuple[str, Partition, str | None, str | None]]]:
    """The name, and (text, partition, version, alias) of each thing that deleting a ref takes away."""
    revision = grammar.parse(ref)
    if revision.name is None or revision.mods or revision.path is not None or revision.remote is not None:
        raise RefSyntax(
            f"{ref!r} cannot be deleted: write name[@key=value,…][#version or #alias]",
            text=ref,
            hint="see the versions: cas log NAME; then: cas rm 'NAME#VERSION'",
        )
    name = Name(revision.project or repository.project, revision.domain or repository.domain, revision.name)
    refs = repository.catalog.refs
    repository.catalog.catch_up(repository.log_of(name.project, name.domain))
    if revision.selector is None:
        found = [Partition.parse(row.partition) for row in refs.tips(name, revision.partition)]
        if not found and revision.id_prefix is not None and refs.declared(name) is None:
            version = resolving.by_id(repository, revision.id_prefix)
            raise UsageError(
                f"{ref!r} is an id, and what is deleted are refs",
                hint=f"delete the version that holds it: cas rm '{version.ref}'",
            )
        if not found:
            raise resolving.not_found(repository, name, revision.partition, ref, strict=False)
        return name, [(_text(repository, name, one), one, None, None) for one in found]
    selector = revision.selector
    # A conflicted version or alias cannot be resolved, and deleting it is how it is settled.
    versions, aliases = [], []
    for number, partition in refs.partitions(name):
        if partition.contains(revision.partition):
            history = History(refs.entries(number))
            if any(entry.version == selector for entry in history.live):
                versions.append((f"{_text(repository, name, partition)}#{selector}", partition, selector, None))
            elif history.heads(selector):
                aliases.append((f"{_text(repository, name, partition)}#{selector}", partition, None, selector))
    matches: list[tuple[str, Partition, str | None, str | None]] = [*versions, *aliases]
    if len(matches) == 1:
        return name, matches
    version = resolving.resolve(repository, ref)  # raises what is wrong; else it was an id prefix
    if version.partition is None or version.version is None:
        raise RefNotFound(f"{ref!r} is under no name", hint="see the names: cas ls")
    return name, [(version.ref, version.partition, version.version, None)]


def _text(repository: Repository, name: Name, partition: Partition) -> str:
    home = (name.project, name.domain) == (repository.project, repository.domain)
    at = f"@{partition.text}" if partition.text else ""
    return f"{name.name if home else '/'.join(name)}{at}"


def _granularity(text: str | None) -> Granularity | None:
    try:
        return Granularity(text) if text is not None else None
    except ValueError:
        known = ", ".join(grain.value for grain in Granularity)
        raise DeclarationError(f"{text!r} is no granularity of time", hint=f"one of: {known}") from None


def declare(
    repository: Repository,
    text: str,
    *,
    keys: tuple[str, ...],
    granularity: str | None,
    type_: str | None,
    description: str | None,
) -> NameInfo:
    """Declare a name, or extend what is declared: keys may be added, a granularity set once."""
    from cas.repository import history

    revision = grammar.parse(text)
    if revision.name is None or not revision._replace(project=None, domain=None).is_bare:
        raise RefSyntax(f"{text!r} is more than a name", text=text, hint="declare a name: cas declare NAME --key K")
    name = Name(revision.project or repository.project, revision.domain or repository.domain, check_name(revision.name))
    grain = _granularity(granularity)
    writes = WriteIds()

    def plan(stamps: Stamps) -> list[Entry]:
        refs = repository.catalog.refs
        twin = refs.twin(name)
        if twin is not None:
            raise RefNameCollision(
                f"{name.name!r} differs from the existing name {twin!r} only by case or Unicode form",
                candidates=(twin,),
            )
        was = refs.declared(name)
        old = (was.keys or ()) if was else ()
        merged = check_declared_keys((*old, *(key for key in keys if key not in old)))
        old_grain = Granularity(was.granularity) if was and was.granularity else None
        if grain is not None and old_grain is not None and grain is not old_grain:
            raise PartitionError(
                f"{name.name} is partitioned by {old_grain.value}; it cannot become {grain.value}",
                hint="declare another name",
            )
        entry = DeclareEntry(
            name.name,
            merged,
            grain or old_grain,
            type_ or (was.type if was else None),
            description or (was.description if was else None),
            stamps.next(),
            writes.next(),
        )
        if was is not None and was.keys is not None and entry[1:5] == (was.keys, old_grain, was.type, was.description):
            return []
        return [entry]

    log = repository.log_of(name.project, name.domain)
    publishing.append(repository.catalog, log, plan, author=repository.sign, now=repository.now)
    repository.catalog.catch_up(log)
    info = history.info_of(repository, name)
    assert info is not None
    return info
