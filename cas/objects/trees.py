"""Trees: directories and composite values (docs/format.md, Trees). Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cas.errors import CasError, CodecError, CorruptObject, PathEscape
from cas.objects import canonical
from cas.objects.ids import BlobId, ObjectId, TreeId

__all__ = ["Blob", "Link", "LiteralRef", "Tree", "TreeEntry", "decode_tree", "encode_tree", "tree_size"]

_MAX_SIZE = (1 << 64) - 1


class Blob(NamedTuple):
    """A file: the blob of its bytes, its size in bytes, its permission bits (0 where it is no file)."""

    id: BlobId
    size: int
    mode: int = 0


class Tree(NamedTuple):
    """A directory: its tree, the bytes of all that is below, its permission bits."""

    id: TreeId
    size: int
    mode: int = 0


class Link(NamedTuple):
    """A symbolic link and the text it points to."""

    target: str


class LiteralRef(NamedTuple):
    """A literal of any type: its content's id, its size in bytes, its type tag and codec version."""

    id: ObjectId
    size: int
    type: str
    version: int


TreeEntry = Blob | Tree | Link | LiteralRef


def encode_tree(members: Mapping[str, TreeEntry]) -> bytes:
    """The payload of a tree. Raises PathEscape for a name that no member may have, CodecError for other faults."""
    plain: dict[str, tuple[object, ...]] = {}
    for name, entry in members.items():
        _check_name(name)
        plain[name] = row = _row(entry)
        _check_row(name, row, CodecError)
    return canonical.encode(plain)


def decode_tree(payload: bytes) -> dict[str, TreeEntry]:
    """The members of a tree, by name. Raises PathEscape for a name that no member may have, CorruptObject."""
    plain = canonical.decode(payload)
    if type(plain) is not dict:
        raise CorruptObject("a tree's payload is not a map")
    members: dict[str, TreeEntry] = {}
    for name, row in plain.items():
        _check_name(name)
        _check_row(name, row, CorruptObject)
        members[name] = _CLASSES[row[0]](*row[1:])
    return members


def tree_size(members: Mapping[str, TreeEntry]) -> int:
    """The bytes of everything below a tree."""
    return sum(0 if isinstance(entry, Link) else entry.size for entry in members.values())


_CLASSES: dict[str, Any] = {"blob": Blob, "tree": Tree, "link": Link, "literal": LiteralRef}
_TAGS: dict[type, str] = {kind: tag for tag, kind in _CLASSES.items()}
_LENGTHS = {"blob": 4, "tree": 4, "link": 2, "literal": 5}


def _row(entry: TreeEntry) -> tuple[object, ...]:
    tag = _TAGS.get(type(entry))
    if tag is None:
        raise CodecError(f"a {type(entry).__name__} is not a tree entry")
    return (tag, *entry)


def _check_name(name: object) -> None:
    if type(name) is not str:
        raise CodecError(f"a tree member's name must be str, not {type(name).__name__}")
    if not name or name in {".", ".."} or "/" in name or "\0" in name:
        raise PathEscape(f"{name!r} cannot be the name of a tree member")


def _check_row(name: str, row: Any, fault: type[CasError]) -> None:
    if not isinstance(row, (list, tuple)) or not row or type(row[0]) is not str or len(row) != _LENGTHS.get(row[0]):
        raise fault(f"tree member {name!r} has an entry of no known form")
    if row[0] == "link":
        if type(row[1]) is not str or not row[1] or "\0" in row[1]:
            raise fault(f"tree member {name!r} is a link without a proper target")
        return
    if type(row[1]) is not bytes or len(row[1]) != 32:
        raise fault(f"tree member {name!r} has no proper id")
    if type(row[2]) is not int or not 0 <= row[2] <= _MAX_SIZE:
        raise fault(f"tree member {name!r} has no proper size")
    if row[0] == "literal":
        if type(row[3]) is not str or not row[3] or type(row[4]) is not int or row[4] < 0:
            raise fault(f"tree member {name!r} has no proper type")
    elif type(row[3]) is not int or not 0 <= row[3] <= 0o777:
        raise fault(f"tree member {name!r} has no proper mode")
