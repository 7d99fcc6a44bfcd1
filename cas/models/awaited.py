"""The awaitable face of models and spans, over the same records: the same names as in ``cas``, to be awaited.

What may touch the disk runs in a thread, so the event loop goes on; the context (current span, current repository) goes
along.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

from typing_extensions import Self

from cas.models import access, artifacts, context, queries
from cas.models.declare import ModelBase
from cas.models.queries import LabelledArtifact
from cas.models.span import Span as PlainSpan
from cas.models.tree import SpanId
from cas.repository.spanning import ActiveSpan
from cas.spans.current import STACK

__all__ = [
    "ArtifactModel",
    "Span",
    "SpanContext",
    "create_span_artifact",
    "create_span_artifacts",
    "get_current_span_id",
    "read_ancestor_spans",
    "read_child_artifacts",
    "read_child_spans",
    "read_descendant_artifacts",
    "read_descendant_spans",
    "read_parent_span",
    "read_span",
    "read_span_artifact",
    "read_span_artifacts",
    "span_context",
    "stream_descendant_artifacts",
]

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=PlainSpan)


class ArtifactModel(ModelBase, abstract=True):
    """As :class:`cas.ArtifactModel`, with methods to be awaited."""

    __slots__ = ()

    async def create(self, label: str, *, span_id: Any = None) -> str:
        """As :meth:`cas.ArtifactModel.create`."""
        return await asyncio.to_thread(access.create, self, label, span_id)

    @classmethod
    async def create_many(cls, models: Mapping[str, ModelBase], *, span_id: Any = None) -> dict[str, str]:
        """As :meth:`cas.ArtifactModel.create_many`."""
        return await asyncio.to_thread(access.create_many, models, span_id)

    @classmethod
    async def read(cls, artifact: str, *, lazy: bool = False) -> Self:
        """As :meth:`cas.ArtifactModel.read`."""
        found: Self = await asyncio.to_thread(access.read, cls, artifact, lazy=lazy)
        return found

    @classmethod
    async def read_many(cls, artifacts: Iterable[str], *, lazy: bool = False) -> list[Self]:
        """As :meth:`cas.ArtifactModel.read_many`."""
        return await asyncio.to_thread(access.read_many, cls, artifacts, lazy=lazy)


class Span(PlainSpan, abstract=True):
    """As :class:`cas.Span`, with ``link`` to be awaited."""

    async def link(self, value: Any, *, label: str) -> str:  # type: ignore[override]  # awaitable here, on purpose
        """As :meth:`cas.Span.link`."""
        return await create_span_artifact(self, label=label, data=value)


class SpanContext(Generic[S]):
    """What :func:`span_context` returns, for ``async with``."""

    def __init__(self, inner: context.SpanContext[S]) -> None:
        self._inner = inner
        self._token: Token[tuple[ActiveSpan, ...]] | None = None

    async def __aenter__(self) -> S:
        active = self._inner.prepare()
        await asyncio.to_thread(active.__enter__)
        # The thread had a copy of the context: the task itself enters the span here.
        self._token = STACK.push(active)
        return self._inner.entered()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        active = self._inner.active
        assert active is not None
        assert self._token is not None
        STACK.pop(active, self._token)
        # A task that is being cancelled waits for its span to close all the same.
        closing = asyncio.ensure_future(asyncio.to_thread(active.__exit__, kind, error, trace))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise


def span_context(
    span: S | None = None,
    label: str | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    atomic: bool = False,
) -> SpanContext[S]:
    """As :func:`cas.span_context`, for ``async with``."""
    return SpanContext(context.span_context(span, label, metadata=metadata, atomic=atomic))


def get_current_span_id(*, allow_none: bool = False) -> str | None:
    """As :func:`cas.get_current_span_id`; not to be awaited, as in Artigraph."""
    return context.get_current_span_id(allow_none=allow_none)


def _in_thread(function: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(function, *args, **kwargs)

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = f"As :func:`cas.{function.__name__}`."
    return call


create_span_artifact = _in_thread(artifacts.create_span_artifact)
create_span_artifacts = _in_thread(artifacts.create_span_artifacts)
read_span_artifact = _in_thread(artifacts.read_span_artifact)
read_span_artifacts = _in_thread(artifacts.read_span_artifacts)
read_span = _in_thread(queries.read_span)
read_parent_span = _in_thread(queries.read_parent_span)
read_child_spans = _in_thread(queries.read_child_spans)
read_descendant_spans = _in_thread(queries.read_descendant_spans)
read_ancestor_spans = _in_thread(queries.read_ancestor_spans)
read_child_artifacts = _in_thread(queries.read_child_artifacts)
read_descendant_artifacts = _in_thread(queries.read_descendant_artifacts)


async def stream_descendant_artifacts(span_id: SpanId, *, page: int = 1000) -> AsyncIterator[LabelledArtifact]:
    """The artifacts of :func:`cas.read_descendant_artifacts` one by one, read ``page`` at a time."""
    offset = 0
    while found := await read_descendant_artifacts(span_id, limit=page, offset=offset):
        for one in found:
            yield one
        offset += page
