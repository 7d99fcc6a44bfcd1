"""Checkpoints: all entries of segments 1 … n in columns, so that a long log need not be read from its beginning.

    file = Arrow IPC stream, then B(the stream): 32 bytes          refs/<project>/<domain>/<20-digit n>.arrow

The stream's schema metadata holds ``cas`` (the form, 1), ``segment`` (n) and ``digest`` (of segment n, which segment
n+1 names). Checkpoints are derived: one that is missing, damaged or of a later form is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from cas.errors import LimitExceeded, RefRollback, RefSyntax
from cas.refs.checks import check_entries
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry, SpanEntry, VersionEntry, in_order
from cas.refs.log import NOTHING, RefLog
from cas.refs.partitions import EMPTY, Granularity, Partition
from cas.refs.store import LogStore

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Checkpoint", "read", "replay", "write"]

FORM = b"1"
MAX_BYTES = 1 << 32
_FILE = re.compile(r"([0-9]{20})\.arrow")
_KINDS: tuple[type, ...] = (VersionEntry, AliasEntry, DeleteEntry, SpanEntry, DeclareEntry)
_BATCH = 1 << 16


class Checkpoint(NamedTuple):
    """All entries up to segment ``number``, in order, and that segment's digest."""

    number: int
    digest: str
    entries: tuple[Entry, ...]


def write(store: LogStore, log: RefLog, upto: int) -> bool:
    """Write the checkpoint of segments 1 … ``upto``; False where there is one already.

    Raises RefRollback when the log has no segment ``upto``, or its chain does not hold.
    """
    checkpoint = _collect(read(store, log, upto), log, upto)
    if checkpoint.number < upto:
        raise RefRollback(f"the ref log {log.project}/{log.domain} ends at segment {checkpoint.number}, not {upto}")
    return store.create(_path(log, upto), _encode(checkpoint))


def read(store: LogStore, log: RefLog, upto: int | None = None) -> Checkpoint | None:
    """The newest valid checkpoint (of at most segment ``upto``); None where there is none."""
    for number in _numbers(store, log):
        if upto is None or number <= upto:
            try:
                return _decode(store.read(_path(log, number)), number)
            except (FileNotFoundError, RefSyntax, LimitExceeded):
                continue
    return None


def replay(store: LogStore, log: RefLog) -> Checkpoint:
    """All entries of a log as it stands: its newest checkpoint, and the segments after that."""
    return _collect(read(store, log), log, None)


def _collect(start: Checkpoint | None, log: RefLog, upto: int | None) -> Checkpoint:
    number, digest, kept = start or Checkpoint(0, NOTHING, ())
    entries = list(kept)
    if upto is None or number < upto:
        for segment in log.after(number, digest):
            number, digest = segment.number, segment.digest
            entries.extend(segment.entries)
            if number == upto:
                break
    return Checkpoint(number, digest, tuple(in_order(entries)))


def _path(log: RefLog, number: int) -> str:
    return f"{log.directory}{number:020d}.arrow"


def _numbers(store: LogStore, log: RefLog) -> list[int]:
    start = len(log.directory)
    found = (_FILE.fullmatch(info.name, start) for info in store.list(log.directory))
    return sorted((int(file[1]) for file in found if file), reverse=True)


# --- entries ↔ columns -------------------------------------------------------------------------------


def _schema() -> pa.Schema:
    import pyarrow as pa

    words, pairs = pa.dictionary(pa.int32(), pa.string()), pa.list_(pa.string())
    id32, write = pa.binary(32), pa.binary(16)
    fields = [
        ("kind", pa.uint8()),
        ("stamp", pa.int64()),
        ("write", write),
        ("name", words),
        ("keys", pairs),  # partition keys and values in turn; the keys of a declaration
        ("time", words),
        ("version", pa.string()),
        ("alias", words),
        ("literal", id32),
        ("artifact", id32),
        ("span", id32),  # that made a version; the opening record of a span
        ("close", id32),
        ("replaces", pa.list_(write)),
        ("label", pa.string()),
        ("granularity", words),
        ("type", words),
        ("description", pa.string()),
    ]
    return pa.schema([pa.field(name, kind) for name, kind in fields])


def _encode(checkpoint: Checkpoint) -> bytes:
    import pyarrow as pa

    metadata = {"cas": FORM, "segment": str(checkpoint.number), "digest": checkpoint.digest}
    schema = _schema().with_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(unify_dictionaries=False)) as stream:
        stream.write_table(pa.table(_columns(checkpoint.entries), schema=schema), max_chunksize=None)
    content: bytes = sink.getvalue().to_pybytes()
    return content + blake3(content).digest()


