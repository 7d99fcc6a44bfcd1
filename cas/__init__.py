"""cas: git for artifacts.

Values are immutable, content-addressed objects; ``name@partition`` refs with versions point at them; spans record which
run made what from what. Start with :func:`init`, :meth:`Repository.put` and :meth:`Repository.get`.

Everything is loaded on first use, so ``import cas`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cas.literals.promises import PLACES as _CODECS

if TYPE_CHECKING:
    from cas.errors import CasError as CasError
    from cas.flows.cards import Card as Card
    from cas.flows.cards import DataCard as DataCard
    from cas.flows.cards import ModelCard as ModelCard
    from cas.flows.declaration import Artifact as Artifact
    from cas.flows.getting import get_artifact as get_artifact
    from cas.flows.getting import list_names as list_names
    from cas.flows.inputs import Inputs as Inputs
    from cas.flows.launch import LaunchPlan as LaunchPlan
    from cas.flows.launch import launch as launch
    from cas.flows.mapping import map_task as map_task
    from cas.flows.on_artifact import OnArtifact as OnArtifact
    from cas.flows.query import ArtifactQuery as ArtifactQuery
    from cas.flows.task import task as task
    from cas.flows.triggers import run_triggers as run_triggers
    from cas.flows.triggers import triggered_by as triggered_by
    from cas.flows.triggers import watch as watch
    from cas.flows.workflow import workflow as workflow
    from cas.literals.codec import Codec as Codec
    from cas.literals.files import File as File
    from cas.literals.files import Tree as Tree
    from cas.literals.registry import register as register
    from cas.models.artifacts import create_span_artifact as create_span_artifact
    from cas.models.artifacts import create_span_artifacts as create_span_artifacts
    from cas.models.artifacts import read_span_artifact as read_span_artifact
    from cas.models.artifacts import read_span_artifacts as read_span_artifacts
    from cas.models.classes import register_model as register_model
    from cas.models.context import current_span as current_span
    from cas.models.context import get_current_span_id as get_current_span_id
    from cas.models.context import span_context as span_context
    from cas.models.deletion import delete_artifact as delete_artifact
    from cas.models.deletion import delete_span as delete_span
    from cas.models.deletion import plan_delete_artifact as plan_delete_artifact
    from cas.models.deletion import plan_delete_span as plan_delete_span
    from cas.models.fields import ArtifactModelConfig as ArtifactModelConfig
    from cas.models.fields import artifact_field as artifact_field
    from cas.models.filters import ArtifactFilter as ArtifactFilter
    from cas.models.filters import Filter as Filter
    from cas.models.filters import SpanFilter as SpanFilter
    from cas.models.filters import ValueFilter as ValueFilter
    from cas.models.formats import array_serializer as array_serializer
    from cas.models.formats import dataframe_serializer as dataframe_serializer
    from cas.models.formats import datetime_serializer as datetime_serializer
    from cas.models.formats import feather_serializer as feather_serializer
    from cas.models.formats import figure_serializer as figure_serializer
    from cas.models.formats import json_serializer as json_serializer
    from cas.models.formats import json_sorted_serializer as json_sorted_serializer
    from cas.models.formats import parquet_serializer as parquet_serializer
    from cas.models.formats import timedelta_serializer as timedelta_serializer
    from cas.models.formats import value_serializer as value_serializer
    from cas.models.graph import span_graph as span_graph
    from cas.models.linked import linked as linked
    from cas.models.linked import spanned as spanned
    from cas.models.migration import migrate_artifacts as migrate_artifacts
    from cas.models.model import ArtifactModel as ArtifactModel
    from cas.models.queries import LabelledArtifact as LabelledArtifact
    from cas.models.queries import read_ancestor_spans as read_ancestor_spans
    from cas.models.queries import read_child_artifacts as read_child_artifacts
    from cas.models.queries import read_child_spans as read_child_spans
    from cas.models.queries import read_descendant_artifacts as read_descendant_artifacts
    from cas.models.queries import read_descendant_spans as read_descendant_spans
    from cas.models.queries import read_parent_span as read_parent_span
    from cas.models.queries import read_span as read_span
    from cas.models.queries import stream_descendant_artifacts as stream_descendant_artifacts
    from cas.models.record import ModelRecord as ModelRecord
    from cas.models.serializers import Serializer as Serializer
    from cas.models.span import Span as Span
    from cas.models.storage import FileSystem as FileSystem
    from cas.models.storage import FsspecStorage as FsspecStorage
    from cas.models.storage import S3Storage as S3Storage
    from cas.models.storage import Storage as Storage
    from cas.models.storage import map_storages as map_storages
    from cas.refs.partitions import Granularity as Granularity
    from cas.repository.current import current as current
    from cas.repository.current import use as use
    from cas.repository.functions import alias as alias
    from cas.repository.functions import clone as clone
    from cas.repository.functions import declare as declare
    from cas.repository.functions import delete as delete
    from cas.repository.functions import find as find
    from cas.repository.functions import get as get
    from cas.repository.functions import log as log
    from cas.repository.functions import put as put
    from cas.repository.functions import put_many as put_many
    from cas.repository.functions import resolve as resolve
    from cas.repository.functions import span as span
    from cas.repository.opening import init as init
    from cas.repository.opening import open_repository as open  # noqa: A004 - cas.open, as users write it
    from cas.repository.repository import ANY as ANY
    from cas.repository.repository import Repository as Repository
    from cas.repository.version import ArtifactVersion as ArtifactVersion

_PLACES = {
    "ANY": "cas.repository.repository",
    "Artifact": "cas.flows.declaration",
    "ArtifactFilter": "cas.models.filters",
    "ArtifactModel": "cas.models.model",
    "ArtifactModelConfig": "cas.models.fields",
    "ArtifactQuery": "cas.flows.query",
    "ArtifactVersion": "cas.repository.version",
    "Card": "cas.flows.cards",
    "CasError": "cas.errors",
    "Codec": "cas.literals.codec",
    "DataCard": "cas.flows.cards",
    "File": "cas.literals.files",
    "FileSystem": "cas.models.storage",
    "Filter": "cas.models.filters",
    "FsspecStorage": "cas.models.storage",
    "Granularity": "cas.refs.partitions",
    "Inputs": "cas.flows.inputs",
    "LabelledArtifact": "cas.models.queries",
    "LaunchPlan": "cas.flows.launch",
    "ModelCard": "cas.flows.cards",
    "ModelRecord": "cas.models.record",
    "OnArtifact": "cas.flows.on_artifact",
    "Repository": "cas.repository.repository",
    "S3Storage": "cas.models.storage",
    "Serializer": "cas.models.serializers",
    "Span": "cas.models.span",
    "SpanFilter": "cas.models.filters",
    "Storage": "cas.models.storage",
    "Tree": "cas.literals.files",
    "ValueFilter": "cas.models.filters",
    "alias": "cas.repository.functions",
    "array_serializer": "cas.models.formats",
    "artifact_field": "cas.models.fields",
    "clone": "cas.repository.functions",
    "create_span_artifact": "cas.models.artifacts",
    "create_span_artifacts": "cas.models.artifacts",
    "current": "cas.repository.current",
    "current_span": "cas.models.context",
    "dataframe_serializer": "cas.models.formats",
    "datetime_serializer": "cas.models.formats",
    "declare": "cas.repository.functions",
    "delete": "cas.repository.functions",
    "delete_artifact": "cas.models.deletion",
    "delete_span": "cas.models.deletion",
    "feather_serializer": "cas.models.formats",
    "figure_serializer": "cas.models.formats",
    "find": "cas.repository.functions",
    "get": "cas.repository.functions",
    "get_artifact": "cas.flows.getting",
    "get_current_span_id": "cas.models.context",
    "init": "cas.repository.opening",
    "json_serializer": "cas.models.formats",
    "json_sorted_serializer": "cas.models.formats",
    "launch": "cas.flows.launch",
    "linked": "cas.models.linked",
    "list_names": "cas.flows.getting",
    "log": "cas.repository.functions",
    "map_storages": "cas.models.storage",
    "map_task": "cas.flows.mapping",
    "migrate_artifacts": "cas.models.migration",
    "parquet_serializer": "cas.models.formats",
    "plan_delete_artifact": "cas.models.deletion",
    "plan_delete_span": "cas.models.deletion",
    "put": "cas.repository.functions",
    "put_many": "cas.repository.functions",
    "read_ancestor_spans": "cas.models.queries",
    "read_child_artifacts": "cas.models.queries",
    "read_child_spans": "cas.models.queries",
    "read_descendant_artifacts": "cas.models.queries",
    "read_descendant_spans": "cas.models.queries",
    "read_parent_span": "cas.models.queries",
    "read_span": "cas.models.queries",
    "read_span_artifact": "cas.models.artifacts",
    "read_span_artifacts": "cas.models.artifacts",
    "register": "cas.literals.registry",
    "register_model": "cas.models.classes",
    "resolve": "cas.repository.functions",
    "run_triggers": "cas.flows.triggers",
    "span": "cas.repository.functions",
    "span_context": "cas.models.context",
    "span_graph": "cas.models.graph",
    "spanned": "cas.models.linked",
    "stream_descendant_artifacts": "cas.models.queries",
    "task": "cas.flows.task",
    "timedelta_serializer": "cas.models.formats",
    "triggered_by": "cas.flows.triggers",
    "use": "cas.repository.current",
    "value_serializer": "cas.models.formats",
    "watch": "cas.flows.triggers",
    "workflow": "cas.flows.workflow",
}

# Models are a room above the registry of codecs: it learns here where theirs are.
_CODECS.update(model="cas.models.codec", serialized="cas.models.kept", stored="cas.models.kept")

__version__ = "0.1.0"

__all__ = [*_PLACES, "open"]  # noqa: PLE0604 - names of functions that __getattr__ finds
if not TYPE_CHECKING:
    __all__.remove("open")  # a star import leaves the builtin alone; type checkers ask whether cas.open is there


def __getattr__(name: str) -> Any:
    if name == "open":
        found = import_module("cas.repository.opening").open_repository
    elif name in _PLACES:
        found = getattr(import_module(_PLACES[name]), name)
    else:
        raise AttributeError(f"module 'cas' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "open"})
