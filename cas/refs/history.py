"""What the entries of one ref (a name and its exact partition) mean: pure rules, the same in whatever order logs met.

- Entries count once, in the order of (stamp, write). The tip is the last publication that is not deleted.
- A tombstone deletes what came before it: all of the ref, one version, or one alias.
- An alias is at its heads: the moves of it that no later move replaces. Heads at two versions are a stored conflict.
- A version that names two literals is a stored conflict too. Conflicts are raised only to who asks for that name.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from operator import eq

from cas.errors import AliasConflict, VersionConflict
from cas.refs.entries import AliasEntry, DeleteEntry, VersionEntry, order
from cas.refs.names import check_version, shown

__all__ = ["DEFAULT_VERSION_DIGITS", "History", "RefEntry", "choose_version"]

DEFAULT_VERSION_DIGITS = 12
RefEntry = VersionEntry | AliasEntry | DeleteEntry
Place = tuple[int, str]


class History:
    """The history of one ref. Build it from that ref's entries alone, in any order, repeated or not."""

    def __init__(self, entries: Iterable[RefEntry]) -> None:
        self.entries: tuple[RefEntry, ...] = _in_total_order(set(entries))

    @cached_property
    def tip(self) -> VersionEntry | None:
        """The publication that the ref stands at; None where there is none or the ref was deleted."""
        return self.live[-1] if self.live else None

    @cached_property
    def live(self) -> tuple[VersionEntry, ...]:
        """The publications that are not deleted, oldest first."""
        cut = self._cut
        return tuple(
            entry
            for entry in self.entries
            if isinstance(entry, VersionEntry) and order(entry) > cut.of_version(entry.version)
        )

    @cached_property
    def versions(self) -> tuple[VersionEntry, ...]:
        """Newest first, one for each run of neighbours with the same literal: the newest publication of that run."""
        steps: list[VersionEntry] = []
        for entry in reversed(self.live):
            if not steps or steps[-1].literal != entry.literal:
                steps.append(entry)
        return tuple(steps)

    def back(self, steps: int, start: VersionEntry | None = None) -> VersionEntry | None:
        """The version so many steps before ``start`` (the tip), counting distinct neighbours; None if there is none."""
        if start is None:
            return self.versions[steps] if 0 <= steps < len(self.versions) else None
        if steps == 0:
            return start
        # The run that start lies in ends at the first of `versions`, from the old side, that is not before it.
        oldest_first = self.versions[::-1]
        run = bisect_left(oldest_first, order(start), key=order)
        return oldest_first[run - steps] if run >= steps else None

    def was(self, moves: int) -> VersionEntry | None:
        """Where the ref pointed so many moves ago; None where nowhere. Publishing moves it, deleting its tip too."""
        return self.moves[-1 - moves] if 0 <= moves < len(self.moves) else None

    @cached_property
    def moves(self) -> tuple[VersionEntry | None, ...]:
        """The tip after each entry that moved it, oldest first; None where nothing was left."""
        cut = _Cut()
        stack: list[VersionEntry] = []
        moves: list[VersionEntry | None] = []
        for entry in self.entries:
            if isinstance(entry, VersionEntry):
                stack.append(entry)
            elif isinstance(entry, DeleteEntry):
                cut.add(entry)
                while stack and order(stack[-1]) <= cut.of_version(stack[-1].version):
                    stack.pop()
            tip = stack[-1] if stack else None
            if tip is not (moves[-1] if moves else None):
                moves.append(tip)
        return tuple(moves)

    def at(self, stamp: int) -> History:
        """The history as it stood at that time (microseconds): entries up to and with it."""
        return History(entry for entry in self.entries if entry.stamp <= stamp)

    def version(self, version: str) -> VersionEntry | None:
        """The last publication under a version name. Raises VersionConflict where that names two literals."""
        found = [entry for entry in self.live if entry.version == version]
        if not found:
            return None
        first_of: dict[str, VersionEntry] = {}
        for entry in found:
            first_of.setdefault(entry.literal, entry)
        if len(first_of) > 1:
            ref = f"{_ref(found[0])}#{version}"
            raise VersionConflict(
                f"{ref} means {len(first_of)} different contents: it was published on two sides",
                candidates=tuple(entry.artifact for entry in first_of.values()),
                hint=f"choose one: cas put SOURCE '{ref}' --replace; or delete it: cas rm '{ref}'",
            )
        return found[-1]

    def used(self, version: str) -> str | None:
        """The literal that a version name was first used for, deleted or not; None if it is free."""
        for entry in self.entries:
            if isinstance(entry, VersionEntry) and entry.version == version:
                return entry.literal
        return None

    @cached_property
    def aliases(self) -> dict[str, tuple[AliasEntry, ...]]:
        """The heads of every alias that is not deleted, oldest first; more than one where both sides moved it."""
        return {alias: heads for alias, heads in sorted(self._heads.items()) if heads}

    def heads(self, alias: str) -> tuple[AliasEntry, ...]:
        """The moves of an alias that none replaces: what the next move must list. Empty: there is no such alias."""
        return self._heads.get(alias, ())

    def alias(self, alias: str) -> AliasEntry | None:
        """The entry that an alias stands at. Raises AliasConflict where two sides moved it to different versions."""
        heads = self.heads(alias)
        if not heads:
            return None
        versions = sorted({head.version for head in heads})
        if len(versions) > 1:
            raise AliasConflict(
                f"{_ref(heads[0])}#{alias} was moved on two sides: to {' and to '.join(versions)}",
                candidates=tuple(versions),
                hint=f"choose one: cas alias '{_ref(heads[0])}#{versions[-1]}' {alias} --replace",
            )
        return heads[-1]

    @cached_property
    def _cut(self) -> _Cut:
        cut = _Cut()
        for entry in self.entries:
            if isinstance(entry, DeleteEntry):
                cut.add(entry)
        return cut

    @cached_property
    def _heads(self) -> dict[str, tuple[AliasEntry, ...]]:
        moves: dict[str, list[AliasEntry]] = {}
        for entry in self.entries:
            if isinstance(entry, AliasEntry):
                moves.setdefault(entry.alias, []).append(entry)
        return {alias: _unreplaced(entries, self._cut.of_alias(alias)) for alias, entries in moves.items()}


