"""From the bytes of a segment to its entries: hostile until every field was checked.

Our own writer has one form, which a regular expression reads many times faster than any TOML reader. Whatever
differs from that form by a single byte is linted and goes to tomli; both ways end in the same checks.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from cas.errors import LimitExceeded, RefSyntax, UnsupportedFormat
from cas.refs.checks import check_entries
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry, SpanEntry, VersionEntry, in_order
from cas.refs.names import shown
from cas.refs.partitions import Granularity, Partition

__all__ = ["Parts", "lint", "read_segment"]

MAX_BYTES = 1 << 28
Parts = tuple[int, int, str, str, tuple[Entry, ...]]
Table = dict[str, Any]

_TEXT = r'"([^"\\\x00-\x1f\x7f]*)"'
_STAMP = r'"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\.([0-9]{6})Z"'
_HEAD = re.compile(
    rf'cas = 1\nsegment = (0|[1-9][0-9]{{0,19}})\ntime = {_STAMP}\nauthor = {_TEXT}\nprevious = "([0-9a-f]{{64}})"\n'
)
_BLOCK = re.compile(
    rf"\n\[\[version\]\]\nname = {_TEXT}\n((?:partitions = [^\n]*\n)?(?:time = [^\n]*\n)?)version = {_TEXT}\n"
    rf'literal = "([0-9a-f]{{64}})"\nartifact = "([0-9a-f]{{64}})"\n(?:span = "([0-9a-f]{{64}})"\n)?'
    rf'stamp = {_STAMP}\nwrite = "([0-9a-f]{{32}})"\n'
    r"|(\n\[\[(?:alias|delete|span|declare)\]\]\n(?:[a-z]+ = [^\n]*\n)+)"
)
_PAIR = rf"([A-Za-z0-9_-]+) = {_TEXT}"
_PARTITION = re.compile(
    rf"(?:partitions = \{{((?:{_PAIR}(?:, (?=[A-Za-z0-9_-])|(?=\}})))+)\}}\n)?(?:time = {_TEXT}\n)?"
)
_PAIRS = re.compile(_PAIR)
_ONE_KEY = re.compile(rf"partitions = \{{(?!time ){_PAIR}\}}\n")
_ISO = re.compile(_STAMP[1:-1])
_FORMAT = re.compile(rb"cas = ([0-9]{1,20})\n")
_STRINGS = re.compile(rb"""\"(?:[^"\\\n]+|\\.)*"?|'[^'\n]*'?|#[^\n]*""")
_LONG_WORD = re.compile(rb"[0-9A-Za-z_+-]{129}|[0-9][0-9_]{19}")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class _Unusual(Exception):
    """The text is not in the writer's form: no fault, but to be read the long way."""


def read_segment(content: bytes) -> Parts:
    """Number, time, author, digest of the previous one, and entries in order. Raises RefSyntax and its kin."""
    if len(content) > MAX_BYTES:
        raise LimitExceeded(f"a segment of {len(content)} bytes: at most {MAX_BYTES} are allowed")
    found = _FORMAT.match(content)
    if found and int(found[1]) != 1:
        raise UnsupportedFormat(f"a ref log segment of format {int(found[1])}", hint="install a newer cas")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise RefSyntax(f"a ref log segment is not UTF-8 at byte {error.start}") from None
    try:
        parts = _read_canonical(text)
    except (_Unusual, RefSyntax):
        parts = _read_toml(content, text)
    number, time, author, previous, entries = parts
    if not 1 <= number < 10**20:
        raise RefSyntax(f"{number} is not the number of a segment")
    check_entries(entries)
    return number, time, author, previous, tuple(in_order(entries))


