"""Bundles: the segments of a stretch of a log in one file, so that who lags behind reads few files.

``<20-digit n>.bundle`` beside the segments of a remote holds n-7 … n as they are, one after the other; whoever pushes
segment n makes it. It is derived: a reader checks what it holds as it checks segments, takes the last segment of all
from its own file, whose chain vouches for those before it, and passes over a bundle that does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from cas.refs.log import RefLog

__all__ = ["LARGEST", "SPAN", "chosen", "name", "render", "split"]

SPAN = 8
LARGEST = 1 << 20
_BEGINNING = re.compile(rb"^cas = 1\nsegment = ([0-9]{1,20})\n", re.MULTILINE)
# Fewer segments than this are as well read one by one.
_FEW = 3


def name(scope: tuple[str, str], number: int) -> str:
    """The file of the bundle that ends with a segment of a project and domain."""
    return f"refs/{scope[0]}/{scope[1]}/{number:020d}.bundle"


def render(log: RefLog, number: int) -> bytes | None:
    """The bundle that ends with segment ``number`` of a log; None where none is due, or a segment is not at hand."""
    if not number or number % SPAN:
        return None
    numbers = range(number - SPAN + 1, number + 1)
    try:
        contents = [log.store.read(log.path(one)) for one in numbers]
    except FileNotFoundError:
        return None
    whole = b"".join(contents)
    fits = len(whole) <= LARGEST and split(whole) == dict(zip(numbers, contents, strict=True))
    return whole if fits else None


def split(content: bytes) -> dict[int, bytes]:
    """The segments of a bundle by the numbers that they say, nothing else checked."""
    places = [(int(match[1]), match.start()) for match in _BEGINNING.finditer(content)]
    ends = [*(start for _, start in places[1:]), len(content)]
    return {number: content[start:end] for (number, start), end in zip(places, ends, strict=False)}


def chosen(there: Mapping[int, int], numbers: Collection[int]) -> list[int]:
    """The bundles worth reading for some segments: of those there, given as (last segment, size)."""
    wanted = set(numbers)
    return [
        last
        for last, size in sorted(there.items())
        if last % SPAN == 0 and size <= LARGEST and len(wanted.intersection(range(last - SPAN + 1, last + 1))) >= _FEW
    ]
