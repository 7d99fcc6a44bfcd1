"""From puts to ref log entries: checks, no-ops and conflicts, then one segment by put-if-absent.

``plan`` looks at the catalog and writes nothing; ``append`` writes one segment and plans again for as long as
other writers are faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cas.errors import PartitionError, RefNameCollision, RefSyntax, VersionConflict
from cas.refs import grammar
from cas.refs.entries import DeclareEntry, Entry, VersionEntry
from cas.refs.history import DEFAULT_VERSION_DIGITS
from cas.refs.names import Name, check_version
from cas.refs.partitions import Granularity, Partition
from cas.refs.stamps import Stamps, WriteIds

if TYPE_CHECKING:
    from cas.catalog.catalog import Catalog
    from cas.catalog.refs import Row
    from cas.refs.log import RefLog

__all__ = ["Target", "Wish", "append", "check_free", "check_names", "declarations", "target", "version_entries"]

# From this many puts to one name on, its tips are fetched whole rather than one by one.
_WHOLE = 50


class Target(NamedTuple):
    """Where a put goes: a name, an exact partition, and the version's name where one was given."""

    name: Name
    partition: Partition
    version: str | None


class Wish(NamedTuple):
    """A version somebody wants at a target. Ids are 32 bytes; ``span`` made it."""

    target: Target
    literal: bytes
    artifact: bytes
    span: bytes | None


def target(ref: str, project: str, domain: str, version: str | None = None) -> Target:
    """The target that a ref text names. Raises RefSyntax where it names something that cannot be put to."""
    revision = grammar.parse(ref)
    if revision.name is None or revision.mods or revision.path is not None or revision.remote is not None:
        raise RefSyntax(
            f"{ref!r} cannot be put to: write name[@key=value,…][#version]",
            text=ref,
            hint="as in: cas put FILE rides@region=SEA",
        )
    if revision.selector is not None:
        if version is not None and version != revision.selector:
            raise RefSyntax(f"two versions: {revision.selector!r} in the ref and {version!r}", text=ref)
        version = revision.selector
    if version is not None:
        check_version(version)
    return Target(
        Name(revision.project or project, revision.domain or domain, revision.name), revision.partition, version
    )


def default_version(literal: bytes) -> str:
    """The name of a version that nobody named: the first 12 hex digits of its literal's id."""
    return literal.hex()[:DEFAULT_VERSION_DIGITS]


class Tips:
    """The tips that a batch of targets needs, fetched in as few questions as possible."""

    def __init__(self, catalog: Catalog, targets: Sequence[Target]) -> None:
        self._catalog = catalog
        counts: dict[Name, int] = {}
        for one in targets:
            counts[one.name] = counts.get(one.name, 0) + 1
        known = set(catalog.refs.names()) if len(counts) >= _WHOLE else None
        self._none = set() if known is None else {name for name in counts if name not in known}
        self._whole = {
            name: catalog.refs.tips_of_name(name)
            for name, count in counts.items()
            if count >= _WHOLE and name not in self._none
        }

    def get(self, one: Target) -> Row | None:
        """The version that the target's exact partition is at."""
        if one.name in self._none:
            return None
        whole = self._whole.get(one.name)
        return self._catalog.refs.tip(one.name, one.partition) if whole is None else whole.get(one.partition.text)

    def is_new(self, one: Target) -> bool:
        """Whether the name is surely new, so that no version of it needs checking."""
        return one.name in self._none


def check_names(catalog: Catalog, targets: Sequence[Target]) -> list[tuple[Name, tuple[str, ...], Granularity | None]]:
    """Check the partitions of targets against what their names declare; the declarations that new names need.

    Raises PartitionError on a key or time that the declaration lacks, RefNameCollision on a twin of another name.
    """
    wanted: dict[Name, tuple[dict[str, None], set[Granularity]]] = {}
    shapes: dict[Name, set[tuple[tuple[str, ...], int]]] = {}
    for name, partition, _ in targets:
        shape = (tuple(key for key, _ in partition.keys), len(partition.time or ""))
        seen = shapes.setdefault(name, set())
        if shape not in seen:
            seen.add(shape)
            keys, grains = wanted.setdefault(name, ({}, set()))
            keys.update(dict.fromkeys(shape[0]))
            if partition.time is not None:
                grains.add(Granularity.of(partition.time))
    new = []
    for name, (keys, grains) in wanted.items():
        if len(grains) > 1:
            raise PartitionError(
                f"{name.name}: times of several granularities in one transaction: {', '.join(sorted(grain.value for grain in grains))}",
                hint="give every time of a name the same length",
            )
        grain = next(iter(grains), None)
        declared = catalog.refs.declared(name)
        if declared is None:
            twin = catalog.refs.twin(name)
            if twin is not None:
                raise RefNameCollision(
                    f"{name.name!r} differs from the existing name {twin!r} only by case or Unicode form",
                    candidates=(twin,),
                    hint=f"use {twin!r}, or a name that no file system confuses with it",
                )
        if declared is None or declared.keys is None:
            new.append((name, tuple(sorted(keys)), grain))
        else:
            _check_declared(name, declared.keys, declared.granularity, tuple(keys), grain)
    return new


