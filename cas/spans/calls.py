"""Whether somebody still waits for the running code: an awaited call that was cancelled stores nothing any more."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

__all__ = ["CALL", "check"]

CALL: ContextVar[Callable[[], None] | None] = ContextVar("cas.call", default=None)
"""What raises once nobody waits; set by the awaitable face around what it runs in a thread."""


def check() -> None:
    """Raises what :data:`CALL` raises; for writers, after they encoded and before they record anything."""
    call = CALL.get()
    if call is not None:
        call()
