"""The awaitable face: ``from cas.aio import ArtifactModel, span_context, create_span_artifact``, to be awaited.

The same records as ``cas`` writes; what needs no waiting (serializers, storages, filters) is the same object in both.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cas.models.awaited import (
        ArtifactModel,
        Span,
        create_span_artifact,
        create_span_artifacts,
        current_span,
        delete_artifact,
        delete_span,
        get_current_span_id,
        plan_delete_artifact,
        plan_delete_span,
        read_ancestor_spans,
        read_child_artifacts,
        read_child_spans,
        read_descendant_artifacts,
        read_descendant_spans,
        read_parent_span,
        read_span,
        read_span_artifact,
        read_span_artifacts,
        span_context,
        span_graph,
        stream_descendant_artifacts,
    )
    from cas.models.fields import ArtifactModelConfig, artifact_field
    from cas.models.filters import ArtifactFilter, SpanFilter, ValueFilter
    from cas.models.formats import (
        array_serializer,
        dataframe_serializer,
        datetime_serializer,
        feather_serializer,
        figure_serializer,
        json_serializer,
        json_sorted_serializer,
        parquet_serializer,
        timedelta_serializer,
        value_serializer,
    )
    from cas.models.linked import linked, spanned
    from cas.models.queries import LabelledArtifact
    from cas.models.record import ModelRecord
    from cas.models.serializers import Serializer
    from cas.models.storage import FileSystem, FsspecStorage, S3Storage, Storage

__all__ = [
    "ArtifactFilter",
    "ArtifactModel",
    "ArtifactModelConfig",
    "FileSystem",
    "FsspecStorage",
    "LabelledArtifact",
    "ModelRecord",
    "S3Storage",
    "Serializer",
    "Span",
    "SpanFilter",
    "Storage",
    "ValueFilter",
    "array_serializer",
    "artifact_field",
    "create_span_artifact",
    "create_span_artifacts",
    "current_span",
    "dataframe_serializer",
    "datetime_serializer",
    "delete_artifact",
    "delete_span",
    "feather_serializer",
    "figure_serializer",
    "get_current_span_id",
    "json_serializer",
    "json_sorted_serializer",
    "linked",
    "parquet_serializer",
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
    "spanned",
    "stream_descendant_artifacts",
    "timedelta_serializer",
    "value_serializer",
]

# Modules of cas.models other than the awaited ones; the decorators see by themselves whether a function is async.
_PLACES = {
    "ArtifactFilter": "filters",
    "ArtifactModelConfig": "fields",
    "FileSystem": "storage",
    "FsspecStorage": "storage",
    "LabelledArtifact": "queries",
    "ModelRecord": "record",
    "S3Storage": "storage",
    "Serializer": "serializers",
    "SpanFilter": "filters",
    "Storage": "storage",
    "ValueFilter": "filters",
    "array_serializer": "formats",
    "artifact_field": "fields",
    "dataframe_serializer": "formats",
    "datetime_serializer": "formats",
    "feather_serializer": "formats",
    "figure_serializer": "formats",
    "json_serializer": "formats",
    "json_sorted_serializer": "formats",
    "linked": "linked",
    "parquet_serializer": "formats",
    "spanned": "linked",
    "timedelta_serializer": "formats",
    "value_serializer": "formats",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'cas.aio' has no attribute {name!r}")
    found = getattr(import_module(f"cas.models.{_PLACES.get(name, 'awaited')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