def _columns(entries: Sequence[Entry]) -> dict[str, list[Any]]:
    rows = [_row(entry) for entry in entries]
    return {field: [row.get(field) for row in rows] for field in _schema().names}


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": _KINDS.index(type(entry)), "stamp": entry.stamp, "write": bytes.fromhex(entry.write)}
    if isinstance(entry, SpanEntry):
        return row | {"span": _bytes(entry.open), "close": _bytes(entry.close), "label": entry.label}
    row["name"] = entry.name
    if isinstance(entry, DeclareEntry):
        granularity = entry.granularity and entry.granularity.value
        described = {"type": entry.type, "description": entry.description}
        return row | {"keys": entry.keys, "granularity": granularity} | described
    row["keys"] = [text for pair in entry.partition.keys for text in pair] or None
    row["time"] = entry.partition.time
    row["version"] = entry.version
    if isinstance(entry, VersionEntry):
        ids = {"literal": _bytes(entry.literal), "artifact": _bytes(entry.artifact), "span": _bytes(entry.span)}
        return row | ids
    row["alias"] = entry.alias
    if isinstance(entry, AliasEntry):
        row["replaces"] = [bytes.fromhex(write) for write in entry.replaces]
    return row


def _decode(content: bytes, number: int) -> Checkpoint:
    """Raises RefSyntax or LimitExceeded for anything but a valid checkpoint of that segment."""
    import pyarrow as pa

    if len(content) > MAX_BYTES:
        raise LimitExceeded(f"a checkpoint of {len(content)} bytes")
    stream, expected = content[:-32], content[-32:]
    if blake3(stream).digest() != expected:
        raise RefSyntax(f"checkpoint {number} is damaged")
    try:
        reader = pa.ipc.open_stream(stream)
        metadata = reader.schema.metadata or {}
        if metadata.get(b"cas") != FORM or metadata.get(b"segment") != str(number).encode():
            raise RefSyntax(f"checkpoint {number} is of another form or segment")
        if not reader.schema.equals(_schema()):
            raise RefSyntax(f"checkpoint {number} has other columns")
        table = reader.read_all()
        table.validate(full=True)
        entries = _entries(table)
    except (pa.ArrowException, ValueError, TypeError, IndexError, OSError) as error:
        raise RefSyntax(f"checkpoint {number} cannot be read: {error}") from None
    check_entries(entries, unique=False)
    digest = metadata.get(b"digest", b"").decode("ascii", "replace")
    if len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise RefSyntax(f"checkpoint {number} has no digest")
    return Checkpoint(number, digest, tuple(in_order(entries)))


def _entries(table: pa.Table) -> list[Entry]:
    partitions: dict[tuple[tuple[str, ...], str | None], Partition] = {}
    entries: list[Entry] = []
    for batch in table.to_batches(max_chunksize=_BATCH):
        rows: Iterable[tuple[Any, ...]] = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        for kind, stamp, write, name, keys, time, version, alias, literal, artifact, span, close, *rest in rows:
            replaces, label, granularity, described, description = rest
            partition = EMPTY
            if kind <= 2 and (keys or time is not None):
                known = (tuple(keys or ()), time)
                if known not in partitions:
                    partitions[known] = _partition(*known)
                partition = partitions[known]
            place = (stamp, write.hex())
            if kind == 0:
                entry: Entry = VersionEntry(name, partition, version, literal.hex(), artifact.hex(), _hex(span), *place)
            elif kind == 1:
                entry = AliasEntry(name, partition, alias, version, tuple(old.hex() for old in replaces), *place)
            elif kind == 2:
                entry = DeleteEntry(name, partition, version, alias, *place)
            elif kind == 3:
                entry = SpanEntry(span.hex(), _hex(close), label, *place)
            else:
                kept = None if granularity is None else Granularity(granularity)
                entry = DeclareEntry(name, tuple(keys or ()), kept, described, description, *place)
            entries.append(entry)
    return entries


def _partition(pairs: tuple[str, ...], time: str | None) -> Partition:
    if len(pairs) % 2 or "time" in pairs[::2]:
        raise RefSyntax("a partition in a checkpoint is not in its form")
    return Partition.of(dict(zip(pairs[::2], pairs[1::2], strict=True)), time)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _hex(content: bytes | None) -> str | None:
    return None if content is None else content.hex()
