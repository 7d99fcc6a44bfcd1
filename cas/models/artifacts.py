"""Artifacts of spans by label: create one or many, read one or all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from cas.errors import RefNotFound, SpanError
from cas.models.queries import labelled, links_of
from cas.models.tree import SpanId, locate, span_bytes
from cas.repository.current import current

if TYPE_CHECKING:
    from cas.objects.ids import ArtifactId
    from cas.repository.repository import Repository
    from cas.repository.spanning import ActiveSpan

__all__ = ["create_span_artifact", "create_span_artifacts", "read_span_artifact", "read_span_artifacts"]

_MISSING: Any = object()


def create_span_artifact(span_id: SpanId, *, label: str, data: Any = _MISSING, artifact: Any = _MISSING) -> str:
    """Store a value as an artifact of a span, under a label unique in it, and return the artifact's id.

    Any value with a codec may be given, as ``data`` or as ``artifact``. Raises SpanError where the label is taken.
    """
    if (data is _MISSING) == (artifact is _MISSING):
        raise SpanError(
            "give the artifact's value once, as data=", hint='create_span_artifact("current", label="…", data=…)'
        )
    return create_span_artifacts(span_id, {label: artifact if data is _MISSING else data})[label]


def create_span_artifacts(span_id: SpanId, artifacts: Mapping[str, Any]) -> dict[str, str]:
    """Store values as artifacts of a span under their labels, all or none; their ids by label."""
    if not isinstance(artifacts, Mapping):
        raise SpanError(f"artifacts are a mapping of values by label, not {artifacts!r:.40}", hint='{"loss": 0.1}')
    repository = current()
    with repository.lock, _writable(repository, span_id) as span:
        made = span.log_many(artifacts)
    return {label: version.id for label, version in zip(artifacts, made, strict=True)}


def read_span_artifact(span_id: SpanId, *, label: str, lazy: bool = False) -> Any:
    """The value of a span's artifact. Raises RefNotFound, which lists the labels that are there."""
    repository = current()
    ident, rows = links_of(repository, span_id)
    found = [row for row in rows if row.name == label]
    if not found:
        labels = [row.name for row in rows if row.name is not None]
        there = ", ".join(map(repr, labels)) or "none"
        raise RefNotFound(
            f"span {ident.hex()[:12]} has no artifact labelled {label!r}; it has: {there}",
            suggestions=tuple(labels),
            hint=f"see them: cas span show %{ident.hex()[:12]}",
        )
    return labelled(repository, found, lazy=lazy)[0].value


def read_span_artifacts(span_id: SpanId, *, lazy: bool = False) -> dict[str, Any]:
    """All labelled artifacts of a span: ``{label: value}``, in creation order."""
    repository = current()
    _, rows = links_of(repository, span_id)
    return {one.label: one.value for one in labelled(repository, rows, lazy=lazy)}


def _writable(repository: Repository, span_id: SpanId) -> AbstractContextManager[ActiveSpan]:
    """A span to log to: the open one, or a closed one entered again for as long as it takes."""
    ident = span_bytes(repository, span_id)
    running = repository.session.open_spans.get(ident)
    if running is not None:
        return nullcontext(running)
    around = repository.current_span()
    # One that the process that forked this one has open cannot list what is added here; what it had then is known.
    labels = around.state.labels if around is not None and around.id_bytes == ident else {}
    return _again(repository.span_again(locate(repository, ident.hex())[0].hex()), labels)


@contextmanager
def _again(span: ActiveSpan, labels: Mapping[str, ArtifactId]) -> Iterator[ActiveSpan]:
    """A closed span, entered for one addition; where that is refused, the span's own end stays what it was."""
    with span:
        span.state.labels.update(labels)
        try:
            yield span
        except BaseException:
            span.withdraw()
            raise