def lint(content: bytes) -> None:
    """Refuse, in linear time, what no segment has and a TOML reader could be long at. Raises RefSyntax.

    That is: dotted keys, nesting beyond lists and inline tables, long numbers and words, multi-line strings.
    """
    if b'"""' in content or b"'''" in content:
        raise RefSyntax("a ref log segment has no multi-line strings")
    bare = _STRINGS.sub(b"", content)
    if b"." in bare:
        raise RefSyntax("a ref log segment has neither dotted keys nor decimal numbers")
    if _LONG_WORD.search(bare):
        raise RefSyntax("a ref log segment has no number or word this long")
    brackets = bare.translate(None, _NOT_BRACKETS)
    if brackets.count(b"[[") * 32 > len(content):
        raise RefSyntax("a ref log segment has no entries this small")
    for _ in range(3):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets:
        raise RefSyntax("a ref log segment has no such nesting")


# --- the writer's own form ---------------------------------------------------------------------------


def _read_canonical(text: str) -> Parts:
    head = _HEAD.match(text)
    if head is None:
        raise _Unusual
    number, second, micro, author, previous = head.groups()
    entries: list[Entry] = []
    others: list[str] = []
    seconds: dict[str, int] = {}
    partitions: dict[str, Partition] = {"": Partition((), None)}
    time = _seconds(second) + int(micro)
    position = head.end()
    add = entries.append
    match = _BLOCK.match
    while (found := match(text, position)) is not None:
        position = found.end()
        name, part, version, literal, artifact, span, second, micro, write, other = found.groups()
        if other is not None:
            others.append(other)
            continue
        partition = partitions.get(part)
        if partition is None:
            partition = partitions[part] = _canonical_partition(part)
        start = seconds.get(second)
        if start is None:
            start = seconds[second] = _seconds(second)
        add(VersionEntry(name, partition, version, literal, artifact, span, start + int(micro), write))
    if position != len(text):
        raise _Unusual
    if others:
        entries.extend(_entries(_load("".join(others))))
    return int(number), time, author, previous, tuple(entries)


def _canonical_partition(text: str) -> Partition:
    single = _ONE_KEY.fullmatch(text)
    if single is not None:  # most are so; the check of all entries looks at the key and the value
        return Partition((single.groups(),), None)  # type: ignore[arg-type]  # a pair of texts
    found = _PARTITION.fullmatch(text)
    if found is None:
        raise _Unusual
    pairs = _PAIRS.findall(found[1]) if found[1] else []
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise _Unusual
    return _make_partition(keys, found[4])


# --- any TOML ----------------------------------------------------------------------------------------


def _read_toml(content: bytes, text: str) -> Parts:
    lint(content)
    table = _load(text, linted=True)
    if table.pop("cas", None) != 1:
        raise RefSyntax("a ref log segment begins with 'cas = 1'")
    number = _take(table, "segment", int)
    time = _stamp(_take(table, "time", str))
    author = _take(table, "author", str)
    previous = _take(table, "previous", str)
    if len(previous) != 64 or previous.strip("0123456789abcdef"):
        raise RefSyntax(f"{shown(previous)} is not the digest of a segment")
    return number, time, author, previous, tuple(_entries(table))


def _load(text: str, *, linted: bool = False) -> Table:
    import tomli

    if not linted:
        lint(text.encode())
    try:
        return tomli.loads(text)
    except (ValueError, RecursionError, OverflowError) as error:
        raise RefSyntax(f"a ref log segment is not TOML: {shown(str(error))}") from None


def _entries(table: Table) -> list[Entry]:
    """The entries of every kind; whatever is left over in a table is refused."""
    entries: list[Entry] = []
    for kind, read in _READERS.items():
        blocks = table.pop(kind, [])
        if type(blocks) is not list:
            raise RefSyntax(f"'{kind}' in a ref log segment is not a list of tables")
        for block in blocks:
            if type(block) is not dict:
                raise RefSyntax(f"'{kind}' in a ref log segment is not a list of tables")
            entries.append(read(block))
            _nothing_left(block, kind)
    _nothing_left(table, "segment")
    return entries


