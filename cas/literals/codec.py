"""What a codec is: the one class that users subclass, and what it is handed."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from cas.errors import CodecError, LimitExceeded
from cas.literals.literal import Literal
from cas.literals.ports import Bytes, Store, Writer
from cas.objects.ids import Kind, ObjectId

if TYPE_CHECKING:
    from cas.objects.trees import TreeEntry

__all__ = ["Budget", "Codec", "Content", "Decoding", "Encoding", "Members", "read_bounded", "read_members"]

MAX_SMALL = 1 << 30
MAX_UNFOLDED = 1 << 33
_SMALL = 1 << 16


class Content(NamedTuple):
    """Where a value went: the id of a blob or tree, and its size in bytes."""

    id: ObjectId
    size: int


class Encoding(NamedTuple):
    """One encoding under way: where objects go, what the value is called in errors, and what is allowed."""

    writer: Writer
    name: str
    allow_pickle: bool
    child: Callable[[object, str], Literal]


class Budget:
    """How much one decoding may unfold: a child that stands in many places is read anew for each of them.

    Without a bound, a few small objects that refer to each other many times would fill any memory.
    """

    def __init__(self, left: int = MAX_UNFOLDED) -> None:
        self._left = left

    def spend(self, size: int) -> None:
        """Take a child's size in bytes, and something for the objects around it. Raises LimitExceeded."""
        self._left -= size + 1024
        if self._left < 0:
            raise LimitExceeded(f"the repeated parts of a stored value unfold to more than {MAX_UNFOLDED >> 30} GiB")


class Decoding(NamedTuple):
    """One decoding under way: where objects come from, what is allowed, and how much repeated parts may take."""

    store: Store
    allow_pickle: bool
    child: Callable[[Literal], object]
    budget: Budget | None = None


class Codec:
    """Turns values of some Python types into bytes and back.

    Subclass it, name the stored ``type`` and the Python ``types``, write ``encode`` and ``decode``, register one
    instance. ``encode`` returns bytes, or a mapping of member names to bytes (each then deduplicates by itself), and
    ``decode`` is handed the same. Equal values must give equal bytes.

    >>> import cas
    >>> class Point:
    ...     def __init__(self, x, y):
    ...         self.x, self.y = x, y
    >>> class PointCodec(cas.Codec):
    ...     type = "example.Point"
    ...     types = (Point,)
    ...     def encode(self, value):
    ...         return f"{value.x},{value.y}".encode()
    ...     def decode(self, content):
    ...         return Point(*map(int, content.decode().split(",")))
    >>> cas.register(PointCodec())

    ``type`` is stored and must never mean anything else; raise ``version`` when the bytes change, and keep the codec of
    the old version registered too, so that old values can still be read. ``types`` match exactly, ``bases`` also match
    subclasses; either may be given as ``"module.Name"``, so that nothing heavy is imported for it. A ``decode`` must
    never run code that the bytes name.
    """

    type: ClassVar[str] = ""
    version: ClassVar[int] = 1
    types: ClassVar[tuple[builtins.type[Any] | str, ...]] = ()
    bases: ClassVar[tuple[builtins.type[Any] | str, ...]] = ()

    def encode(self, value: Any) -> Bytes | Mapping[str, Bytes]:
        """The value's bytes, or a mapping of member names to bytes."""
        raise CodecError(f"codec {self.type} cannot encode a {type(value).__name__}")

    def decode(self, content: Any) -> Any:
        """Inverse of ``encode``: given bytes, or a dict of bytes."""
        raise CodecError(f"codec {self.type} cannot decode a {type(content).__name__}")

    def choose(self, value: Any) -> Codec:  # noqa: ARG002 (for codecs that look at the value)
        """The codec for this very value: this one, unless a type's values are stored under several type tags."""
        return self

    def write(self, value: Any, encoding: Encoding) -> Content:
        """Store the value; override it only to stream or to hold other values."""
        content = self.encode(value)
        if isinstance(content, Mapping):
            return write_members(content, encoding.writer)
        if not isinstance(content, (bytes, bytearray, memoryview)):
            raise CodecError(f"codec {self.type} encoded {encoding.name} as {type(content).__name__}, not bytes")
        return Content(encoding.writer.put_blob(content), memoryview(content).nbytes)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        """Load the value; override it only together with ``write``."""
        store = decoding.store
        content = store.small(literal.content)
        if content is not None:
            return self.decode(content)
        if store.kind(literal.content) is Kind.TREE:
            members = read_members(literal, store)
            return self.decode({name: store.read(entry.id, Kind.BLOB) for name, entry in members.items()})
        return self.decode(store.read(literal.content, Kind.BLOB))


class Members:
    """The members of a stored tree, each blob read when it is asked for."""

    def __init__(self, entries: Mapping[str, Any], store: Store) -> None:
        self.entries = entries
        self.store = store

    def get(self, name: str) -> bytes | None:
        """A member's bytes, or None where there is no such member."""
        from cas.objects.trees import Blob

        entry = self.entries.get(name)
        if entry is None:
            return None
        if not isinstance(entry, Blob):
            raise CodecError(f"member {name} is not a blob")
        content = self.store.read(entry.id, Kind.BLOB)
        if len(content) != entry.size:
            raise CodecError(f"member {name} has {len(content)} bytes, not {entry.size}")
        return content


def write_members(
    members: Mapping[str, Bytes], writer: Writer, others: Mapping[str, TreeEntry] | None = None
) -> Content:
    """A tree of blobs, all written in one go, and of ``others``, entries made before."""
    from cas.objects.trees import Blob

    views = {name: _octets(content) for name, content in members.items()}
    ids = writer.put_blobs(list(views.values()))
    entries: dict[str, TreeEntry] = dict(others or {})
    for (name, view), blob in zip(views.items(), ids, strict=True):
        entries[name] = Blob(blob, len(view))
    return Content(*writer.put_tree(entries))


def _octets(content: Bytes) -> bytes | memoryview:
    """The bytes as they are now: small ones copied, since a writer may keep them for a while."""
    view = memoryview(content)
    return view.cast("B") if view.nbytes > _SMALL else view.tobytes()


def read_members(literal: Literal, store: Store) -> dict[str, Any]:
    """The entries of a literal's tree: blobs and literals. Raises CodecError when it is not one."""
    from cas.objects.trees import Blob, LiteralRef, decode_tree, tree_size

    if store.kind(literal.content) is not Kind.TREE:
        raise CodecError(f"content of a {literal.type} is not a tree")
    entries = decode_tree(store.read(literal.content, Kind.TREE))
    for name, entry in entries.items():
        if not isinstance(entry, (Blob, LiteralRef)):
            raise CodecError(f"member {name} of a {literal.type} is neither a blob nor a literal")
    if tree_size(entries) != literal.size:
        raise CodecError(f"the members of a {literal.type} do not have the size that is said of them")
    return entries


def read_bounded(content: ObjectId, store: Store, what: str, limit: int = MAX_SMALL) -> bytes:
    """A blob that must fit in memory several times over. Raises LimitExceeded beyond ``limit`` bytes."""
    size = store.size(content)
    if size > limit:
        raise LimitExceeded(f"{what} has {size} bytes; at most {limit} are read")
    return store.read(content, Kind.BLOB)
