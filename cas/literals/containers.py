"""Codecs of list, dict, tuple, set and frozenset: a blob when all within is plain, else a tree.

The tree has the member ``value``, a plain value in which an extension type stands for each child by its index, and the
children as literals named ``0``, ``1``, … in the order of their literal ids, so that equal values give equal trees.
"""

from __future__ import annotations

from typing import Any

from cas.errors import CodecError
from cas.literals.codec import Codec, Content, Decoding, Encoding, read_bounded, read_members, write_members
from cas.literals.literal import Literal
from cas.literals.plain import PLAIN, Rewriter, child_form, decode_plain, encode_flat, is_flat
from cas.objects.ids import Kind

__all__ = ["DICT", "FROZENSET", "LIST", "SET", "TUPLE", "ContainerCodec"]

_SKELETON = "value"


class ContainerCodec(Codec):
    """A container; its members may be of any type that has a codec."""

    def __init__(self, kind: type) -> None:
        self.type = PLAIN[kind]  # type: ignore[misc]  # one class serves the five types
        self.types = (kind,)  # type: ignore[misc]
        self._kind = kind

    def write(self, value: Any, encoding: Encoding) -> Content:
        content, children = _encode(value, encoding)
        if not children:
            return Content(encoding.writer.put_blob(content), len(content))
        from cas.objects.trees import LiteralRef

        entries = {
            str(index): LiteralRef(child.content, child.size, child.type, child.codec)
            for index, child in enumerate(children)
        }
        return write_members({_SKELETON: content}, encoding.writer, entries)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        content = decoding.store.small(literal.content)
        if content is not None:
            value = decode_plain(content)
        elif decoding.store.kind(literal.content) is not Kind.TREE:
            value = decode_plain(read_bounded(literal.content, decoding.store, f"a {literal.type}"))
        else:
            value = _read_tree(literal, decoding)
        if type(value) is not self._kind:
            raise CodecError(f"content of a {literal.type} is a {type(value).__name__}")
        return value


LIST = ContainerCodec(list)
DICT = ContainerCodec(dict)
TUPLE = ContainerCodec(tuple)
SET = ContainerCodec(set)
FROZENSET = ContainerCodec(frozenset)


def _encode(value: object, encoding: Encoding) -> tuple[bytes, list[Literal]]:
    """The skeleton and the children in order. Two passes: the children's ids decide their places."""
    if is_flat(value):
        try:
            return encode_flat(value), []
        except (OverflowError, UnicodeEncodeError):
            pass  # a big integer, or a surrogate: the slow path takes the one and names the other
    # id() keys hold while `value` does: it refers to every child.
    children: dict[int, Literal] = {}

    def collect(member: object, path: str) -> object:
        if id(member) not in children:
            children[id(member)] = encoding.child(member, encoding.name + path)
        return None

    content = Rewriter(collect, encoding.name).encode(value)
    if not children:
        return content, []
    ranked = sorted({child.id: child for child in children.values()}.items())
    places = {literal_id: place for place, (literal_id, _) in enumerate(ranked)}
    content = Rewriter(lambda member, _: child_form(places[children[id(member)].id]), encoding.name).encode(value)
    return content, [child for _, child in ranked]


def _read_tree(literal: Literal, decoding: Decoding) -> Any:
    from cas.objects.trees import Blob, LiteralRef

    members = read_members(literal, decoding.store)
    skeleton = members.pop(_SKELETON, None)
    if not isinstance(skeleton, Blob) or set(members) != set(map(str, range(len(members)))):
        raise CodecError(f"tree of a {literal.type} does not have the members value, 0, 1, …")

    seen: set[int] = set()

    def child(index: int) -> object:
        entry = members.get(str(index))
        if not isinstance(entry, LiteralRef):
            raise CodecError(f"tree of a {literal.type} has no literal {index}")
        if index in seen and decoding.budget is not None:
            decoding.budget.spend(entry.size)
        seen.add(index)
        return decoding.child(Literal(entry.type, entry.version, entry.id, entry.size))

    return decode_plain(read_bounded(skeleton.id, decoding.store, f"the skeleton of a {literal.type}"), child)
