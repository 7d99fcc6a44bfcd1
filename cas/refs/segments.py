"""Segments of a ref log: one TOML file each (docs/format.md, Ref log segments).

Written from templates, since a generic TOML writer takes fifty times as long; read by
``cas.refs.reading``, which this module joins to the writing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import NamedTuple

from blake3 import blake3

from cas.errors import RefSyntax
from cas.refs.checks import check_entries, check_stamp
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry, SpanEntry, VersionEntry, in_order
from cas.refs.partitions import EMPTY, Partition

__all__ = ["FORMAT", "MAX_BYTES", "Segment", "digest", "make", "parse", "render"]

FORMAT = 1
MAX_BYTES = 1 << 28
_MANY = 100  # from so many entries on, columns pay

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPES.update({chr(code): f"\\u{code:04X}" for code in (*range(32), 127) if chr(code) not in _ESCAPES})
_ESCAPE_TABLE = str.maketrans(_ESCAPES)


class Segment(NamedTuple):
    """One segment: its entries in their order (stamp, write), its time in microseconds, and the digest of its bytes."""

    number: int
    time: int
    author: str
    previous: str
    entries: tuple[Entry, ...]
    digest: str


def digest(content: bytes) -> str:
    """What the next segment names this one by: BLAKE3-256 of its bytes, in hex."""
    return blake3(content).hexdigest()


def parse(content: bytes) -> Segment:
    """The segment that the bytes hold. Raises RefSyntax, LimitExceeded or UnsupportedFormat."""
    from cas.refs.reading import read_segment

    number, time, author, previous, entries = read_segment(content)
    return Segment(number, time, author, previous, entries, digest(content))


def make(
    number: int, time: int, author: str, previous: str, entries: Iterable[Entry], *, checked: bool = False
) -> tuple[Segment, bytes]:
    """A segment and its bytes, as :func:`render`."""
    kept = tuple(entries)
    if checked and len(kept) == 1 and type(kept[0]) is VersionEntry:
        content = _single(number, time, author, previous, kept[0])
    else:
        kept = tuple(in_order(kept))
        content = _render(number, time, author, previous, kept, checked=checked)
    return Segment(number, time, author, previous, kept, digest(content)), content


def render(
    number: int, time: int, author: str, previous: str, entries: Iterable[Entry], *, checked: bool = False
) -> bytes:
    """The bytes of a segment. Raises RefSyntax for entries that no reader would take, unless they were ``checked``."""
    return _render(number, time, author, previous, in_order(entries), checked=checked)


def _render(number: int, time: int, author: str, previous: str, entries: Sequence[Entry], *, checked: bool) -> bytes:
    if not checked:
        check_entries(entries)
    if type(number) is not int or not 1 <= number < 10**20:
        raise RefSyntax(f"{number!r} is not the number of a segment")
    if not isinstance(previous, str) or len(previous) != 64 or previous.strip("0123456789abcdef"):
        raise RefSyntax(f"{previous!r} is not the digest of a segment")
    if not isinstance(author, str):
        raise RefSyntax(f"the author of a segment is text, not {type(author).__name__}")
    if checked and entries:
        check_stamp(entries[-1].stamp)  # they follow the clock
    write = _Writer()
    head = (
        f"cas = {FORMAT}\nsegment = {number}\ntime = {_stamp(check_stamp(time))}\n"
        f'author = {_author(author)}\nprevious = "{previous}"\n'
    )
    try:
        content = "".join([head, *write.blocks(entries)]).encode()
    except UnicodeEncodeError:
        raise RefSyntax("a text in an entry is not Unicode") from None
    if len(content) > MAX_BYTES:
        raise RefSyntax(
            f"{len(entries)} entries make a segment of {len(content)} bytes: at most {MAX_BYTES} are allowed",
            hint="publish them in several batches",
        )
    return content


def quote(text: str) -> str:
    """A TOML basic string."""
    return f'"{text}"' if _needs_no_escape(text) else f'"{text.translate(_ESCAPE_TABLE)}"'


def bare_or_quoted(key: str) -> str:
    """A TOML key: bare where that is allowed."""
    return key if key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else quote(key)


def _needs_no_escape(text: str) -> bool:
    return text.isprintable() and '"' not in text and "\\" not in text


class _Writer:
    """Templates for each kind of entry; remembers what partitions and seconds look like."""

    def __init__(self) -> None:
        self._partitions: dict[Partition, str] = {}

    def blocks(self, entries: Sequence[Entry]) -> list[str]:
        """The text of each entry. Calls are spared in this loop: they would be half of its time."""
        out: list[str] = []
        if len(entries) >= _MANY:
            # A batch of versions, and after it what its names declare.
            cut = len(entries)
            while cut and type(entries[cut - 1]) is not VersionEntry:
                cut -= 1
            plain = self._plain_blocks(entries[:cut])
            if plain is not None:
                out, entries = plain, entries[cut:]
        for entry in entries:
            if type(entry) is VersionEntry:
                partition = entry.partition
                part = "" if partition is EMPTY else self._partition(partition)
                out.append(_version(entry, part, _stamp(entry.stamp)))
            else:
                out.append(f'{self._other(entry)}stamp = {_stamp(entry.stamp)}\nwrite = "{entry.write}"\n')
        return out

    def _plain_blocks(self, entries: Sequence[Entry]) -> list[str] | None:
        """As :meth:`blocks`, for versions made by nobody or one span whose texts need no escapes; None for others."""
        if set(map(type, entries)) != {VersionEntry}:
            return None
        names, partitions, versions, literals, artifacts, spans, stamps, writes = zip(*entries, strict=True)
        if len(set(spans)) > 1 or not _needs_no_escape("".join(chain(names, versions))):
            return None
        made = "" if spans[0] is None else f'span = "{spans[0]}"\n'
        parts: Iterable[str] = repeat("")
        if set(partitions) != {EMPTY}:
            parts = self._plain_partitions(partitions)
        return [
            f'\n[[version]]\nname = "{name}"\n{part}version = "{version}"\nliteral = "{literal}"\n'
            f'artifact = "{artifact}"\n{made}stamp = {stamp}\nwrite = "{write}"\n'
            for name, part, version, literal, artifact, stamp, write in zip(
                names, parts, versions, literals, artifacts, _stamps(stamps), writes, strict=False
            )
        ]

    def _plain_partitions(self, partitions: Sequence[Partition]) -> list[str]:
        simple = [keys[0] for keys, time in partitions if time is None and len(keys) == 1]
        if len(simple) == len(partitions) and _needs_no_escape("".join([value for _, value in simple])):
            keys = {key: bare_or_quoted(key) for key in {key for key, _ in simple}}
            return [f'partitions = {{{keys[key]} = "{value}"}}\n' for key, value in simple]
        return [self._partition(partition) if partition != EMPTY else "" for partition in partitions]

    def _other(self, entry: Entry) -> str:
        if isinstance(entry, AliasEntry):
            replaces = ", ".join(map(quote, entry.replaces))
            return (
                f"\n[[alias]]\n{self._ref(entry.name, entry.partition)}alias = {quote(entry.alias)}\n"
                f"version = {quote(entry.version)}\nreplaces = [{replaces}]\n"
            )
        if isinstance(entry, DeleteEntry):
            what = _optional("version", entry.version) + _optional("alias", entry.alias)
            return f"\n[[delete]]\n{self._ref(entry.name, entry.partition)}{what}"
        if isinstance(entry, SpanEntry):
            return f'\n[[span]]\nopen = "{entry.open}"\n{_optional("close", entry.close)}label = {quote(entry.label)}\n'
        assert isinstance(entry, DeclareEntry)
        granularity = _optional("granularity", entry.granularity and entry.granularity.value)
        described = _optional("type", entry.type) + _optional("description", entry.description)
        keys = ", ".join(map(quote, entry.keys))
        return f"\n[[declare]]\nname = {quote(entry.name)}\nkeys = [{keys}]\n{granularity}{described}"

    def _ref(self, name: str, partition: Partition) -> str:
        return f"name = {quote(name)}\n{self._partition(partition) if partition != EMPTY else ''}"

    def _partition(self, partition: Partition) -> str:
        text = self._partitions.get(partition)
        if text is None:
            text = self._partitions[partition] = _partition(partition)
        return text


def _single(number: int, time: int, author: str, previous: str, entry: VersionEntry) -> bytes:
    """As :func:`render`, for one entry that needs no check."""
    at = _stamp(check_stamp(time))
    stamp = at if entry.stamp == time else _stamp(check_stamp(entry.stamp))
    part = "" if entry.partition is EMPTY else _partition(entry.partition)
    text = (
        f"cas = {FORMAT}\nsegment = {number}\ntime = {at}\n"
        f'author = {_author(author)}\nprevious = "{previous}"\n{_version(entry, part, stamp)}'
    )
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise RefSyntax("a text in an entry is not Unicode") from None


def _version(entry: VersionEntry, part: str, stamp: str) -> str:
    """The text of a version; ``part`` is that of its partition, ``stamp`` of its stamp."""
    name, _, version, literal, artifact, span, _, write = entry
    quoted = f'"{version}"' if version.isalnum() else quote(version)
    made = "" if span is None else f'span = "{span}"\n'
    return (
        f'\n[[version]]\nname = {quote(name)}\n{part}version = {quoted}\nliteral = "{literal}"\n'
        f'artifact = "{artifact}"\n{made}stamp = {stamp}\nwrite = "{write}"\n'
    )


@lru_cache(maxsize=16)
def _author(author: str) -> str:
    return quote(author)


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    from cas.clock import to_iso

    return f'"{to_iso(second * 1_000_000)[:19]}.'


def _stamp(stamp: int) -> str:
    return f'{_second(stamp // 1_000_000)}{stamp % 1_000_000:06d}Z"'


def _stamps(stamps: Sequence[int]) -> list[str]:
    """The texts of stamps that rise: those of a second have all but their last digits in common."""
    texts: list[str] = []
    while len(texts) < len(stamps):
        start, second = len(texts), stamps[len(texts)] // 1_000_000
        head, base = _second(second), second * 1_000_000
        end = bisect_left(stamps, base + 1_000_000, start)
        texts += [f'{head}{stamp - base:06d}Z"' for stamp in stamps[start:end]]
    return texts


def _partition(partition: Partition) -> str:
    pairs = ", ".join(f"{bare_or_quoted(key)} = {quote(value)}" for key, value in partition.keys)
    keys = f"partitions = {{{pairs}}}\n" if pairs else ""
    return keys + _optional("time", partition.time)


def _optional(key: str, text: str | None) -> str:
    return "" if text is None else f"{key} = {quote(text)}\n"
