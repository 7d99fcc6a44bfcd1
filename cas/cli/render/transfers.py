"""What an exchange moved, in a line, and the conflicts that it stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cas.cli.render.text import clean, count, short, size

if TYPE_CHECKING:
    from cas.remotes.reports import Conflict, Outside, Transfer

__all__ = ["conflict_lines", "outside_lines", "transfer_line"]


def transfer_line(done: Transfer, what: str) -> str:
    """``pushed to origin (s3://b/r)  12 entries, 40 objects, 1.2 MB``."""
    where = f"{clean(done.remote)} ({clean(done.url)})"
    if not (done.entries or done.objects or done.segments):
        return f"{where}  nothing new"
    parts = [count(done.entries, "entry", "entries")]
    if done.objects or done.bytes:
        parts += [count(done.objects, "object"), size(done.bytes)]
    would = "would be " if done.dry else ""
    return f"{would}{what} {where}  {', '.join(parts)}"


def outside_lines(outside: Sequence[Outside]) -> Iterator[str]:
    """``3 objects (1.2 MB) lie in the storage 'frames' and were not sent``, and how to send them."""
    left = False
    for one in outside:
        what = f"{count(one.objects, 'object')} ({size(one.bytes)})"
        lie = "lies" if one.objects == 1 else "lie"
        done = "copied along" if one.copied == one.objects else "not sent"
        left |= one.copied < one.objects
        yield f"{what} {lie} in the storage {clean(one.storage)!r}: {done}"
    if left:
        yield "  copy them along: cas push --with-storage"


def conflict_lines(conflicts: Sequence[Conflict], *, pushed_to: str | None = None) -> Iterator[str]:
    """Each conflict, both candidates, and the command that settles it.

    After a push the other candidate is at the remote only, so a pull comes first.
    """
    first = f"cas pull {clean(pushed_to)}, then: " if pushed_to is not None else ""
    for one in conflicts:
        shown = [short(candidate) if one.kind == "version" else candidate for candidate in one.candidates]
        both = " and ".join(map(clean, shown))
        if one.kind == "alias":
            ref, _, alias = one.ref.rpartition("#")
            yield f"conflict  {clean(one.ref)}: moved on two sides, to {both}"
            yield f"  settle it: {first}cas alias '{clean(ref)}#{clean(one.candidates[-1])}' {clean(alias)} --replace"
        else:
            yield f"conflict  {clean(one.ref)}: two contents, {both}"
            yield f"  settle it: {first}cas put SOURCE '{clean(one.ref)}' --replace"