def _nothing_left(table: Table, kind: str) -> None:
    if table:
        raise RefSyntax(f"unknown field {shown(next(iter(table)))} in a {kind}")


def _take(table: Table, key: str, kind: type) -> Any:
    value = _take_optional(table, key, kind)
    if value is None:
        raise RefSyntax(f"a ref log segment lacks {shown(key)} where it is needed")
    return value


def _take_optional(table: Table, key: str, kind: type) -> Any:
    value = table.pop(key, None)
    if value is not None and type(value) is not kind:
        raise RefSyntax(f"{shown(key)} in a ref log segment is {type(value).__name__}, not {kind.__name__}")
    return value


def _take_texts(table: Table, key: str) -> tuple[str, ...]:
    texts = _take(table, key, list)
    if not all(type(text) is str for text in texts):
        raise RefSyntax(f"{shown(key)} in a ref log segment is not a list of texts")
    return tuple(texts)


def _take_ref(table: Table) -> tuple[str, Partition]:
    name = _take(table, "name", str)
    keys = table.pop("partitions", {})
    if type(keys) is not dict or not all(type(value) is str for value in keys.values()):
        raise RefSyntax(f"the partitions of {shown(name)} are not a table of texts")
    return name, _make_partition(keys, _take_optional(table, "time", str))


def _take_order(table: Table) -> tuple[int, str]:
    return _stamp(_take(table, "stamp", str)), _take(table, "write", str)


def _read_version(table: Table) -> Entry:
    name, partition = _take_ref(table)
    version, literal, artifact = (_take(table, key, str) for key in ("version", "literal", "artifact"))
    span = _take_optional(table, "span", str)
    return VersionEntry(name, partition, version, literal, artifact, span, *_take_order(table))


def _read_alias(table: Table) -> Entry:
    name, partition = _take_ref(table)
    alias, version = _take(table, "alias", str), _take(table, "version", str)
    return AliasEntry(name, partition, alias, version, _take_texts(table, "replaces"), *_take_order(table))


def _read_delete(table: Table) -> Entry:
    name, partition = _take_ref(table)
    version, alias = _take_optional(table, "version", str), _take_optional(table, "alias", str)
    return DeleteEntry(name, partition, version, alias, *_take_order(table))


def _read_span(table: Table) -> Entry:
    opened, closed = _take(table, "open", str), _take_optional(table, "close", str)
    return SpanEntry(opened, closed, _take(table, "label", str), *_take_order(table))


def _read_declare(table: Table) -> Entry:
    name, keys = _take(table, "name", str), _take_texts(table, "keys")
    granularity = _take_optional(table, "granularity", str)
    if granularity is not None:
        try:
            granularity = Granularity(granularity)
        except ValueError:
            raise RefSyntax(f"{shown(granularity)} is not a granularity") from None
    kind, description = _take_optional(table, "type", str), _take_optional(table, "description", str)
    return DeclareEntry(name, keys, granularity, kind, description, *_take_order(table))


_READERS = {
    "version": _read_version,
    "alias": _read_alias,
    "delete": _read_delete,
    "span": _read_span,
    "declare": _read_declare,
}


# --- both --------------------------------------------------------------------------------------------


def _make_partition(keys: dict[str, str], time: str | None) -> Partition:
    if "time" in keys:
        raise RefSyntax("'time' stands among the keys of a partition")
    return Partition.of(keys, time)


def _stamp(text: str) -> int:
    found = _ISO.fullmatch(text)
    if found is None:
        raise RefSyntax(f"{shown(text)} is not a time like 2026-11-22T07:40:49.000123Z")
    return _seconds(found[1]) + int(found[2])


def _seconds(text: str) -> int:
    """Microseconds since the epoch of ``2026-11-22T07:40:49``."""
    try:
        return int(datetime.fromisoformat(text + "+00:00").replace(tzinfo=timezone.utc).timestamp()) * 1_000_000
    except ValueError:
        raise RefSyntax(f"{shown(text)} is not a time") from None
