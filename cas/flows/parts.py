"""Partitions as data: what is there of an artifact, a row for each partition.

    RideCount.query(region=["EWR", "JFK"], time=("2024-01", "2024-03")).table()
    RideCount.table(region="*", time=("2024-01", "2024-03"))          ``*`` and ``?`` in a text stand for anything

Columns: the partition keys and ``time``, then version, type, size (bytes), created (UTC), id, literal and span.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from cas.errors import UsageError
from cas.flows import reading
from cas.flows.facts import Facts
from cas.flows.rendering import render
from cas.flows.wanted import Wanted
from cas.repository import ArtifactVersion, Repository

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["as_type", "describe", "is_pattern", "key_columns", "matching", "parts"]

FACTS = ("version", "type", "size", "created", "id", "literal", "span")


def parts(repo: Repository, wanted: Wanted) -> list[ArtifactVersion]:
    """The latest version of each partition that matches, by partition, each with its record read."""
    return reading.with_records(repo, reading.every_tip(repo, wanted))


def describe(versions: Sequence[ArtifactVersion], keys: Sequence[str]) -> pa.Table:
    """A row for each version; ``keys`` are the partition columns, ``time`` among them where there is one.

    A fact whose name a partition key has taken gets ``_`` after its own.
    """
    import pyarrow as pa

    columns: dict[str, Any] = {key: pa.array(column_of(versions, key), pa.string()) for key in keys}
    made: dict[str, Any] = {
        "version": pa.array([one.version for one in versions], pa.string()),
        "type": pa.array([one.type for one in versions], pa.string()),
        "size": pa.array([one.size for one in versions], pa.int64()),
        "created": pa.array([one.stamp for one in versions], pa.timestamp("us", "UTC")),
        "id": pa.array([one.id for one in versions], pa.string()),
        "literal": pa.array([one.literal_id for one in versions], pa.string()),
        "span": pa.array([one.span for one in versions], pa.string()),
    }
    for name in FACTS:
        columns[f"{name}_" if name in columns else name] = made[name]
    return pa.table(columns)


def column_of(versions: Sequence[ArtifactVersion], key: str) -> list[str | None]:
    """The value that each version's partition has for a key, or ``time``; None where it has none."""
    if key == "time":
        return [one.time for one in versions]
    return [one.partitions.get(key) for one in versions]


def key_columns(repo: Repository, facts: Facts, wanted: Wanted) -> list[str]:
    """The partition columns: the keys as the artifact declares them, those the log has besides, and ``time``."""
    keys = [*facts.keys, *(key for key in reading.declared_keys(repo, wanted) if key not in facts.keys)]
    return [*keys, "time"] if facts.granularity is not None else keys


def as_type(table: pa.Table, wanted: object) -> Any:
    """The table as pandas has it, or pyarrow, where that is asked for. Raises UsageError for other types."""
    module = getattr(wanted, "__module__", "").partition(".")[0]
    if wanted is None or module == "pandas":
        return table.to_pandas()
    if module == "pyarrow":
        return table
    raise UsageError(f"a table of partitions is for pandas or pyarrow, not {wanted!r}", hint="table(pyarrow.Table, …)")


def is_pattern(value: object) -> bool:
    """Whether a value is a text in which ``*`` or ``?`` stand for anything, or a list with one."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(is_pattern, value))
    return isinstance(value, str) and ("*" in value or "?" in value)


def matching(patterns: Mapping[str, Any], there: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The values that each pattern matches among those that are there; ``*`` alone asks for nothing, and is left out.

    A pattern that matches nothing gives a list that nothing matches either.
    """
    return {
        key: [value for value in there[key] if any(fnmatchcase(value, one) for one in _each(pattern))] or _each(pattern)
        for key, pattern in patterns.items()
        if pattern != "*"
    }


def _each(pattern: Any) -> list[str]:
    return [render(one, "a partition value") for one in ([pattern] if isinstance(pattern, str) else pattern)]
