"""The awaitable face of models and spans, over the same records: the same names as in ``cas``, to be awaited.

What may touch the disk runs in a thread, so the event loop goes on; the context (current span, current repository) goes
along.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from itertools import islice
from typing import Any, ParamSpec, TypeVar, overload

from typing_extensions import Self

from cas.models import access, artifacts, context, deletion, graph, queries
from cas.models.declare import ModelBase
from cas.models.queries import LabelledArtifact
from cas.models.span import Span as PlainSpan
from cas.models.tree import SpanId
from cas.repository.awaiting import threaded

__all__ = [
    "ArtifactModel",
    "Span",
    "create_span_artifact",
    "create_span_artifacts",
    "current_span",
    "delete_artifact",
    "delete_span",
    "get_current_span_id",
    "plan_delete_artifact",
    "plan_delete_span",
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
    "span_graph",
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
        return await threaded(access.create, self, label, span_id)

    @classmethod
    async def create_many(cls, models: Mapping[str, ModelBase], *, span_id: Any = None) -> dict[str, str]:
        """As :meth:`cas.ArtifactModel.create_many`."""
        return await threaded(access.create_many, models, span_id)

    @classmethod
    async def read(cls, artifact: str, *, lazy: bool = False) -> Self:
        """As :meth:`cas.ArtifactModel.read`."""
        found: Self = await threaded(access.read, cls, artifact, lazy=lazy)
        return found

    @classmethod
    async def read_many(cls, artifacts: Iterable[str], *, lazy: bool = False) -> list[Self]:
        """As :meth:`cas.ArtifactModel.read_many`."""
        return await threaded(access.read_many, cls, artifacts, lazy=lazy)


class Span(PlainSpan, abstract=True):
    """As :class:`cas.Span`, with ``link`` to be awaited."""

    async def link(self, value: Any, *, label: str) -> str:  # type: ignore[override]  # awaitable here, on purpose
        """As :meth:`cas.Span.link`."""
        return await create_span_artifact(self, label=label, data=value)


@overload
def span_context(
    span: S,
    label: None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    atomic: bool = False,
    parent: SpanId = None,
) -> context.SpanContext[S]: ...
@overload
def span_context(
    span: None = None,
    label: str | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    atomic: bool = False,
    parent: SpanId = None,
) -> context.SpanContext[Span]: ...
def span_context(
    span: Any = None,
    label: str | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
    atomic: bool = False,
    parent: SpanId = None,
) -> context.SpanContext[Any]:
    """As :func:`cas.span_context`; a new span is an awaitable :class:`Span`."""
    if span is None:
        made = Span(label=label)
        return context.span_context(made, metadata=metadata, atomic=atomic, parent=parent)
    return context.span_context(span, label, metadata=metadata, atomic=atomic, parent=parent)


def current_span(*, allow_none: bool = False) -> Any:
    """As :func:`cas.current_span`, not to be awaited; its ``link`` is."""
    return _mine(context.current_span(allow_none=allow_none))


def get_current_span_id(*, allow_none: bool = False) -> str | None:
    """As :func:`cas.get_current_span_id`; not to be awaited, as in Artigraph."""
    return context.get_current_span_id(allow_none=allow_none)


def _in_thread(function: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await threaded(function, *args, **kwargs)

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = f"As :func:`cas.{function.__name__}`."
    return call


def _spans_in_thread(function: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    def found(*args: P.args, **kwargs: P.kwargs) -> R:
        return _mine(function(*args, **kwargs))

    async def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return await threaded(found, *args, **kwargs)

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = f"As :func:`cas.{function.__name__}`."
    return call


def _mine(found: R) -> R:
    """The same span, or spans, as ones whose ``link`` is awaited."""
    for one in found if isinstance(found, list) else (found,):
        if type(one) is PlainSpan:
            one.__class__ = Span
    return found


create_span_artifact = _in_thread(artifacts.create_span_artifact)
create_span_artifacts = _in_thread(artifacts.create_span_artifacts)
read_span_artifact = _in_thread(artifacts.read_span_artifact)
read_span_artifacts = _in_thread(artifacts.read_span_artifacts)
read_child_artifacts = _in_thread(queries.read_child_artifacts)
read_descendant_artifacts = _in_thread(queries.read_descendant_artifacts)
read_span = _spans_in_thread(queries.read_span)
read_parent_span = _spans_in_thread(queries.read_parent_span)
read_child_spans = _spans_in_thread(queries.read_child_spans)
read_descendant_spans = _spans_in_thread(queries.read_descendant_spans)
read_ancestor_spans = _spans_in_thread(queries.read_ancestor_spans)
delete_artifact = _in_thread(deletion.delete_artifact)
delete_span = _in_thread(deletion.delete_span)
plan_delete_artifact = _in_thread(deletion.plan_delete_artifact)
plan_delete_span = _in_thread(deletion.plan_delete_span)
span_graph = _in_thread(graph.span_graph)


async def stream_descendant_artifacts(span_id: SpanId, *, page: int = 1000) -> AsyncIterator[LabelledArtifact]:
    """As :func:`cas.stream_descendant_artifacts`, to be asked for with ``async for``."""
    artifacts = await threaded(queries.stream_descendant_artifacts, span_id, page=page)
    while found := await threaded(lambda: list(islice(artifacts, page))):
        for one in found:
            yield one
