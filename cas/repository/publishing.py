"""From puts to ref log entries: checks, no-ops and conflicts, then one segment by put-if-absent.

What is here looks at the catalog and writes nothing; ``append`` writes one segment and plans again for as long as
other writers are faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cas.catalog.appending import append
from cas.errors import RefSyntax, VersionConflict
from cas.refs import grammar
from cas.refs.batches import parse_many
from cas.refs.entries import DeclareEntry, VersionEntry
from cas.refs.history import DEFAULT_VERSION_DIGITS, History
from cas.refs.names import Name, check_version
from cas.refs.partitions import Partition
from cas.refs.stamps import Stamps, WriteIds

if TYPE_CHECKING:
    from cas.catalog.catalog import Catalog
    from cas.catalog.refs import Row
    from cas.repository.known import New, Tells

__all__ = ["Target", "Wish", "append", "check_free", "declarations", "rows", "target", "targets", "version_entries"]


Made = TypeVar("Made", bound=tuple[Any, ...])


def rows(kind: type[Made], *columns: Iterable[object]) -> list[Made]:
    """NamedTuples from columns, the shortest of which counts; made in C, at a quarter of the time of ``_make``."""
    return list(map(tuple.__new__, repeat(kind), zip(*columns, strict=False)))


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


def targets(refs: Sequence[str], project: str, domain: str) -> list[Target]:
    """The targets of many ref texts. Raises RefSyntax as :func:`target` does."""
    plain = parse_many(list(refs))
    if plain is None:
        return [target(ref, project, domain) for ref in refs]
    names, partitions = plain
    full = rows(Name, repeat(project), repeat(domain), names)
    return rows(Target, full, partitions, repeat(None))


def default_version(literal: bytes) -> str:
    """The name of a version that nobody named: the first 12 hex digits of its literal's id."""
    return literal.hex()[:DEFAULT_VERSION_DIGITS]


def version_entries(
    catalog: Catalog, known: Tells, wishes: Sequence[Wish], stamps: Stamps, writes: WriteIds
) -> tuple[list[VersionEntry], list[VersionEntry | Row]]:
    """(entries to publish, what each wish ends up at: its new entry, or the tip that holds it already).

    Raises VersionConflict where a version name already means another literal.
    """
    if known.fresh and (made := _fresh_entries(wishes, stamps, writes)) is not None:
        return made, list(made)
    here: dict[tuple[Name, Partition], VersionEntry] = {}
    entries: list[VersionEntry] = []
    results: list[VersionEntry | Row] = []
    for wish in wishes:
        place = wish.target[:2]
        end = ending(catalog, known, wish, here.get(place), stamps, writes)
        if type(end) is VersionEntry and end is not here.get(place):
            here[place] = end
            entries.append(end)
        results.append(end)
    return entries, results


def ending(  # noqa: PLR0917 - once for each put of a batch
    catalog: Catalog, known: Tells, wish: Wish, earlier: VersionEntry | None, stamps: Stamps, writes: WriteIds
) -> VersionEntry | Row:
    """What a wish ends up at: a new entry, or what holds it already, ``earlier`` of the same transaction or the tip.

    Raises VersionConflict where its version's name already means another literal.
    """
    (name, partition, named), literal, artifact, span = wish
    tip = None if earlier is not None else known.tip(wish.target)
    current = earlier or tip
    if current is not None and _holds(current, wish) and (named is None or named == current.version):
        return current
    digits = literal.hex()
    if named is not None:
        version = named
        check_free(catalog, wish, earlier, is_new=known.is_new(name))
    else:
        version = digits[:DEFAULT_VERSION_DIGITS] if tip is None else _version_for(known, wish, tip)
    made_by = span.hex() if span else None
    stamp, write = stamps.next(), writes.next()
    return VersionEntry(name.name, partition, version, digits, artifact.hex(), made_by, stamp, write)


