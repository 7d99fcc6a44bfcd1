"""The entries of a ref log (docs/format.md, Ref log segments): what was published, pointed at, deleted, declared.

Ids are lower-case hex, stamps microseconds of the log's hybrid clock, ``write`` 32 hex digits unique to the entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import ge
from typing import NamedTuple

from cas.refs.partitions import Granularity, Partition

__all__ = ["AliasEntry", "DeclareEntry", "DeleteEntry", "Entry", "SpanEntry", "VersionEntry", "in_order", "order"]


class VersionEntry(NamedTuple):
    """A publication: from this stamp on the ref is at this literal, under this version."""

    name: str
    partition: Partition
    version: str
    literal: str
    artifact: str
    span: str | None
    stamp: int
    write: str


class AliasEntry(NamedTuple):
    """A move of an alias to a version, in place of the entries whose write ids ``replaces`` lists."""

    name: str
    partition: Partition
    alias: str
    version: str
    replaces: tuple[str, ...]
    stamp: int
    write: str


class DeleteEntry(NamedTuple):
    """A tombstone over all earlier entries: of one version, of one alias, or (both None) of the ref."""

    name: str
    partition: Partition
    version: str | None
    alias: str | None
    stamp: int
    write: str


class SpanEntry(NamedTuple):
    """The opening record of a span and, once it closed, its closing record."""

    open: str
    close: str | None
    label: str
    stamp: int
    write: str


class DeclareEntry(NamedTuple):
    """What a name's partitions and type are from this stamp on."""

    name: str
    keys: tuple[str, ...]
    granularity: Granularity | None
    type: str | None
    description: str | None
    stamp: int
    write: str


Entry = VersionEntry | AliasEntry | DeleteEntry | SpanEntry | DeclareEntry


def order(entry: Entry) -> tuple[int, str]:
    """What entries are sorted by, in every log: the stamp, then the write id."""
    return entry.stamp, entry.write


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """The entries sorted; a batch whose stamps rise already, as a writer's own do, costs one comparison each."""
    kept = list(entries)
    if len(kept) < 2:
        return kept
    stamps = [entry.stamp for entry in kept]
    if any(map(ge, stamps, stamps[1:])):
        kept.sort(key=order)
    return kept
