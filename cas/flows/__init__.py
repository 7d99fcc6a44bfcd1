"""Flyte-style flows without a cluster: artifact declarations, queries, tasks, workflows, launch plans and triggers.

Read in this order: ``declaration`` (what an artifact is), ``binding`` (where an output goes), ``calling`` (what a call
does), ``publication`` (how its results are put).
"""

from cas.flows.binding import Binding, OpenPartitionWarning
from cas.flows.calling import NoRepositoryWarning
from cas.flows.cards import Card, DataCard, ModelCard
from cas.flows.declaration import Artifact
from cas.flows.getting import get_artifact, list_names
from cas.flows.inputs import Inputs
from cas.flows.launch import LaunchPlan, launch
from cas.flows.mapping import map_task
from cas.flows.on_artifact import OnArtifact
from cas.flows.publication import UnusedCreationWarning
from cas.flows.query import ArtifactQuery
from cas.flows.task import Task, task
from cas.flows.triggers import Launch, launches, pending, run_triggers, triggered_by, watch
from cas.flows.workflow import Workflow, workflow
from cas.refs.partitions import Granularity
from cas.refs.uri import format_uri, parse_uri

__all__ = [
    "Artifact",
    "ArtifactQuery",
    "Binding",
    "Card",
    "DataCard",
    "Granularity",
    "Inputs",
    "Launch",
    "LaunchPlan",
    "ModelCard",
    "NoRepositoryWarning",
    "OnArtifact",
    "OpenPartitionWarning",
    "Task",
    "UnusedCreationWarning",
    "Workflow",
    "format_uri",
    "get_artifact",
    "launch",
    "launches",
    "list_names",
    "map_task",
    "parse_uri",
    "pending",
    "run_triggers",
    "task",
    "triggered_by",
    "watch",
    "workflow",
]
