"""What objects need: from artifacts down to chunks, and the records of the spans that made them.

Both walks go level by level, so that a remote is asked few large questions, and by hand, since what comes from a remote
may be of any depth. ``look`` answers a level: the kind and, of what has parts, the payload of each key that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from cas.errors import CorruptObject, LimitExceeded, TypeMismatch
from cas.objects import canonical
from cas.objects.ids import Kind
from cas.objects.maps import ChunkMap
from cas.objects.trees import Link, LiteralRef, decode_tree
from cas.spans import records

__all__ = ["Found", "Look", "Walk", "inputs_of", "read_artifact", "walk_content", "walk_lineage"]

_DEEPEST = 10_000
_STORED = "stored"  # the type of such a literal
_ROW = 36  # a chunk in a map or part: its id and its length


class Found(NamedTuple):
    """An object that is there; ``payload`` is None where the kind has no parts."""

    kind: Kind
    payload: bytes | None


Look = Callable[[Collection[bytes], "Kind | None"], Mapping[bytes, Found]]
"""From keys to what is there of them. With a kind, only that kind counts, and no payload is due."""


class Walk:
    """What a walk saw: every key by its kind, in the order met, those that are missing, and who needs what."""

    def __init__(self) -> None:
        self.kinds: dict[bytes, Kind] = {}
        self.missing: set[bytes] = set()
        self.spans: set[bytes] = set()
        self.maps: dict[bytes, bytes] = {}
        """The payload of every map met, by blob."""
        self.stored: dict[bytes, None] = {}
        """The records of values that storages outside keep (blobs)."""
        self._parts: dict[bytes, Collection[bytes]] = {}

    def broken(self, roots: Iterable[bytes]) -> set[bytes]:
        """Those of the roots that need something missing."""
        if not self.missing:
            return set()
        return {root for root in roots if self._needs_missing(root)}

    def lacking(self, root: bytes) -> set[bytes]:
        """What is missing of all that a root needs."""
        return self.below(root) & self.missing

    def below(self, root: bytes) -> set[bytes]:
        """All that a root needs, itself included."""
        seen: set[bytes] = set()
        stack = [root]
        while stack:
            key = stack.pop()
            if key not in seen:
                seen.add(key)
                stack.extend(self._parts.get(key, ()))
        return seen

    def _needs_missing(self, root: bytes) -> bool:
        return not self.missing.isdisjoint(self.below(root))


def walk_content(
    keys: Iterable[bytes], look: Look, *, kind: Kind | None = None, deep: Callable[[Found], bool] = lambda _: True
) -> Walk:
    """All that objects (of one kind, where given) need: contents, cards, members, chunks.

    ``deep`` says of what has parts whether they are wanted. Raises CorruptObject and its kin, LimitExceeded.
    """
    walk = Walk()
    level: list[bytes] = list(dict.fromkeys(keys))
    expected: dict[bytes, Kind | None] = dict.fromkeys(level, kind)
    for _ in range(_DEEPEST):
        level = [key for key in level if key not in walk.kinds and key not in walk.missing]
        if not level:
            return walk
        level = _next_level(walk, level, expected, look, deep)
    raise LimitExceeded(f"trees nested more than {_DEEPEST} deep")


def _next_level(
    walk: Walk, level: list[bytes], expected: dict[bytes, Kind | None], look: Look, deep: Callable[[Found], bool]
) -> list[bytes]:
    found = look(level, None)
    following: dict[bytes, None] = {}
    chunks: dict[bytes, None] = {}
    for key in level:
        one = found.get(key)
        if one is None:
            walk.missing.add(key)
            continue
        due = expected.get(key)
        if due is not None and one.kind is not due:
            raise TypeMismatch(f"{key.hex()} is a {one.kind.name.lower()}, not a {due.name.lower()}")
        walk.kinds[key] = one.kind
        if one.payload is None:
            continue
        if not deep(one):
            continue
        parts = _parts(walk, key, one, expected)
        walk._parts[key] = parts
        (chunks if one.kind in (Kind.MAP, Kind.PART) and _holds_chunks(one) else following).update(dict.fromkeys(parts))
    _take_chunks(walk, chunks, look)
    return list(following)


def _take_chunks(walk: Walk, chunks: Mapping[bytes, None], look: Look) -> None:
    """Chunks have no parts, so they need no level of their own."""
    wanted = [key for key in chunks if walk.kinds.get(key) is not Kind.BLOB]
    if not wanted:
        return
    found = look(wanted, Kind.BLOB)
    walk.missing.update(key for key in wanted if key not in found)
    # Where a chunk is a blob of its own that others cut, its map is what the walk must not forget.
    walk.kinds.update({key: Kind.BLOB for key in wanted if key in found and key not in walk.kinds})


def _parts(walk: Walk, key: bytes, found: Found, expected: dict[bytes, Kind | None]) -> list[bytes]:
    assert found.payload is not None
    if found.kind is Kind.ARTIFACT:
        content, cards, span = read_artifact(found.payload)
        if span is not None:
            walk.spans.add(span)
        return [content, *cards]
    if found.kind is Kind.TREE:
        members = [member for member in decode_tree(found.payload).values() if not isinstance(member, Link)]
        walk.stored.update((one.id, None) for one in members if isinstance(one, LiteralRef) and one.type == _STORED)
        return [member.id for member in members]
    if found.kind is Kind.MAP:
        if found.payload[:32] != key:
            raise CorruptObject(f"the chunk map under {key.hex()} is another blob's")
        walk.maps[key] = found.payload
        chunks = ChunkMap(found.payload, lambda _: b"")
        if chunks.level:
            parts = chunks.parts()
            expected.update(dict.fromkeys(parts, Kind.PART))
            return list(parts)
        return [chunk.id for chunk in chunks.chunks()]
    if found.kind is Kind.PART:
        if not found.payload or len(found.payload) % _ROW:
            raise CorruptObject(f"the part {key.hex()} of a chunk map does not consist of whole rows")
        return [found.payload[at : at + 32] for at in range(0, len(found.payload), _ROW)]
    return []


def _holds_chunks(found: Found) -> bool:
    return found.kind is Kind.PART or (found.payload is not None and len(found.payload) > 40 and not found.payload[40])


def read_artifact(payload: bytes) -> tuple[bytes, list[bytes], bytes | None]:
    """(content id, blob of each card, span) of an artifact record. Raises TypeMismatch where it is none."""
    form = canonical.decode(payload)
    try:
        content = form["literal"][2]
        cards = [card[1] for card in form.get("cards", {}).values()]
        span = form.get("span")
        if all(_is_id(one) for one in (content, *cards, *(() if span is None else (span,)))):
            return content, cards, span
    except (AttributeError, IndexError, KeyError, TypeError):
        pass
    raise TypeMismatch("malformed artifact record")


def walk_lineage(spans: Iterable[bytes], look: Look) -> Walk:
    """The records of spans, opening or closing: all that those name, and the records alone of what they read and made.

    What is missing is missing: lineage keeps records alive where they are, and never bytes.
    """
    walk = Walk()
    level = list(dict.fromkeys(spans))
    artifacts: dict[bytes, None] = {}
    for _ in range(_DEEPEST):
        level = [key for key in level if key not in walk.kinds and key not in walk.missing]
        if not level:
            break
        found = look(level, None)
        following: dict[bytes, None] = {}
        for key in level:
            one = found.get(key)
            if one is None or one.kind is not Kind.SPAN or one.payload is None:
                walk.missing.add(key)
                continue
            walk.kinds[key] = one.kind
            following.update(dict.fromkeys(_span_parts(one.payload, artifacts)))
        level = list(following)
    else:
        raise LimitExceeded(f"spans linked more than {_DEEPEST} deep")
    wanted = [key for key in artifacts if key not in walk.kinds]
    for key, one in look(wanted, Kind.ARTIFACT).items() if wanted else ():
        walk.kinds[key] = one.kind
    return walk


def _span_parts(payload: bytes, artifacts: dict[bytes, None]) -> list[bytes]:
    record: Any = records.decode(payload)
    if isinstance(record, records.SpanOpen):
        return [record.parent] if record.parent is not None else []
    artifacts.update(dict.fromkeys(one.artifact for one in record.inputs if _is_id(one.artifact)))
    artifacts.update(dict.fromkeys(one.artifact for one in record.outputs if _is_id(one.artifact)))
    linked = [record.span, *record.parents, *record.children]
    return [*linked, record.previous] if _is_id(record.previous) else linked


def inputs_of(spans: Iterable[bytes], look: Look) -> set[bytes]:
    """The artifacts that closing records name as inputs."""
    found = look(list(dict.fromkeys(spans)), None)
    inputs: set[bytes] = set()
    for one in found.values():
        if one.kind is Kind.SPAN and one.payload is not None:
            record: Any = records.decode(one.payload)
            if isinstance(record, records.SpanClose):
                inputs.update(link.artifact for link in record.inputs if link.artifact is not None)
    return inputs


def _is_id(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 32
