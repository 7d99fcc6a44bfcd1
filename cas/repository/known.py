"""What the catalog says of the names and refs that a batch touches, and whether the batch fits it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cas.errors import PartitionError, RefNameCollision
from cas.refs.names import Name, collision_key
from cas.refs.partitions import EMPTY, Granularity

if TYPE_CHECKING:
    from cas.catalog.catalog import Catalog
    from cas.catalog.recent import Recent
    from cas.catalog.refs import Declared, Row
    from cas.repository.publishing import Target

__all__ = ["AtHand", "Known", "New", "Said", "Tells", "check_names"]

# From this many on, names of a batch (or the tips of one name) are fetched whole rather than one by one.
_WHOLE = 50

New = tuple[Name, tuple[str, ...], Granularity | None, "str | None"]


class Said(NamedTuple):
    """What whoever puts declares a name as, should the log declare nothing of it yet."""

    keys: tuple[str, ...]
    granularity: Granularity | None
    type: str | None


_NOTHING: Mapping[Name, Said] = {}


class Tells(Protocol):
    """What is asked about the targets of a publication."""

    @property
    def fresh(self) -> bool:
        """Whether every name is surely new: nothing about it needs looking up."""
        ...

    def declared(self, name: Name) -> Declared | None:
        """What the log says of a name; None where it is new."""
        ...

    def twin(self, name: Name) -> str | None:
        """Another name, there or in this batch, that differs only by case or Unicode normalisation."""
        ...

    def is_new(self, name: Name) -> bool:
        """Whether a name is surely new, so that no version of it needs looking up."""
        ...

    def are_plainly_new(self) -> bool:
        """Whether all names are ASCII and none is a twin of another, there or in the batch; False does not say that one
        is."""
        ...

    def tip(self, target: Target) -> Row | None:
        """The version that a target's exact partition is at."""
        ...

    def version_is(self, target: Target, tip: Row, version: str) -> bytes | None:
        """The literal that a version name means where a target has a tip."""
        ...


class AtHand:
    """Answers about one name from what the catalog keeps at hand, for puts one by one."""

    def __init__(self, recent: Recent, name: Name) -> None:
        self._recent, self._added = recent, recent.added
        self._twins = recent.twins(name.name)
        self.fresh = not self._twins

    def is_right(self, recent: Recent) -> bool:
        """Whether that is still what is at hand, and nothing was written since."""
        return recent is self._recent and recent.added == self._added

    def declared(self, name: Name) -> Declared | None:
        """What the log says of the name; None where it is new."""
        return self._twins.get(name.name)

    def twin(self, name: Name) -> str | None:
        """Another name that differs only by case or Unicode normalisation."""
        return next((other for other in list(self._twins) if other != name.name), None) if self._twins else None

    def is_new(self, name: Name) -> bool:
        """Whether the name is new."""
        return name.name not in self._twins

    def are_plainly_new(self) -> bool:
        """Whether the name has no twin, and is not there itself."""
        return self.fresh

    def tip(self, target: Target) -> Row | None:
        """The version that a target's exact partition is at."""
        return self._recent.tip(target.name.name, target.partition) if self._twins else None

    def version_is(self, target: Target, tip: Row, version: str) -> bytes | None:  # noqa: ARG002 - as Known has it
        """The literal that a version name means."""
        return self._recent.version_is(target.name.name, target.partition, version)