def _fresh_entries(wishes: Sequence[Wish], stamps: Stamps, writes: WriteIds) -> list[VersionEntry] | None:
    """The entries of wishes for new names, column by column; None where one names its version or two share a ref."""
    all_targets, literals, artifacts, spans = zip(*wishes, strict=True)
    names, partitions, versions = zip(*all_targets, strict=True)
    count = len(wishes)
    if set(versions) != {None} or len(set(zip(names, partitions, strict=True))) < count:
        return None
    hexes = list(map(bytes.hex, literals))
    made_by = {span: span.hex() if span else None for span in set(spans)}
    return rows(
        VersionEntry,
        map(itemgetter(2), names),
        partitions,
        [text[:DEFAULT_VERSION_DIGITS] for text in hexes],
        hexes,
        map(bytes.hex, artifacts),
        map(made_by.__getitem__, spans),
        stamps.take(count),
        writes.take(count),
    )


def _holds(current: VersionEntry | Row, wish: Wish) -> bool:
    artifact = current.artifact
    return (bytes.fromhex(artifact) if isinstance(artifact, str) else artifact) == wish.artifact


def _version_for(known: Tells, wish: Wish, tip: Row) -> str:
    """The version name for a put that gave none: the tip's where it holds the same literal, else the first digits of
    its id."""
    if tip.literal == wish.literal:
        return tip.version
    # Two literals that share twelve digits: take more of them.
    for length in range(DEFAULT_VERSION_DIGITS, 65, 4):
        version = wish.literal.hex()[:length]
        taken = known.version_is(wish.target, tip, version)
        if taken is None or taken == wish.literal:
            break
    return version


def check_free(catalog: Catalog, wish: Wish, earlier: VersionEntry | None = None, *, is_new: bool = False) -> None:
    """Raises VersionConflict where a version name already means another literal; ``earlier`` is of the same
    transaction."""
    name, partition, version = wish.target
    assert version is not None
    taken = None
    if earlier is not None and earlier.version == version:
        taken = bytes.fromhex(earlier.literal)
    elif not is_new:
        number = catalog.refs.ref_number(name, partition)
        taken = catalog.refs.version_is(number, version, wish.literal) if number is not None else None
        if number is not None and taken == wish.literal:
            # Two sides may have given it two contents: only a settled one can be used again.
            History(catalog.refs.entries(number, version=version)).version(version)
        if number is not None and taken is None and number in catalog.refs.with_alias(name, partition, version):
            check_no_alias(History(catalog.refs.entries(number, alias=version)), wish.target)
    if taken is not None and taken != wish.literal:
        raise _taken(wish, taken)


def check_held(wish: Wish, held: Wish | None) -> None:
    """Raises VersionConflict where a version name means another literal in what an open span holds back."""
    if held is not None and held.target.version == wish.target.version and held.literal != wish.literal:
        raise _taken(wish, held.literal)


def _taken(wish: Wish, literal: bytes) -> VersionConflict:
    name, partition, version = wish.target
    at = f"@{partition.text}" if partition.text else ""
    return VersionConflict(
        f"{name.name}{at}#{version} already means another content",
        candidates=(literal.hex()[:12], wish.literal.hex()[:12]),
        hint="versions never change their meaning: choose another version name",
    )


def check_no_alias(history: History, target: Target) -> None:
    """Raises VersionConflict where an alias has a version's name: it would silently come to mean the version."""
    name, partition, version = target
    if version is not None and history.heads(version):
        at = f"@{partition.text}" if partition.text else ""
        raise VersionConflict(
            f"{name.name}{at}#{version} is an alias",
            hint=f"choose another version name, or delete the alias first: cas rm '{name.name}{at}#{version}'",
        )


def declarations(new: Sequence[New], stamps: Stamps, writes: WriteIds) -> list[DeclareEntry]:
    """The entries that declare new names."""
    return [
        DeclareEntry(name.name, keys, grain, type_, None, stamps.next(), writes.next())
        for name, keys, grain, type_ in new
    ]
