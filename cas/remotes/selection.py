"""Which entries of a log an exchange takes: by patterns of names, since a time, so many versions deep. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cas.clock import from_iso
from cas.errors import UsageError
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry, SpanEntry, VersionEntry, order
from cas.refs.history import History
from cas.refs.names import shown
from cas.refs.partitions import EMPTY, Partition
from cas.refs.patterns import Pattern, glob, parse_pattern
from cas.remotes.sides import Scope

__all__ = ["EVERYTHING", "Selection", "live_versions", "moment"]

RefKey = tuple[str, Partition]


class Selection(NamedTuple):
    """``patterns`` of names (none: all), ``since`` µs, ``depth`` versions of each ref."""

    patterns: tuple[str, ...] = ()
    since: int | None = None
    depth: int | None = None

    @property
    def text(self) -> str:
        """What tells one selection from another."""
        return "" if self == EVERYTHING else f"{' '.join(self.patterns)}|{self.since}|{self.depth}"

    def choose(self, entries: Sequence[Entry], scope: Scope, home: Scope) -> list[Entry]:
        """The entries of a log that are taken: of names that match, with the spans of the versions among them.

        Tombstones and declarations are taken whatever their time; aliases where their version is.
        """
        if self == EVERYTHING:
            return list(entries)
        patterns = [parse_pattern(text) for text in self.patterns]
        named = [
            entry for entry in entries if not isinstance(entry, SpanEntry) and _matches(patterns, entry, scope, home)
        ]
        versions = [entry for entry in named if isinstance(entry, VersionEntry)]
        if self.since is not None:
            since = self.since
            versions = [entry for entry in versions if entry.stamp >= since]
        if self.depth is not None:
            versions = _newest(versions, self.depth)
        kept = {(entry.name, entry.partition, entry.version) for entry in versions}
        spans = {entry.span for entry in versions if entry.span is not None}
        limited = self.since is not None or self.depth is not None
        others = [
            entry
            for entry in named
            if isinstance(entry, DeleteEntry | DeclareEntry)
            or (isinstance(entry, AliasEntry) and (not limited or (entry.name, entry.partition, entry.version) in kept))
        ]
        closings = [entry for entry in entries if isinstance(entry, SpanEntry) and entry.open in spans]
        return sorted([*versions, *others, *closings], key=order)


EVERYTHING = Selection()


def moment(text: str) -> int:
    """The first microsecond that a time or a prefix of one names, in UTC: ``2024``, ``2024-01``, ``2024-01-05T13``.

    Raises UsageError.
    """
    whole = "0000-01-01T00:00:00.000000Z"
    full = text.removesuffix("Z").replace(" ", "T")
    try:
        return from_iso(full + whole[len(full) :])
    except ValueError:
        raise UsageError(f"{shown(text)} is not a time", hint="write it as 2024-01 or 2024-01-05T13:00") from None


def live_versions(
    entries: Iterable[Entry], tombed: set[tuple[str, str]], known: dict[RefKey, History] | None = None
) -> list[VersionEntry]:
    """The versions among entries that nothing deletes: those whose bytes are needed.

    ``tombed`` are the refs (name, partition's text) with tombstones before, ``known`` their histories.
    """
    versions: dict[RefKey, list[VersionEntry]] = {}
    deletes: dict[RefKey, list[DeleteEntry]] = {}
    for entry in entries:
        if isinstance(entry, VersionEntry):
            versions.setdefault((entry.name, entry.partition), []).append(entry)
        elif isinstance(entry, DeleteEntry) and entry.alias is None:
            deletes.setdefault((entry.name, entry.partition), []).append(entry)
    live: list[VersionEntry] = []
    for key, group in versions.items():
        before = (known or {}).get(key)
        if key not in deletes and ((key[0], key[1].text) not in tombed or before is None):
            live += group
            continue
        history = History([*group, *deletes.get(key, ()), *(before.entries if before is not None else ())])
        standing = set(history.live)
        live += [entry for entry in group if entry in standing]
    return live


def _matches(patterns: Sequence[Pattern], entry: Entry, scope: Scope, home: Scope) -> bool:
    assert not isinstance(entry, SpanEntry)
    if not patterns:
        return True
    partition = EMPTY if isinstance(entry, DeclareEntry) else entry.partition
    for pattern in patterns:
        there = (pattern.project or home[0], pattern.domain or home[1])
        if not (glob(there[0], scope[0]) and glob(there[1], scope[1])):
            continue
        # A declaration is of all partitions of its name.
        if isinstance(entry, DeclareEntry) and glob(pattern.name, entry.name):
            return True
        if not isinstance(entry, DeclareEntry) and pattern.matches(entry.name, partition):
            return True
    return False


def _newest(versions: list[VersionEntry], depth: int) -> list[VersionEntry]:
    """Of each ref the entries of its newest versions, ``depth`` of them."""
    refs: dict[RefKey, list[VersionEntry]] = {}
    for entry in versions:
        refs.setdefault((entry.name, entry.partition), []).append(entry)
    kept: list[VersionEntry] = []
    for group in refs.values():
        literals: list[str] = []
        for entry in sorted(group, key=order, reverse=True):
            if not literals or literals[-1] != entry.literal:
                if len(literals) == depth:
                    break
                literals.append(entry.literal)
            kept.append(entry)
    return kept
