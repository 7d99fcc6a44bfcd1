"""Ids and kinds of objects (docs/format.md, Ids). Pure functions; every id is 32 bytes."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NewType

from blake3 import blake3

__all__ = [
    "ArtifactId",
    "BlobId",
    "Kind",
    "LiteralId",
    "ObjectId",
    "SpanId",
    "TreeId",
    "blob_id",
    "object_id",
    "object_ids",
]

ObjectId = NewType("ObjectId", bytes)
BlobId = NewType("BlobId", ObjectId)
TreeId = NewType("TreeId", ObjectId)
ArtifactId = NewType("ArtifactId", ObjectId)
SpanId = NewType("SpanId", ObjectId)
LiteralId = NewType("LiteralId", bytes)


class Kind(IntEnum):
    """The kinds of pack entries, with their number on disk."""

    BLOB = 1
    MAP = 2
    PART = 3
    TREE = 4
    ARTIFACT = 5
    SPAN = 6


_CONTEXTS = {
    Kind.MAP: "cas-store 2026 map v1",
    Kind.PART: "cas-store 2026 map part v1",
    Kind.TREE: "cas-store 2026 tree v1",
    Kind.ARTIFACT: "cas-store 2026 artifact v1",
    Kind.SPAN: "cas-store 2026 span v1",
}
# One hasher per context, copied for each id: absorbing the context again costs a third of a small hash.
_HASHERS = {kind: blake3(derive_key_context=context) for kind, context in _CONTEXTS.items()}


def blob_id(payload: bytes | bytearray | memoryview) -> BlobId:
    """The BLAKE3-256 of the bytes, as b3sum prints it."""
    return blake3(payload).digest()  # type: ignore[return-value]  # NewType costs a call per id


def object_id(kind: Kind, payload: bytes | bytearray | memoryview) -> ObjectId:
    """The id of an object of any kind."""
    if kind is Kind.BLOB:
        return blob_id(payload)
    return _HASHERS[kind].copy().update(payload).digest()  # type: ignore[return-value]


def object_ids(kind: Kind, payloads: Iterable[bytes]) -> list[ObjectId]:
    """The ids of many objects of one kind."""
    # One hasher for all: making one costs more than hashing a small payload does.
    hasher = blake3() if kind is Kind.BLOB else _HASHERS[kind].copy()
    update, digest, reset = hasher.update, hasher.digest, hasher.reset
    ids = []
    for payload in payloads:
        update(payload)
        ids.append(digest())
        reset()
    return ids  # type: ignore[return-value]
