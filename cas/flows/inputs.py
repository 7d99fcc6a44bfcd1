"""Placeholders: the inputs of the function, and the partition of another artifact.

Inputs.region                              the argument that the function will be called with
Inputs.kickoff - timedelta(days=1)         a time worked out from it
RideCount.partitions.region                the value that another artifact of the same call has
RideCount.time_partition - timedelta(…)    its time, moved
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cas.errors import DeclarationError

if TYPE_CHECKING:
    from cas.flows.facts import Facts
    from cas.refs.partitions import Granularity

__all__ = ["Input", "Inputs", "InputsNamespace", "KeyOf", "PartitionKeys", "TimeOf"]

_NO_OFFSET = timedelta(0)


@dataclass(frozen=True)
class Input:
    """The argument ``name`` of the function that is being declared, moved by ``offset`` where it is a time."""

    name: str
    offset: timedelta = _NO_OFFSET

    def __add__(self, other: timedelta) -> Input:
        return replace(self, offset=self.offset + _as_offset(other, self))

    def __sub__(self, other: timedelta) -> Input:
        return replace(self, offset=self.offset - _as_offset(other, self))

    def __repr__(self) -> str:
        return f"Inputs.{self.name}" + _offset_text(self.offset)


class InputsNamespace:
    """``Inputs.x`` (or ``Inputs["x"]``) stands for the argument ``x``."""

    def __getattr__(self, name: str) -> Input:
        if name.startswith("__"):
            raise AttributeError(name)
        return Input(name)

    def __getitem__(self, name: str) -> Input:
        return Input(name)

    def __repr__(self) -> str:
        return "Inputs"


Inputs = InputsNamespace()


@dataclass(frozen=True)
class KeyOf:
    """The value that the artifact ``facts`` of the same call or trigger has for one partition key."""

    facts: Facts
    key: str

    def __repr__(self) -> str:
        return f"{self.facts.name}.partitions.{self.key}"


@dataclass(frozen=True)
class TimeOf:
    """The time partition that the artifact ``facts`` of the same call or trigger has, moved by ``offset``."""

    facts: Facts
    offset: timedelta = _NO_OFFSET

    @property
    def granularity(self) -> Granularity:
        """What it is truncated to."""
        return self.facts.check_timed()

    def __add__(self, other: timedelta) -> TimeOf:
        return replace(self, offset=self.offset + _as_offset(other, self))

    def __sub__(self, other: timedelta) -> TimeOf:
        return replace(self, offset=self.offset - _as_offset(other, self))

    def __repr__(self) -> str:
        return f"{self.facts.name}.time_partition" + _offset_text(self.offset)


class PartitionKeys:
    """The partition keys of an artifact, in declared order; ``.region`` or ``["region"]`` refers to one's value."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def __getattr__(self, key: str) -> KeyOf:
        if key.startswith("__"):
            raise AttributeError(key)
        return self[key]

    def __getitem__(self, key: str) -> KeyOf:
        self._facts.check_key(key)
        return KeyOf(self._facts, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts.keys)

    def __len__(self) -> int:
        return len(self._facts.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._facts.keys

    def __reduce__(self) -> tuple[type[PartitionKeys], tuple[Facts]]:
        return PartitionKeys, (self._facts,)

    def __repr__(self) -> str:
        return repr(list(self._facts.keys))


def _as_offset(other: object, what: object) -> timedelta:
    if not isinstance(other, timedelta):
        raise DeclarationError(f"{what!r} can be moved by a timedelta only, not by {other!r}")
    return other


def _offset_text(offset: timedelta) -> str:
    if not offset:
        return ""
    return f" + {offset!r}" if offset > _NO_OFFSET else f" - {-offset!r}"
