"""A call of a task or workflow: a span around the function, with its inputs recorded and its outputs published.

    bind the arguments → open the span → resolve queries, record inputs (``arguments``)
    → run the function → settle the outputs (``publication``) → close the span: one ref transaction

Without a repository the function runs plainly, with one warning.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from cas.errors import NoRepository
from cas.flows.arguments import NOTHING, Stored, resolve_without_repository, take_arguments
from cas.flows.binding import warn
from cas.flows.publication import plain_result, publish_outputs
from cas.flows.run import Setting, entered_run
from cas.flows.running import Frame, current_frame, entered
from cas.lazy import late
from cas.repository import Repository
from cas.repository.current import current

if TYPE_CHECKING:
    from cas.flows.interface import Interface
    from cas.flows.task import Flow
    from cas.repository import awaiting
    from cas.repository.spanning import ActiveSpan
else:
    (awaiting,) = late("cas.repository", "awaiting")  # whoever awaits has loaded asyncio; a plain call need not

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
        run.began(span)
        setting = Setting(repo, span, run)
        take_arguments(flow.interface, bound.arguments, setting, stored)
        result = flow.function(*bound.args, **bound.kwargs)
        return publish_outputs(flow.interface, bound.arguments, frame, result, setting)


async def call_async(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The same for a coroutine function; what may take long is done in threads, so that the event loop goes on."""
    bound = _bound(flow, args, kwargs)
    repo = _repository(flow)
    if repo is None:
        with entered(Frame()) as frame:
            resolve_without_repository(flow.interface, bound.arguments)
            return plain_result(flow.interface, frame, await flow.function(*bound.args, **bound.kwargs))
    if _is_quick(flow, bound.arguments):
        with entered_run() as run, repo.span(flow.name, metadata=flow.metadata) as span, entered(Frame()) as frame:
            run.began(span)
            take_arguments(flow.interface, bound.arguments, Setting(repo, span, run))
            return plain_result(flow.interface, frame, await flow.function(*bound.args, **bound.kwargs))
    with entered_run() as run:

        def enter() -> ActiveSpan:
            span = repo.span(flow.name, metadata=flow.metadata).__enter__()
            run.began(span)
            try:
                take_arguments(flow.interface, bound.arguments, Setting(repo, span, run))
            except BaseException as error:
                span.__exit__(type(error), error, error.__traceback__)
                raise
            return span

        opened = awaiting.SpanInThread(enter)
        async with opened as span:
            with entered(Frame()) as frame:
                result = await flow.function(*bound.args, **bound.kwargs)
            setting = Setting(repo, span, run)
            return await opened.leave(lambda: publish_outputs(flow.interface, bound.arguments, frame, result, setting))


def _is_quick(flow: Flow[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Whether a call asks, encodes and publishes next to nothing: then a thread would cost more than the call."""
    return not flow.interface.outputs and all(
        type(value) in _QUICK and (type(value) is not str or len(value) < 10_000) for value in arguments.values()
    )


_QUICK = frozenset({bool, date, datetime, float, int, str, type(None)})


class _Named:
    """Arguments that all go by keyword."""

    args: tuple[Any, ...] = ()

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = self.kwargs = arguments


def _bound(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments | _Named:
    """The arguments by parameter; raises TypeError as any call does."""
    bound: inspect.BoundArguments | _Named
    named = _named(flow.interface, args, kwargs)
    if named is not None:
        bound = _Named(named)
    else:
        try:
            bound = flow.interface.signature.bind(*args, **kwargs)
        except TypeError as fault:
            raise TypeError(f"{flow.interface.name}(): {fault}") from None
        bound.apply_defaults()
    frame = current_frame()
    if frame is not None:
        frame.unwrap(bound.arguments)
    return bound


def _named(interface: Interface, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Every argument by its name, in the order of the parameters; None where that takes a closer look."""
    names, defaults = interface.names, interface.defaults
    if defaults is None or len(args) > interface.by_place:
        return None
    given = dict(zip(names, args, strict=False))
    if len(given) == len(names) and not kwargs:
        return given
    if not given.keys().isdisjoint(kwargs):
        return None
    named = {**defaults, **given, **kwargs}
    return {name: named[name] for name in names} if named.keys() == interface.known else None


def _repository(flow: Flow[..., Any]) -> Repository | None:
    try:
        return current()
    except NoRepository:
        pass
    if not flow.warned and current_frame() is None:
        flow.warned = True
        said = f"{flow.name}() runs as a plain function: there is no repository (cas init, or cas.use(…))"
        if flow.interface.is_async:  # its caller is an event loop
            warn(said, NoRepositoryWarning, flow.interface.place)
        else:
            warnings.warn(said, NoRepositoryWarning, stacklevel=4)
    return None
