"""``span_context``: open a span, or enter one again, for the length of a ``with`` block."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from cas.errors import SpanError
from cas.models.span import Span, span_of_open, stored_fields
from cas.models.tree import SpanId, current_span_id, locate, span_bytes
from cas.repository.awaiting import SpanInThread
from cas.repository.current import current
from cas.spans.current import STACK

if TYPE_CHECKING:
    from cas.repository.spanning import ActiveSpan

__all__ = ["SpanContext", "current_span", "get_current_span_id", "span_context"]

S = TypeVar("S", bound=Span)


class SpanContext(Generic[S]):
    """What :func:`span_context` returns: for ``with``, and for ``async with``, where what may touch the disk runs in a
    thread."""

    def __init__(self, span: S, metadata: Mapping[str, Any] | None, atomic: bool, parent: SpanId = None) -> None:
        if not isinstance(metadata, Mapping | None):
            raise SpanError(f"a span's metadata is a mapping, not {metadata!r:.40}", hint='metadata={"team": "a"}')
        self.span = span
        self._metadata = {**span.metadata, **(metadata or {})}
        self._atomic = atomic
        self._under = parent
        self.active: ActiveSpan | None = None
        self._awaited: SpanInThread | None = None
        self._inside: Token[tuple[ActiveSpan, ...]] | None = None

    def prepare(self) -> ActiveSpan:
        """The span of the repository, not entered yet."""
        repository = current()
        span = self.span
        if span.node_id is not None:
            with repository.lock:
                ident, _, _ = locate(repository, span.node_id)
            self.active = repository.span_again(ident.hex())
        else:
            label = span.label or type(span).__name__
            self.active = repository.span(
                label,
                metadata=self._metadata,
                atomic=self._atomic,
                kind=span.polymorphic_identity,
                fields=stored_fields(span),
                parent=None if self._under is None else span_bytes(repository, self._under).hex(),
            )
        return self.active

    def entered(self) -> S:
        """The user's span, told what was opened."""
        assert self.active is not None
        span = self.span
        span._active, span._packed, span._row, span._info = self.active, None, None, None
        span.label = self.active.label
        if self._metadata:
            span.metadata = self._metadata
        return span

    def __enter__(self) -> S:
        if not self._goes_on():
            self._enter()
        return self.entered()

    def _goes_on(self) -> bool:
        """Whether the span is open here already: then this block is one more inside it, whose end is not the span's."""
        ident = self.span.node_id
        running = None if ident is None else current().session.open_spans.get(bytes.fromhex(ident))
        if running is None:
            return False
        self.active, self._inside = running, STACK.push(running)
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.active is not None
        if self._inside is not None:
            STACK.pop(self.active, self._inside)
        else:
            self.active.__exit__(kind, error, trace)

    async def __aenter__(self) -> S:
        if self._goes_on():
            return self.entered()
        self._awaited = SpanInThread(self._enter)
        await self._awaited.__aenter__()
        return self.entered()

    def _enter(self) -> ActiveSpan:
        return self.prepare().__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._awaited is None:
            self.__exit__(kind, error, trace)
            return
        await self._awaited.__aexit__(kind, error, trace)


@overload
def span_context(
    span: S,
    label: None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    atomic: bool = False,
    parent: SpanId = None,
) -> SpanContext[S]: ...
@overload
def span_context(
    span: None = None,
    label: str | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    atomic: bool = False,
    parent: SpanId = None,
) -> SpanContext[Span]: ...
def span_context(
    span: Any = None,
    label: str | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    atomic: bool = False,
    parent: SpanId = None,
) -> SpanContext[Any]:
    """A ``with`` or ``async with`` block that is a span: a new one with a ``label``, or ``span``.

    ``span`` is one of one's own class, or one to enter again. ``parent`` is the id of the span around a new one where
    the context does not tell, in another process or thread.
    One that is open here already goes on after the block.
    The span closes also when the body raises; its status and error are kept, and the exception goes on. ``metadata``
    holds JSON-like values; ``atomic`` holds back everything published inside until the span closes well. Raises
    SpanError where both span and label are given.
    """
    return SpanContext(check_span(span, label, parent), metadata, atomic, parent)


def check_span(span: Any, label: str | None, parent: SpanId = None) -> Any:
    """The span to enter. Raises SpanError where both, or something else, was given."""
    if parent is not None and isinstance(span, Span) and span.node_id is not None:
        raise SpanError("a span that is entered again keeps its parent", hint="leave parent= out")
    if span is not None and label is not None:
        raise SpanError(
            "give span_context a span or a label, not both", hint="set the label on the span: MySpan(label=…)"
        )
    if span is None:
        return Span(label=label)
    if not isinstance(span, Span):
        raise SpanError(f"span_context takes a Span, not a {type(span).__qualname__}", hint="span_context(label=…)")
    return span


def get_current_span_id(*, allow_none: bool = False) -> str | None:
    """The id of the span around the caller; None outside of spans where ``allow_none``. Raises SpanError."""
    found = current_span_id(current())
    if found is None and not allow_none:
        raise SpanError("no span is open here", hint='open one: with span_context(label="…"):')
    return found.hex() if found is not None else None


@overload
def current_span() -> Span: ...
@overload
def current_span(*, allow_none: bool) -> Span | None: ...
def current_span(*, allow_none: bool = False) -> Span | None:
    """The innermost open span around the caller. Raises SpanError outside of spans, unless ``allow_none``."""
    active = current().current_span()
    if active is None:
        if allow_none:
            return None
        raise SpanError("no span is open here", hint='open one: with span_context(label="…"):')
    return span_of_open(active)
