"""Checkpoints: all entries of segments 1 … n in columns, so that a long log need not be read from its beginning.

    file = Arrow IPC stream, then B(the stream): 32 bytes          refs/<project>/<domain>/<20-digit n>.arrow

The stream's schema metadata holds ``cas`` (the form, 1), ``segment`` (n) and ``digest`` (of segment n, which segment
n+1 names). Checkpoints are derived: one that is missing, damaged or of a later form is passed over.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from cas.errors import LimitExceeded, RefRollback, RefSyntax
from cas.refs.checks import check_entries
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, Entry, SpanEntry, VersionEntry, in_order
from cas.refs.grammar import parse
from cas.refs.log import NOTHING, RefLog
from cas.refs.names import shown
from cas.refs.partitions import EMPTY, Granularity, Partition
from cas.refs.store import LogStore

if TYPE_CHECKING:
    import pyarrow as pa

    from cas.refs.segments import Segment

__all__ = ["Checkpoint", "decode", "exists", "read", "replay", "write"]

FORM = b"1"
MAX_BYTES = 1 << 32
_CODES = {8: "B", 64: "q"}
_FILE = re.compile(r"([0-9]{20})\.arrow")
_KINDS: tuple[type, ...] = (VersionEntry, AliasEntry, DeleteEntry, SpanEntry, DeclareEntry)


class Checkpoint(NamedTuple):
    """All entries up to segment ``number``, in order, and that segment's digest."""

    number: int
    digest: str
    entries: tuple[Entry, ...]


def write(store: LogStore, log: RefLog, upto: int, tail: Sequence[Segment] = ()) -> bool:
    """Write the checkpoint of segments 1 … ``upto``; False where there is one already.

    ``tail`` is what the caller has of them already, one after another: these need not be read. Raises RefRollback when
    the log has no segment ``upto``, or its chain does not hold.
    """
    checkpoint = _collect(read(store, log, upto), log, upto, tail)
    if checkpoint.number < upto:
        raise RefRollback(f"the ref log {log.project}/{log.domain} ends at segment {checkpoint.number}, not {upto}")
    return store.create(_path(log, upto), _encode(checkpoint))


def read(store: LogStore, log: RefLog, upto: int | None = None) -> Checkpoint | None:
    """The newest valid checkpoint (of at most segment ``upto``); None where there is none."""
    for number in _numbers(store, log):
        if upto is None or number <= upto:
            try:
                return decode(store.read(_path(log, number)), number)
            except (FileNotFoundError, RefSyntax, LimitExceeded):
                continue
    return None


def replay(store: LogStore, log: RefLog) -> Checkpoint:
    """All entries of a log as it stands: its newest checkpoint, and the segments after that."""
    return _collect(read(store, log), log, None)


def exists(store: LogStore, log: RefLog, number: int) -> bool:
    """Whether a log has a checkpoint at a segment."""
    return store.exists(_path(log, number))


def _collect(start: Checkpoint | None, log: RefLog, upto: int | None, tail: Sequence[Segment] = ()) -> Checkpoint:
    number, digest, kept = start or Checkpoint(0, NOTHING, ())
    entries = list(kept)
    if upto is None or number < upto:
        for segment in _after(log, number, digest, tail):
            number, digest = segment.number, segment.digest
            entries.extend(segment.entries)
            if number == upto:
                break
    return Checkpoint(number, digest, tuple(in_order(entries)))


def _after(log: RefLog, number: int, digest: str, tail: Sequence[Segment]) -> Iterator[Segment]:
    """The segments after one: from the tail where that continues what was read, else read."""
    while True:
        if tail and tail[0].number <= number + 1 <= tail[-1].number:
            rest = tail[number + 1 - tail[0].number :]
            if rest[0].previous == digest:
                yield from rest
                number, digest = rest[-1].number, rest[-1].digest
        segment = next(log.after(number, digest), None)
        if segment is None:
            return
        yield segment
        number, digest = segment.number, segment.digest


def _path(log: RefLog, number: int) -> str:
    return f"{log.directory}{number:020d}.arrow"


def _numbers(store: LogStore, log: RefLog) -> list[int]:
    start = len(log.directory)
    found = (_FILE.fullmatch(info.name, start) for info in store.list(log.directory))
    return sorted((int(file[1]) for file in found if file), reverse=True)


# --- entries ↔ columns -------------------------------------------------------------------------------


def _schema() -> pa.Schema:
    import pyarrow as pa

    texts = ("name", "partition", "version", "alias", "label", "granularity", "type", "description")
    ids = ("literal", "artifact", "span", "close")  # span: that made a version, or the opening record itself
    lists = [pa.field("keys", pa.list_(pa.string())), pa.field("replaces", pa.list_(pa.binary(16)))]
    return pa.schema(
        [
            pa.field("kind", pa.uint8()),
            pa.field("stamp", pa.int64()),
            pa.field("write", pa.binary(16)),
            *(pa.field(name, pa.string()) for name in texts),
            *(pa.field(name, pa.binary(32)) for name in ids),
            *lists,
        ]
    )


def _encode(checkpoint: Checkpoint) -> bytes:
    import pyarrow as pa

    metadata = {"cas": FORM, "segment": str(checkpoint.number), "digest": checkpoint.digest}
    schema = _schema().with_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        for number, kind in enumerate(_KINDS):
            group = [entry for entry in checkpoint.entries if type(entry) is kind]
            if group:
                stream.write_batch(_batch(schema, number, group))
    content: bytes = sink.getvalue().to_pybytes()
    return content + blake3(content).digest()


