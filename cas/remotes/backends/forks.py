"""What a forked child must not do to its parent's connections: take them out of the poll that both share.

A child inherits the epoll of its parent, not a copy. Were it to collect or close a connection of the parent, that one
would never hear of the connection again, and wait for ever.
"""

from __future__ import annotations

import os
import selectors
import weakref
from typing import Any

__all__ = ["part_from"]

_LOOPS: weakref.WeakSet[Any] = weakref.WeakSet()


def part_from(loop: Any) -> None:
    """Let forked children leave the poll of an event loop alone; theirs goes on a poll of its own."""
    _LOOPS.add(loop)


def _part() -> None:
    for loop in list(_LOOPS):
        if hasattr(loop, "_selector"):  # asyncio's own; no public way leads there
            loop._selector = selectors.DefaultSelector()


os.register_at_fork(after_in_child=_part)