def _check_declared(
    name: Name, keys: tuple[str, ...], granularity: str | None, asked: tuple[str, ...], grain: Granularity | None
) -> None:
    unknown = [key for key in asked if key not in keys]
    if unknown:
        raise PartitionError(
            f"{name.name} has the partition keys {list(keys)}, not {unknown}; asked for {sorted(asked)}",
            hint=f"extend it: cas declare {name.name} --add-key {unknown[0]}",
        )
    if grain is not None and granularity is None:
        raise PartitionError(
            f"{name.name} is not partitioned by time", hint=f"extend it: cas declare {name.name} --time {grain.value}"
        )
    if grain is not None and grain.value != granularity:
        raise PartitionError(
            f"{name.name} is partitioned by {granularity}, not by {grain.value}",
            hint=f"give the time of a {granularity}",
        )


def version_entries(
    catalog: Catalog, wishes: Sequence[Wish], stamps: Stamps, writes: WriteIds
) -> tuple[list[VersionEntry], list[VersionEntry | Row]]:
    """(entries to publish, what each wish ends up at: its new entry, or the tip that holds it already).

    Raises VersionConflict where a version name already means another literal.
    """
    tips = Tips(catalog, [wish.target for wish in wishes])
    here: dict[tuple[Name, Partition], VersionEntry] = {}
    entries: list[VersionEntry] = []
    results: list[VersionEntry | Row] = []
    for wish in wishes:
        name, partition, named = wish.target
        literal, artifact = wish.literal.hex(), wish.artifact.hex()
        earlier = here.get((name, partition))
        tip = None if earlier is not None else tips.get(wish.target)
        current = earlier or tip
        if current is not None and _holds(current, wish) and (named is None or named == current.version):
            results.append(current)
            continue
        version = named or _version_for(catalog, wish, tip, is_new=tips.is_new(wish.target))
        if named is not None:
            check_free(catalog, wish, here.get((name, partition)), is_new=tips.is_new(wish.target))
        entry = VersionEntry(
            name.name,
            partition,
            version,
            literal,
            artifact,
            wish.span.hex() if wish.span else None,
            stamps.next(),
            writes.next(),
        )
        here[name, partition] = entry
        entries.append(entry)
        results.append(entry)
    return entries, results


def _holds(current: VersionEntry | Row, wish: Wish) -> bool:
    artifact = current.artifact
    return (bytes.fromhex(artifact) if isinstance(artifact, str) else artifact) == wish.artifact


def _version_for(catalog: Catalog, wish: Wish, tip: Row | None, *, is_new: bool) -> str:
    """The version name for a put that gave none: the tip's where it holds the same literal, else the default one."""
    if tip is not None and tip.literal == wish.literal:
        return tip.version
    version = default_version(wish.literal)
    if is_new or tip is None:
        return version
    # Two literals that share twelve digits: take more of them.
    number = catalog.refs.ref_number(wish.target.name, wish.target.partition)
    for length in range(DEFAULT_VERSION_DIGITS, 65, 4):
        version = wish.literal.hex()[:length]
        taken = catalog.refs.version_is(number, version) if number is not None else None
        if taken is None or taken == wish.literal:
            break
    return version


def check_free(catalog: Catalog, wish: Wish, earlier: VersionEntry | None = None, *, is_new: bool = False) -> None:
    """Raises VersionConflict where a version name already means another literal; ``earlier`` is of the same transaction."""
    name, partition, version = wish.target
    assert version is not None
    taken = None
    if earlier is not None and earlier.version == version:
        taken = bytes.fromhex(earlier.literal)
    elif not is_new:
        number = catalog.refs.ref_number(name, partition)
        taken = catalog.refs.version_is(number, version) if number is not None else None
    if taken is not None and taken != wish.literal:
        at = f"@{partition.text}" if partition.text else ""
        raise VersionConflict(
            f"{name.name}{at}#{version} already means another content",
            candidates=(taken.hex()[:12], wish.literal.hex()[:12]),
            hint="versions never change their meaning: choose another version name",
        )


def declarations(
    new: Sequence[tuple[Name, tuple[str, ...], Granularity | None]], stamps: Stamps, writes: WriteIds
) -> list[DeclareEntry]:
    """The entries that declare new names by their first partitions."""
    return [DeclareEntry(name.name, keys, grain, None, None, stamps.next(), writes.next()) for name, keys, grain in new]


def append(
    catalog: Catalog, log: RefLog, plan: Callable[[Stamps], list[Entry]], *, author: str, now: Callable[[], int]
) -> None:
    """Publish what ``plan`` gives as the log's next segment; nothing where it gives nothing.

    ``plan`` is called again, after catching up, each time another writer took the next number first.
    """
    while True:
        number, digest, stamp = catalog.catch_up(log)
        time = now()
        entries = plan(Stamps(after=stamp, now=time))
        if not entries:
            return
        segment = log.append(number + 1, digest, entries, author=author, time=time)
        if segment is not None:
            catalog.wrote(log, segment)
            return