class Known:
    """Answers about the targets of one batch, fetched in as few questions as possible; ``whole`` says that the targets
    stand for many more."""

    def __init__(self, catalog: Catalog, targets: Sequence[Target], *, whole: bool = False) -> None:
        self._catalog = catalog
        counts = Counter(map(itemgetter(0), targets))
        self.names = counts.keys()
        self._every: dict[Name, Declared] | None = None
        self._twins: dict[tuple[str, str, str], str] = {}
        if whole or len(targets) >= _WHOLE:
            self._every = {}
            for project, domain in set(map(itemgetter(0, 1), counts)):
                for declared in catalog.refs.every_declared(project, domain):
                    self._every[Name(project, domain, declared.name)] = declared
                    self._twins[project, domain, collision_key(declared.name)] = declared.name
        self.fresh = self._every is not None and self._every.keys().isdisjoint(counts)
        """Whether every name of a large batch is new: nothing about it needs looking up."""
        self._whole = {
            name: catalog.refs.tips_of_name(name)
            for name, count in counts.items()
            if count >= _WHOLE and (self._every is None or name in self._every)
        }

    def declared(self, name: Name) -> Declared | None:
        """What the log says of a name; None where it is new."""
        return self._catalog.refs.declared(name) if self._every is None else self._every.get(name)

    def twin(self, name: Name) -> str | None:
        """Another name, there or in this batch, that differs only by case or Unicode normalisation."""
        key = (name.project, name.domain, collision_key(name.name))
        twin = self._twins.setdefault(key, name.name)
        if twin != name.name:
            return twin
        return self._catalog.refs.twin(name) if self._every is None else None

    def is_new(self, name: Name) -> bool:
        """Whether a name is surely new, so that no version of it needs looking up."""
        return self._every is not None and name not in self._every

    def are_plainly_new(self) -> bool:
        """Whether all names are ASCII and none is a twin of another, there or in the batch; False does not say that one
        is."""
        texts = list(map(itemgetter(2), self.names))
        if not "".join(texts).isascii():
            return False
        scopes = set(map(itemgetter(0, 1), self.names))
        if len(scopes) != 1:
            return False
        lowered = set(map(str.lower, texts))
        taken = {key[2] for key in self._twins}
        return len(lowered) == len(texts) and lowered.isdisjoint(taken)

    def tip(self, target: Target) -> Row | None:
        """The version that a target's exact partition is at."""
        if self.is_new(target.name):
            return None
        whole = self._whole.get(target.name)
        if whole is None:
            return self._catalog.refs.tip(target.name, target.partition)
        return whole.get(target.partition.text)

    def version_is(self, target: Target, tip: Row, version: str) -> bytes | None:  # noqa: ARG002 - the tip says it
        """The literal that a version name means where a target has a tip."""
        return self._catalog.refs.version_is(tip.ref, version)


def check_names(known: Tells, targets: Sequence[Target], said: Mapping[Name, Said] = _NOTHING) -> list[New]:
    """Check the partitions of targets against what their names declare; what new names need declared, as it is ``said``
    or by their first partitions.

    Raises PartitionError on a key or time that the declaration lacks, RefNameCollision on a twin of another name.
    """
    if not said and known.fresh and known.are_plainly_new() and all(map(EMPTY.__eq__, map(itemgetter(1), targets))):
        return []
    if len(targets) == 1:
        (name, (pairs, time), _) = targets[0]
        grain = {Granularity.of_length(len(time))} if time else set()
        only = _check(known, name, tuple([key for key, _ in pairs]), grain, said.get(name) if said else None)
        return [only] if only else []
    shapes: dict[tuple[Name, tuple[str, ...], int], None] = {}
    for name, (pairs, time), _ in targets:
        shapes[name, tuple([key for key, _ in pairs]) if pairs else (), len(time) if time else 0] = None
    wanted: dict[Name, tuple[dict[str, None], set[Granularity]]] = {}
    for name, keys, length in shapes:
        every, grains = wanted.setdefault(name, ({}, set()))
        every.update(dict.fromkeys(keys))
        if length:
            grains.add(Granularity.of_length(length))
    return [
        new
        for name, (keys, grains) in wanted.items()
        if (new := _check(known, name, tuple(keys), grains, said.get(name)))
    ]


def _check(known: Tells, name: Name, keys: tuple[str, ...], grains: set[Granularity], said: Said | None) -> New | None:
    """Check one name; the declaration that it needs, where it is new and partitioned."""
    if len(grains) > 1:
        raise PartitionError(
            f"{name.name}: times of several granularities: {', '.join(sorted(grain.value for grain in grains))}",
            hint="give every time of a name the same length",
        )
    grain = next(iter(grains), None)
    declared = known.declared(name)
    if said is not None and (declared is None or declared.keys is None):
        _check_declared(name, said.keys, said.granularity.value if said.granularity else None, keys, grain)
    elif declared is not None:
        _check_declared(name, declared.keys or (), declared.granularity, keys, grain)
        return None
    twin = known.twin(name) if declared is None else None
    if twin is not None:
        raise RefNameCollision(
            f"{name.name!r} differs from the name {twin!r} only by case or Unicode form",
            candidates=(twin,),
            hint=f"use {twin!r}, or a name that no file system confuses with it",
        )
    if said is not None:
        return name, *said
    return (name, tuple(sorted(keys)), grain, None) if keys or grain else None


def _meant(key: str, keys: tuple[str, ...]) -> str:
    from cas.refs.suggest import near_misses

    near = near_misses(key, keys)
    return f"did you mean {near[0]}? Else " if near else ""


def _check_declared(
    name: Name, keys: tuple[str, ...], granularity: str | None, asked: tuple[str, ...], grain: Granularity | None
) -> None:
    unknown = [key for key in asked if key not in keys]
    if unknown:
        raise PartitionError(
            f"{name.name} has the partition keys {list(keys)}; asked for {sorted(asked)}",
            hint=f"{_meant(unknown[0], keys)}extend it: cas declare {name.name} --add-key {unknown[0]}",
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
