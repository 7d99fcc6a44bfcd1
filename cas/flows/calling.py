"""A call of a task or workflow: a span around the function, with its inputs recorded and its outputs published.

    bind the arguments → open the span → resolve queries, record inputs (``arguments``)
    → run the function → settle the outputs (``publication``) → close the span: one ref transaction

Without a repository the function runs plainly, with one warning.
"""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

from cas.errors import NoRepository
from cas.flows.arguments import NOTHING, Stored, resolve_without_repository, take_arguments
from cas.flows.publication import plain_result, publish_outputs
from cas.flows.run import Setting, entered_run
from cas.flows.running import Frame, current_frame, entered
from cas.repository import Repository
from cas.repository.current import current

if TYPE_CHECKING:
    from cas.flows.task import Flow

__all__ = ["NoRepositoryWarning", "call", "call_async"]


class NoRepositoryWarning(UserWarning):
    """A task or workflow that runs as a plain function, since there is no repository."""


def call(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], stored: Stored = NOTHING) -> Any:
    """Call a function as a task or workflow, in the current repository; some arguments may be ``stored`` already."""
    bound = _bound(flow, args, kwargs)
    repo = _repository(flow)
    if repo is None:
        with entered(Frame()) as frame:
            resolve_without_repository(flow.interface, bound.arguments)
            return plain_result(flow.interface, frame, flow.function(*bound.args, **bound.kwargs))
    with entered_run() as run, repo.span(flow.name, metadata=flow.metadata) as span, entered(Frame()) as frame:
        setting = Setting(repo, span, run)
        take_arguments(flow.interface, bound.arguments, setting, stored)
        result = flow.function(*bound.args, **bound.kwargs)
        return publish_outputs(flow.interface, bound.arguments, frame, result, setting)


async def call_async(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The same for a coroutine function."""
    bound = _bound(flow, args, kwargs)
    repo = _repository(flow)
    if repo is None:
        with entered(Frame()) as frame:
            resolve_without_repository(flow.interface, bound.arguments)
            return plain_result(flow.interface, frame, await flow.function(*bound.args, **bound.kwargs))
    with entered_run() as run, repo.span(flow.name, metadata=flow.metadata) as span, entered(Frame()) as frame:
        setting = Setting(repo, span, run)
        take_arguments(flow.interface, bound.arguments, setting)
        result = await flow.function(*bound.args, **bound.kwargs)
        return publish_outputs(flow.interface, bound.arguments, frame, result, setting)


class _Named:
    """Arguments that all go by keyword."""

    args: tuple[Any, ...] = ()

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = self.kwargs = arguments


def _bound(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments | _Named:
    """The arguments by parameter; raises TypeError as any call does."""
    defaults = flow.interface.defaults
    bound: inspect.BoundArguments | _Named
    if not args and defaults is not None and (named := {**defaults, **kwargs}).keys() == flow.interface.known:
        bound = _Named({name: named[name] for name in flow.interface.names})
    else:
        bound = flow.interface.signature.bind(*args, **kwargs)
        bound.apply_defaults()
    frame = current_frame()
    if frame is not None:
        frame.unwrap(bound.arguments)
    return bound


def _repository(flow: Flow[..., Any]) -> Repository | None:
    try:
        return current()
    except NoRepository:
        pass
    if not flow.warned and current_frame() is None:
        flow.warned = True
        warnings.warn(
            f"{flow.name}() runs as a plain function: there is no repository (cas init, or cas.use(…))",
            NoRepositoryWarning,
            stacklevel=4,
        )
    return None
