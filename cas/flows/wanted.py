"""What a query asks for once every placeholder has its value; pure."""

from __future__ import annotations

from typing import NamedTuple

from cas.catalog.selection import TimeRange
from cas.refs.partitions import Partition

__all__ = ["Wanted"]


class Wanted(NamedTuple):
    """Versions of one name: those whose partition has, for each key, one of the values; and one of the times."""

    name: str
    project: str | None = None
    domain: str | None = None
    version: str | None = None
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    times: tuple[str, ...] | TimeRange | None = None
    strict: bool = False

    @property
    def partition(self) -> Partition | None:
        """The partition that says the same, or None where a list or a range is asked for."""
        if isinstance(self.times, TimeRange) or any(len(values) != 1 for _, values in self.keys):
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
        return self.times.holds(time) if isinstance(self.times, TimeRange) else time in self.times

    def __str__(self) -> str:
        said = [f"{key}={_one_or_list(values)}" for key, values in self.keys]
        if isinstance(self.times, TimeRange):
            said.append(f"time=({self.times.first!r}, {self.times.last!r})")
        elif self.times is not None:
            said.append(f"time={_one_or_list(self.times)}")
        said += [
            f"{word}={value!r}"
            for word, value in zip(("project", "domain", "version"), self[1:4], strict=True)
            if value
        ]
        said += ["strict=True"] if self.strict else []
        return f"{self.name}.query({', '.join(said)})"


def _one_or_list(values: tuple[str, ...]) -> str:
    return repr(values[0]) if len(values) == 1 else repr(list(values))
