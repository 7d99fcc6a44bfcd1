"""The span that the running code is in: a context variable, so threads, tasks and coroutines each have their own."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, Generic, TypeVar

__all__ = ["STACK", "Stack"]

Span = TypeVar("Span")


class Stack(Generic[Span]):
    """The open spans of the running context, innermost first."""

    def __init__(self, name: str) -> None:
        self._spans: ContextVar[tuple[Span, ...]] = ContextVar(name, default=())
        self.all: Callable[[], tuple[Span, ...]] = self._spans.get
        """The open spans, innermost first."""

    def push(self, span: Span) -> Token[tuple[Span, ...]]:
        """Enter a span; the token leaves it again."""
        return self._spans.set((span, *self._spans.get()))

    def pop(self, span: Span, token: Token[tuple[Span, ...]]) -> None:
        """Leave a span. A span that is left in another context than it was entered in (an async generator's) is taken
        out of that one."""
        try:
            self._spans.reset(token)
        except ValueError:
            self._spans.set(tuple(one for one in self._spans.get() if one is not span))


STACK: Stack[Any] = Stack("cas.spans")
"""The open spans of every repository; the rooms above put their own kind of span on it."""
