"""How many bytes a long call has moved so far, for whoever around it shows that: nobody, unless the context says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["MOVED", "telling"]

MOVED: ContextVar[Callable[[int], object]] = ContextVar("cas.moved", default=lambda _: None)


@contextmanager
def telling(show: Callable[[int], object]) -> Iterator[None]:
    """Within, ``show`` is called with the bytes of every stretch that was stored, or written to a file."""
    token = MOVED.set(show)
    try:
        yield
    finally:
        MOVED.reset(token)
