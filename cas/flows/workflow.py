"""``@workflow``: a task that calls other tasks; their spans nest in its own.

Its body runs as Python, so values computed in it may be partition values too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from cas.flows.interface import caller_names
from cas.flows.task import Flow

__all__ = ["Workflow", "workflow"]

P = ParamSpec("P")
R = TypeVar("R")


class Workflow(Flow[P, R]):
    """Several steps."""

    kind = "workflow"


@overload
def workflow(function: Callable[P, R], /) -> Workflow[P, R]: ...
@overload
def workflow(*, name: str | None = None) -> Callable[[Callable[P, R]], Workflow[P, R]]: ...


def workflow(function: Callable[P, R] | None = None, /, *, name: str | None = None) -> Any:
    """Make a function a workflow. ``name`` labels its spans (default: the function's). Raises DeclarationError."""
    names = caller_names(1)
    if function is not None:
        return Workflow(function, name=name, names=names)
    return lambda decorated: Workflow(decorated, name=name, names=names)
