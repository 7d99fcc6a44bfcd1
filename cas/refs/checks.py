"""The rules that every entry keeps, whoever wrote it: checked before it is written and after it is read.

Batches are checked column by column, since most of what a hundred thousand entries say is said often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from cas.errors import RefSyntax
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry, SpanEntry, VersionEntry
from cas.refs.names import MAX_BYTES, check_alias, check_declared_keys, check_key, check_name, check_version, shown
from cas.refs.partitions import Granularity, Partition

__all__ = ["END", "check_entries", "check_stamp"]

END = 253402300800000000  # the first microsecond of the year 10000
_HEX = "0123456789abcdef"
_HEX_BYTES = _HEX.encode()


def check_entries(entries: Sequence[Entry], *, unique: bool = True) -> None:
    """Raises RefSyntax (InvalidRefName for names) unless every entry may stand in a log.

    Within one segment write ids are ``unique``; over a whole log an entry may come twice, by two ways.
    """
    if not entries:
        return
    by_kind: dict[type, list[Entry]] = {}
    for entry in entries:
        by_kind.setdefault(type(entry), []).append(entry)
    for kind, group in by_kind.items():
        check = _CHECKS.get(kind)
        if check is None:
            raise RefSyntax(f"{kind.__name__} is not an entry of a ref log")
        check(group)
    _stamps([entry.stamp for entry in entries])
    writes = [entry.write for entry in entries]
    _ids("write id", writes, 32)
    if unique and len(set(writes)) != len(writes):
        raise RefSyntax("two entries of a segment have the same write id")


def check_stamp(stamp: int) -> int:
    """The stamp, if it lies from 1970 to 9999. Raises RefSyntax."""
    if type(stamp) is int and 0 <= stamp < END:
        return stamp
    raise RefSyntax(f"{shown(stamp)} is not a time in microseconds from 1970 to 9999")


def _stamps(stamps: Sequence[int]) -> None:
    if set(map(type, stamps)) <= {int} and (not stamps or (min(stamps) >= 0 and max(stamps) < END)):
        return
    for stamp in stamps:
        check_stamp(stamp)


def _versions(group: list[VersionEntry]) -> None:
    _refs(group)
    _names(check_version, [entry.version for entry in group])
    _ids("literal id", [entry.literal for entry in group], 64)
    _ids("artifact id", [entry.artifact for entry in group], 64)
    _ids("span id", [entry.span for entry in group if entry.span is not None], 64)


def _aliases(group: list[AliasEntry]) -> None:
    _refs(group)
    _each(check_alias, [entry.alias for entry in group])
    _each(check_version, [entry.version for entry in group])
    for entry in group:
        if type(entry.replaces) is not tuple:
            raise RefSyntax(f"what the alias {shown(entry.alias)} replaces is not a list")
        _ids("write id", entry.replaces, 32)


def _deletes(group: list[DeleteEntry]) -> None:
    _refs(group)
    for entry in group:
        if entry.version is not None and entry.alias is not None:
            raise RefSyntax(f"a deletion in {shown(entry.name)} names both a version and an alias")
    _each(check_version, [entry.version for entry in group if entry.version is not None])
    _each(check_alias, [entry.alias for entry in group if entry.alias is not None])


def _spans(group: list[SpanEntry]) -> None:
    _ids("span id", [entry.open for entry in group], 64)
    _ids("span id", [entry.close for entry in group if entry.close is not None], 64)
    _texts("label", [entry.label for entry in group])


def _declares(group: list[DeclareEntry]) -> None:
    _each(check_name, [entry.name for entry in group])
    for entry in group:
        if type(entry.keys) is not tuple:
            raise RefSyntax(f"the keys of {shown(entry.name)} are not a list")
        check_declared_keys(entry.keys)
        if entry.granularity is not None and type(entry.granularity) is not Granularity:
            raise RefSyntax(f"{shown(entry.granularity)} is not a granularity")
    _texts("type", [entry.type for entry in group if entry.type is not None])
    _texts("description", [entry.description for entry in group if entry.description is not None])


def _refs(group: Sequence[VersionEntry | AliasEntry | DeleteEntry]) -> None:
    _names(check_name, [entry.name for entry in group])
    _partitions([entry.partition for entry in group])


def _partitions(partitions: list[Partition]) -> None:
    """Each in its normal form; those of one key and no time, as batches have them, column by column."""
    try:
        distinct = set(partitions)
    except TypeError:
        raise RefSyntax("a field of an entry has the wrong type") from None
    if set(map(type, distinct)) == {Partition}:
        single = [keys[0] for keys, time in distinct if time is None and type(keys) is tuple and len(keys) == 1]
        if len(single) == len(distinct) and set(map(type, single)) == {tuple} and set(map(len, single)) == {2}:
            keys, values = map(set, zip(*single, strict=True))
            if set(map(type, chain(keys, values))) == {str} and "".join(values).isascii():
                lengths = set(map(len, values))
                if min(lengths) > 0 and max(lengths) <= MAX_BYTES:
                    _each(check_key, keys)
                    return
    _each(_check_partition, distinct)


def _check_partition(partition: Partition) -> None:
    if not isinstance(partition, Partition) or Partition.of(dict(partition.keys), partition.time) != partition:
        raise RefSyntax(f"{shown(partition)} is not a partition in its normal form")


def _each(check: Callable[..., object], values: Iterable[object]) -> None:
    try:
        distinct = set(values)
    except TypeError:
        raise RefSyntax("a field of an entry has the wrong type") from None
    for value in distinct:
        check(value)


def _names(check: Callable[[str], object], names: list[str]) -> None:
    if not _plain(names):
        _each(check, names)


def _plain(texts: list[str]) -> bool:
    """Whether all are ASCII letters, digits, _ and inner -, too long for a device's name: no rule can refuse them."""
    try:
        joined = "".join(texts)
    except TypeError:
        return False
    lengths = set(map(len, texts))
    if not joined.isascii() or min(lengths) <= 4 or max(lengths) > MAX_BYTES:
        return False
    if joined.isalnum():
        return True
    return joined.replace("_", "a").replace("-", "a").isalnum() and "-" not in set(map(itemgetter(0), texts))


def _ids(what: str, ids: Sequence[str], digits: int) -> None:
    """All of them lower-case hex of that many digits."""
    try:
        if not "".join(ids).encode().translate(None, _HEX_BYTES) and set(map(len, ids)) <= {digits}:
            return
    except (TypeError, UnicodeEncodeError):
        pass
    for text in ids:
        if not isinstance(text, str) or len(text) != digits or text.strip(_HEX):
            raise RefSyntax(f"{shown(text)} is not a {what}: {digits} lower-case hex digits", text=str(text))


def _texts(what: str, texts: Iterable[str]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise RefSyntax(f"a {what} is text, not {type(text).__name__}")


_CHECKS: dict[type, Callable[[Any], None]] = {
    VersionEntry: _versions,
    AliasEntry: _aliases,
    DeleteEntry: _deletes,
    SpanEntry: _spans,
    DeclareEntry: _declares,
}