def _batch(schema: pa.Schema, number: int, group: list[Any]) -> pa.RecordBatch:
    """One kind's entries as a batch: the columns that kind has, and nulls in the others."""
    import pyarrow as pa

    columns: dict[str, Any] = {"kind": [number] * len(group)}
    for field, values in zip(group[0]._fields, zip(*group, strict=True), strict=True):
        column = "span" if field == "open" else field
        if field == "partition":
            texts = {partition: partition.text for partition in set(values)}
            columns[column] = [texts[value] for value in values]
        elif pa.types.is_fixed_size_binary(schema.field(column).type):
            columns[column] = _id_column(values, schema.field(column).type)
        elif field == "replaces":
            columns[column] = [[bytes.fromhex(write) for write in value] for value in values]
        elif field == "granularity":
            columns[column] = [value and value.value for value in values]
        else:
            columns[column] = list(values)
    arrays = []
    for column in schema:
        given = columns.get(column.name)
        arrays.append(pa.nulls(len(group), column.type) if given is None else _column(given, column.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(values: Any, kind: pa.DataType) -> pa.Array:
    """An Arrow array made from its buffers: pa.array(list) would import pandas, for a second of the writer's time."""
    import pyarrow as pa

    if isinstance(values, pa.Array):
        return values
    if pa.types.is_list(kind):
        flat = [item for value in values for item in value]
        child = (
            _id_column(tuple(item.hex() for item in flat), kind.value_type)
            if pa.types.is_fixed_size_binary(kind.value_type)
            else _column(flat, kind.value_type)
        )
        offsets = array("i", accumulate(map(len, values), initial=0))
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(offsets)], children=[child])
    if not pa.types.is_string(kind):
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(array(_CODES[kind.bit_width], values))])
    texts = [(value or "").encode() for value in values]
    offsets = array("i", accumulate(map(len, texts), initial=0))
    buffers = [_presence(values), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(kind, len(texts), buffers)


def _presence(values: Sequence[object]) -> pa.Buffer | None:
    """The validity bitmap of a column; None where nothing is missing."""
    import pyarrow as pa

    if None not in values:
        return None
    bits = "".join(["0" if value is None else "1" for value in reversed(values)])
    return pa.py_buffer(int(bits, 2).to_bytes((len(values) + 7) // 8, "little"))


def _id_column(values: tuple[str | None, ...], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    nothing = "00" * kind.byte_width
    content = pa.py_buffer(bytes.fromhex("".join([value or nothing for value in values])))
    return pa.Array.from_buffers(kind, len(values), [_presence(values), content])


def decode(content: bytes, number: int) -> Checkpoint:
    """The checkpoint of a segment that the bytes hold. Raises RefSyntax or LimitExceeded for anything else."""
    import pyarrow as pa

    if len(content) > MAX_BYTES:
        raise LimitExceeded(f"a checkpoint of {len(content)} bytes")
    stream = memoryview(content)[:-32]
    if blake3(stream).digest() != content[-32:]:
        raise RefSyntax(f"checkpoint {number} is damaged")
    entries: list[Entry] = []
    try:
        with pa.ipc.open_stream(pa.py_buffer(stream)) as reader:
            metadata = reader.schema.metadata or {}
            if metadata.get(b"cas") != FORM or metadata.get(b"segment") != str(number).encode():
                raise RefSyntax(f"checkpoint {number} is of another form or segment")
            if not reader.schema.equals(_schema()):
                raise RefSyntax(f"checkpoint {number} has other columns")
            for batch in reader:
                batch.validate(full=True)
                if batch.num_rows:
                    entries.extend(_entries(batch))
    except (pa.ArrowException, ValueError, TypeError, IndexError, KeyError, OSError) as error:
        raise RefSyntax(f"checkpoint {number} cannot be read: {error}") from None
    check_entries(entries, unique=False)
    digest = metadata.get(b"digest", b"").decode("ascii", "replace")
    if len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise RefSyntax(f"checkpoint {number} has no digest")
    return Checkpoint(number, digest, tuple(in_order(entries)))


def _entries(batch: pa.RecordBatch) -> list[Any]:
    kinds = set(batch.column("kind").to_pylist())
    if len(kinds) != 1:
        raise RefSyntax("a batch of a checkpoint mixes kinds")
    kind: Any = _KINDS[kinds.pop()]
    columns: list[list[Any]] = []
    for field in kind._fields:
        column = batch.column("span" if field == "open" else field)
        if field == "partition":
            texts = _plain(column)
            parsed = {text: _partition(text) for text in set(texts)}
            columns.append([parsed[text] for text in texts])
        elif column.type.id == _fixed():
            columns.append(_hex_column(column))
        elif field == "keys":
            columns.append([tuple(value) for value in column.to_pylist()])
        elif field == "replaces":
            columns.append([tuple(write.hex() for write in value) for value in column.to_pylist()])
        elif field == "granularity":
            columns.append([None if value is None else Granularity(value) for value in column.to_pylist()])
        else:
            columns.append(_plain(column))
    return list(map(kind._make, zip(*columns, strict=True)))


def _fixed() -> int:
    import pyarrow as pa

    return int(pa.binary(1).id)


def _plain(column: pa.Array) -> list[Any]:
    # A tenth of the time of to_pylist, which makes an Arrow scalar of each value first.
    values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
    return values


def _hex_column(column: pa.Array) -> list[str | None]:
    if column.null_count:
        return [None if value is None else value.hex() for value in column.to_pylist()]
    digits = 2 * column.type.byte_width
    start = column.offset * digits
    text = memoryview(column.buffers()[1]).hex()
    return [text[place : place + digits] for place in range(start, start + len(column) * digits, digits)]


def _partition(text: str) -> Partition:
    parsed = parse(f"n@{text}").partition if text else EMPTY
    if parsed.text != text:
        raise RefSyntax(f"{shown(text)} in a checkpoint is not a partition in its normal form")
    return parsed