class _Cut:
    """Up to where tombstones reach. Entries are added in order, so the last one of a kind reaches furthest."""

    def __init__(self) -> None:
        self._all: Place = (-1, "")
        self._versions: dict[str, Place] = {}
        self._aliases: dict[str, Place] = {}

    def add(self, entry: DeleteEntry) -> None:
        if entry.version is not None:
            self._versions[entry.version] = order(entry)
        elif entry.alias is not None:
            self._aliases[entry.alias] = order(entry)
        else:
            self._all = order(entry)

    def of_version(self, version: str) -> Place:
        return max(self._all, self._versions.get(version, self._all))

    def of_alias(self, alias: str) -> Place:
        return max(self._all, self._aliases.get(alias, self._all))


def choose_version(history: History, literal: str, version: str | None = None) -> str:
    """The version that publishing this literal gets: the one asked for, the tip's where that holds it already, or
    the first 12 digits of the literal's id. Raises VersionConflict when the name asked for means another literal.
    """
    tip = history.tip
    if version is None:
        if tip is not None and tip.literal == literal:
            return tip.version
        version = literal[:DEFAULT_VERSION_DIGITS]
    else:
        check_version(version)
    before = history.used(version)
    if before is not None and before != literal:
        raise VersionConflict(
            f"version {shown(version)} is taken: it means literal {before[:12]}, not {literal[:12]}",
            candidates=(before, literal),
            hint="publish under another version; a version, once used, keeps its meaning",
        )
    return version


def _unreplaced(moves: list[AliasEntry], cut: Place) -> tuple[AliasEntry, ...]:
    """The moves after the cut that no later one replaces (later, lest forged entries replace each other in a ring)."""
    heads: list[AliasEntry] = []
    replaced: set[str] = set()
    for entry in reversed(moves):
        if entry.write not in replaced and order(entry) > cut:
            heads.append(entry)
        replaced.update(entry.replaces)
    return tuple(reversed(heads))


def _in_total_order(entries: set[RefEntry]) -> tuple[RefEntry, ...]:
    kept = sorted(entries, key=order)
    places = list(map(order, kept))
    if any(map(eq, places, places[1:])):
        # Only a forged log repeats a write id with other fields; even then every reader must see the same order.
        kept.sort(key=lambda entry: (entry.stamp, entry.write, repr(entry)))
    return tuple(kept)


def _ref(entry: VersionEntry | AliasEntry) -> str:
    partition = entry.partition.text
    return f"{entry.name}@{partition}" if partition else entry.name
