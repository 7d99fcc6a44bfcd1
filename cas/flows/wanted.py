"""What a query asks for once every placeholder has its value; pure."""

from __future__ import annotations

from typing import NamedTuple

from cas.refs.partitions import Partition

__all__ = ["Span", "Wanted", "partition_text"]


class Span(NamedTuple):
    """A range of times, both ends included, None where it is open.

    The ends are prefixes: ``2024-01`` … ``2024-03`` holds the 31st of March of a daily artifact.
    """

    first: str | None
    last: str | None

    def holds(self, time: str) -> bool:
        """Whether a time partition lies in it."""
        return (self.first is None or time >= self.first) and (self.last is None or time[: len(self.last)] <= self.last)


class Wanted(NamedTuple):
    """Versions of one name: those whose partition has, for each key, one of the values; and one of the times."""

    name: str
    project: str | None = None
    domain: str | None = None
    version: str | None = None
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    times: tuple[str, ...] | Span | None = None
    strict: bool = False

    @property
    def partition(self) -> Partition | None:
        """The partition that says the same, or None where a list or a range is asked for."""
        if isinstance(self.times, Span) or any(len(values) != 1 for _, values in self.keys):
            return None
        if self.times is not None and len(self.times) != 1:
            return None
        return Partition.of({key: values[0] for key, values in self.keys}, time=self.times[0] if self.times else None)

    def matches(self, keys: dict[str, str], time: str | None) -> bool:
        """Whether a partition is one of those asked for."""
        if any(keys.get(key) not in values for key, values in self.keys):
            return False
        if self.strict and (len(keys) != len(self.keys) or (time is not None) != (self.times is not None)):
            return False
        if self.times is None:
            return True
        if time is None:
            return False
        return self.times.holds(time) if isinstance(self.times, Span) else time in self.times

    def __str__(self) -> str:
        said = [f"{key}={_one_or_list(values)}" for key, values in self.keys]
        if isinstance(self.times, Span):
            said.append(f"time=({self.times.first!r}, {self.times.last!r})")
        elif self.times is not None:
            said.append(f"time={_one_or_list(self.times)}")
        said += [
            f"{word}={value!r}"
            for word, value in zip(("project", "domain", "version"), self[1:4], strict=True)
            if value
        ]
        return f"{self.name}.query({', '.join(said)})"


def partition_text(keys: dict[str, str], time: str | None) -> str:
    """A partition as refs spell it: ``a=1,b=2,time=2024-05-01``."""
    return Partition.of(keys, time=time).text


def _one_or_list(values: tuple[str, ...]) -> str:
    return repr(values[0]) if len(values) == 1 else repr(list(values))
