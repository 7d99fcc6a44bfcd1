"""The literal: a typed value's address (docs/format.md, Ids). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

from blake3 import blake3

from cas.errors import CodecError
from cas.objects.ids import LiteralId, ObjectId

__all__ = ["Columns", "Literal", "literal_ids", "packed_head"]

_CONTEXT = "cas-store 2026 literal v1"
_BIN32 = b"\xc4\x20"
_FRESH = blake3(derive_key_context=_CONTEXT)  # copied, which saves absorbing the context again


class Literal(NamedTuple):
    """Type tag, codec version, id of the content (a blob or a tree) and its size in bytes.

    ``id`` follows from the first three; the size takes no part in it.
    """

    type: str
    codec: int
    content: ObjectId
    size: int

    @property
    def id(self) -> LiteralId:
        """The literal's id, 32 bytes."""
        tag, codec, content, _ = self
        return _FRESH.copy().update(_head(tag, codec) + content).digest()  # type: ignore[return-value]

    @property
    def array(self) -> list[object]:
        """The literal array, as records hold it."""
        return list(self)

    @classmethod
    def from_array(cls, array: Sequence[object]) -> Literal:
        """Inverse of ``array``. Raises CodecError on any other shape."""
        if isinstance(array, (list, tuple)) and len(array) == 4:
            tag, codec, content, size = array
            if (
                isinstance(tag, str)
                and isinstance(codec, int)
                and isinstance(content, bytes)
                and isinstance(size, int)
                and (tag and 0 < codec < 128 and size >= 0 and len(content) == 32)
            ):
                return cls(tag, codec, ObjectId(content), size)
        raise CodecError(f"not a literal array: {array!r:.120}")


class Columns(NamedTuple):
    """Many literals of one codec version: their type tags, content ids and sizes, and that version."""

    types: Sequence[str]
    codec: int
    contents: Sequence[ObjectId]
    sizes: Sequence[int]

    def rows(self) -> Iterator[tuple[str, int, ObjectId, int]]:
        """What each literal is made of, in order."""
        return zip(self.types, repeat(self.codec), self.contents, self.sizes, strict=False)


def literal_ids(literals: Iterable[tuple[str, int, ObjectId, int]]) -> list[LiteralId]:
    """The ids of many literals, in order."""
    hasher = _FRESH.copy()
    update, digest, reset = hasher.update, hasher.digest, hasher.reset
    ids = []
    last, head = ("", 0), b""
    for tag, codec, content, _ in literals:
        if (tag, codec) != last:
            last, head = (tag, codec), _head(tag, codec)
        update(head + content)
        ids.append(digest())
        reset()
    return ids  # type: ignore[return-value]  # NewType costs a call per id


def packed_head(tag: str, codec: int) -> bytes:
    """The canonical encoding of what stands before a content id: type tag, codec version, and that 32 bytes follow."""
    return _head(tag, codec)[1:]


@lru_cache(maxsize=1024)
def _head(tag: str, codec: int) -> bytes:
    """All that is hashed but the content id."""
    name = tag.encode()
    if len(name) > 255 or not 0 < codec < 128:
        raise CodecError(f"type tag {tag!r:.80} is too long, or codec version {codec} not in 1 … 127")
    length = bytes([0xA0 | len(name)]) if len(name) < 32 else bytes([0xD9, len(name)])
    return b"\x93" + length + name + bytes([codec]) + _BIN32
