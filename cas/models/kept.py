"""Values that serializers wrote: in the repository, or in a storage outside it (docs/format.md, Models).

One in the repository is a literal of type ``serialized``: a tree of the blob ``bytes`` and ``by``, the canonical list
of the serializers' names. One that a storage keeps is a literal of type ``stored``: the canonical map of ``storage``
(its name), ``location``, ``blob`` (the id of the bytes), ``size`` and ``by``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cas.errors import (
    CasError,
    CodecError,
    HashMismatch,
    ObjectNotFound,
    StorageError,
    StorageUnknown,
    UnknownType,
)
from cas.literals import registry
from cas.literals.codec import Codec, Content, Decoding, Encoding, read_bounded, read_members, write_members
from cas.literals.literal import Literal
from cas.literals.plain import decode_plain, encode_plain, is_flat
from cas.literals.ports import Store
from cas.models.fields import FieldSpec
from cas.models.serializers import Serializer, deserialize, on_register, serialize, serializer_for_type
from cas.models.storage import Storage, call, find_storage
from cas.objects.ids import Kind, ObjectId, blob_id
from cas.remotes import outside

__all__ = ["SERIALIZED", "STORED", "Stored", "fetch", "is_plain", "prepare", "read_from", "read_stored"]


class Stored(NamedTuple):
    """What a literal of type ``stored`` says."""

    storage: str
    location: str
    blob: bytes
    size: int
    by: tuple[str, ...]


class SerializedCodec(Codec):
    """Bytes that serializers made, with their names; also of values whose type has a serializer and no codec."""

    type = "serialized"

    def write(self, value: Any, encoding: Encoding) -> Content:
        serializer = serializer_for_type(type(value))
        assert serializer is not None, "only types of registered serializers are served"
        literal = prepare(FieldSpec((serializer,)), value, encoding.name, encoding)()
        return Content(literal.content, literal.size)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        members = read_members(literal, decoding.store)
        if set(members) != {"by", "bytes"}:
            raise CodecError("tree of a serialized value does not have the members by and bytes")
        names = _names(decode_plain(read_bounded(members["by"].id, decoding.store, "the names of serializers")))
        return deserialize(names, decoding.store.read(members["bytes"].id, Kind.BLOB))


class StoredCodec(Codec):
    """Where a storage keeps the bytes that serializers made."""

    type = "stored"

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        return fetch(read_stored(literal, decoding), store=decoding.store)


SERIALIZED = SerializedCodec()
STORED = StoredCodec()


def read_stored(literal: Literal, decoding: Decoding) -> Stored:
    """What a ``stored`` literal says. Raises CodecError."""
    match decode_plain(read_bounded(literal.content, decoding.store, "a stored value's record")):
        case {
            "storage": str(storage),
            "location": str(location),
            "blob": bytes(blob),
            "size": int(size),
            "by": list(by),
            **rest,
        } if not rest:
            return Stored(storage, location, blob, size, _names(by))
    raise CodecError("content of a stored value is not what says where it is")


def fetch(stored: Stored, declared: Storage | str | None = None, store: Store | None = None) -> Any:
    """The value that a storage keeps, its bytes checked; where it cannot be had there, its copy in the repository, if a
    push brought one along.

    Raises StorageUnknown, StorageError, ObjectNotFound, HashMismatch, CodecError.
    """
    try:
        content = bytes(call(find_storage(stored.storage, declared), "read", stored.location))
    except (StorageUnknown, StorageError, ObjectNotFound):
        if store is None:
            raise
        found = _copy(stored, store)
        if found is None:
            raise
        content = found
    if blob_id(content) != stored.blob:
        raise HashMismatch(
            f"storage {stored.storage!r} gave other bytes at {stored.location!r} than were put there",
            hint="restore that object from a copy; the repository itself is whole",
        )
    return deserialize(stored.by, content)


def _copy(stored: Stored, store: Store) -> bytes | None:
    try:
        return store.read(ObjectId(stored.blob), Kind.BLOB)
    except ObjectNotFound:
        return None


def read_from(name: str, location: str) -> bytes:
    """The bytes that a storage keeps at a location, for a push that copies them along."""
    return bytes(call(find_storage(name), "read", location))


def prepare(spec: FieldSpec, value: Any, called: str, encoding: Encoding) -> Callable[[], Literal]:
    """A field's bytes by its serializers, and what is left to do: write them here, or to its storage."""
    chain = spec.serializers or _inferred(value, called)
    try:
        by, content = serialize(chain, value)
    except CasError as fault:
        raise type(fault)(f"{called}: {fault.message}", hint=fault.hint) from fault
    names = encode_plain(list(by))
    if spec.storage is None:
        return lambda: Literal("serialized", 1, *write_members({"by": names, "bytes": content}, encoding.writer))
    storage = spec.storage if isinstance(spec.storage, Storage) else find_storage(spec.storage)

    def write() -> Literal:
        try:
            location = call(storage, "create", content)
        except CasError as fault:
            raise type(fault)(f"{called}: {fault.message}", hint=fault.hint) from fault
        if not isinstance(location, str) or "://" in location:
            raise CodecError(
                f"{called}: storage {storage.name!r} gave {location!r} as a location",
                hint="create() returns a str, and no URL",
            )
        stored = Stored(storage.name, location, blob_id(content), len(content), by)
        record = encode_plain({**stored._asdict(), "by": list(by)})
        return Literal("stored", 1, encoding.writer.put_blob(record), len(record))

    return write


def _inferred(value: Any, called: str) -> tuple[Any, ...]:
    """The serializer for a value that a storage keeps and whose field names none."""
    from cas.models.formats import value_serializer

    found = serializer_for_type(type(value)) or (value_serializer if is_plain(value) else None)
    if found is None:
        raise UnknownType(
            f"{called} is a {type(value).__module__}.{type(value).__qualname__}, and no serializer takes that",
            hint="name one: artifact_field(serializer=…, storage=…)",
        )
    return (found,)


def is_plain(value: Any) -> bool:
    if is_flat(value):
        return True
    try:
        encode_plain(value)
    except CasError:
        return False  # encoded as a value of its own, it goes well or raises with the field's name
    return True


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise CodecError("the names of a value's serializers are not a list of str")
    return tuple(value)


def _serve_types(serializer: Serializer[Any]) -> None:
    """Types that only a serializer knows are then values like any other."""
    for kind in serializer.types:
        if isinstance(kind, type) and kind is not object and registry.codec_of(kind) is None:
            registry.serve(SERIALIZED.type, SERIALIZED.version, kind)


for _codec in (SERIALIZED, STORED):
    registry.register(_codec)
on_register(_serve_types)
# Figures have a given serializer and no codec: they are values before somebody asks for that serializer.
registry.serve(SERIALIZED.type, SERIALIZED.version, "plotly.basedatatypes.BaseFigure", subclasses=True)
outside.reads(read_from)
