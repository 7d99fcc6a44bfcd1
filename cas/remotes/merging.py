"""Merging logs: which entries one side lacks, whether their names can stand beside those there, and what conflicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cas.catalog.catalog import Catalog
from cas.catalog.exchange import known_writes, names_with, suspects, tombed
from cas.errors import RefNameCollision
from cas.refs import checkpoints
from cas.refs.entries import AliasEntry, Entry, SpanEntry, VersionEntry
from cas.refs.history import History, RefEntry
from cas.refs.log import NOTHING, RefLog
from cas.refs.names import Name, collision_key
from cas.refs.partitions import Partition
from cas.refs.segments import Segment
from cas.remotes.reports import Conflict
from cas.remotes.selection import RefKey, live_versions
from cas.remotes.sides import Scope

__all__ = [
    "check_twins",
    "conflicts",
    "conflicts_among",
    "entries_after",
    "lacked",
    "needed",
    "ref_of",
    "refs_of",
    "without",
]

# From this many refs on, those that may hold conflicts are asked for all at once.
_MANY = 50
Done = tuple[int, str]  # the last segment that was exchanged, and its digest


def entries_after(log: RefLog, done: Done | None, fresh: Sequence[Segment] = ()) -> tuple[list[Entry], Done]:
    """The entries of a log's segments after one, and how far the log reaches.

    ``fresh`` are its last segments, where they are at hand: they need not be read again.
    """
    if fresh and fresh[0].number == (done[0] if done else 0) + 1:
        return [entry for segment in fresh for entry in segment.entries], (fresh[-1].number, fresh[-1].digest)
    if done is None or not done[0]:
        if log.folded or log.has(1):
            whole = checkpoints.replay(log.store, log)
            return list(whole.entries), (whole.number, whole.digest)
        return [], (0, NOTHING)
    entries: list[Entry] = []
    for segment in log.after(*done):
        entries += segment.entries
        done = (segment.number, segment.digest)
    return entries, done


def lacked(catalog: Catalog, entries: Sequence[Entry]) -> list[Entry]:
    """Those of the entries that a catalog has not taken in, each once."""
    with catalog.database.lock:
        known = known_writes(catalog.database.connection, (entry.write for entry in entries))
    fresh: dict[str, Entry] = {}
    for entry in entries:
        if entry.write not in known:
            fresh.setdefault(entry.write, entry)
    return list(fresh.values())


def needed(catalog: Catalog, scope: Scope, entries: Sequence[Entry]) -> list[VersionEntry]:
    """The versions among entries whose bytes are needed: those that no tombstone, there or among them, deletes.

    ``catalog`` is this side's: it knows the tombstones made here, and those that were exchanged before.
    """
    with catalog.database.lock:
        tombs = tombed(catalog.database.connection, *scope)
        known: dict[RefKey, History] = {}
        for entry in entries if tombs else ():
            if isinstance(entry, VersionEntry) and (entry.name, entry.partition.text) in tombs:
                key = (entry.name, entry.partition)
                number = catalog.refs.ref_number(Name(*scope, entry.name), entry.partition)
                if key not in known and number is not None:
                    known[key] = History(catalog.refs.entries(number))
    return live_versions(entries, tombs, known)


def check_twins(catalog: Catalog, scope: Scope, entries: Iterable[Entry], where: str) -> None:
    """Raises RefNameCollision where a new name differs from one there only by case or Unicode normalisation."""
    names = dict.fromkeys(entry.name for entry in entries if not isinstance(entry, SpanEntry))
    if not names:
        return
    with catalog.database.lock:
        there = names_with(catalog.database.connection, *scope)
    for name in names:
        twin = there.setdefault(collision_key(name), name)
        if twin != name:
            raise RefNameCollision(
                f"{name!r} differs from {twin!r}, which {where} has, only by case or Unicode form",
                candidates=(name, twin),
                hint="exchange the other names by pattern, or publish it under another name",
            )


def conflicts(catalog: Catalog, scope: Scope, entries: Iterable[Entry], home: Scope) -> list[Conflict]:
    """The stored conflicts at the refs that entries touch, as the catalog stands."""
    touched: dict[RefKey, None] = {}
    for entry in entries:
        if isinstance(entry, VersionEntry | AliasEntry):
            touched[entry.name, entry.partition] = None
    found: list[Conflict] = []
    with catalog.database.lock:
        if len(touched) > _MANY:
            odd = suspects(catalog.database.connection, *scope)
            touched = {key: None for key in touched if (key[0], key[1].text) in odd}
        for name, partition in touched:
            number = catalog.refs.ref_number(Name(*scope, name), partition)
            if number is None:
                continue
            ref = _written(scope, home, name, partition)
            found += _of_ref(History(catalog.refs.entries(number)), ref)
    return found


def conflicts_among(scope: Scope, entries: Sequence[Entry], home: Scope) -> list[Conflict]:
    """As :func:`conflicts`, of a log that holds these entries and no others."""
    literals: dict[tuple[str, Partition, str], str] = {}
    moved: set[tuple[str, Partition, str]] = set()
    odd: set[RefKey] = set()
    for entry in entries:
        if isinstance(entry, VersionEntry):
            if literals.setdefault((entry.name, entry.partition, entry.version), entry.literal) != entry.literal:
                odd.add((entry.name, entry.partition))
        elif isinstance(entry, AliasEntry):
            key = (entry.name, entry.partition, entry.alias)
            if key in moved:
                odd.add((entry.name, entry.partition))
            moved.add(key)
    kept: dict[RefKey, list[RefEntry]] = {}
    for entry in entries if odd else ():
        if isinstance(entry, RefEntry) and (entry.name, entry.partition) in odd:
            kept.setdefault((entry.name, entry.partition), []).append(entry)
    found: list[Conflict] = []
    for (name, partition), group in kept.items():
        found += _of_ref(History(group), _written(scope, home, name, partition))
    return found


def _written(scope: Scope, home: Scope, name: str, partition: Partition) -> str:
    full = name if scope == home else "/".join((*scope, name))
    return f"{full}@{partition.text}" if partition.text else full


def _of_ref(history: History, ref: str) -> list[Conflict]:
    found = []
    for alias, heads in history.aliases.items():
        versions = tuple(sorted({head.version for head in heads}))
        if len(versions) > 1:
            found.append(Conflict(f"{ref}#{alias}", "alias", versions))
    literals: dict[str, dict[str, str]] = {}
    for entry in history.live:
        literals.setdefault(entry.version, {}).setdefault(entry.literal, entry.artifact)
    for version, by_literal in literals.items():
        if len(by_literal) > 1:
            found.append(Conflict(f"{ref}#{version}", "version", tuple(by_literal.values())))
    return found


def without(entries: Sequence[Entry], artifacts: set[bytes]) -> list[Entry]:
    """The entries without the versions of some artifacts, and without the aliases that point to those."""
    if not artifacts:
        return list(entries)
    gone = {
        (entry.name, entry.partition, entry.version)
        for entry in entries
        if isinstance(entry, VersionEntry) and bytes.fromhex(entry.artifact) in artifacts
    }
    return [
        entry
        for entry in entries
        if not isinstance(entry, VersionEntry | AliasEntry) or (entry.name, entry.partition, entry.version) not in gone
    ]


def refs_of(entries: Iterable[Entry], artifacts: set[bytes]) -> tuple[str, ...]:
    """The refs of those versions among entries that hold one of the artifacts."""
    return tuple(
        ref_of(entry)
        for entry in entries
        if isinstance(entry, VersionEntry) and bytes.fromhex(entry.artifact) in artifacts
    )


def ref_of(entry: VersionEntry) -> str:
    """``name@k=v#version``."""
    partition = f"@{entry.partition.text}" if entry.partition.text else ""
    return f"{entry.name}{partition}#{entry.version}"
