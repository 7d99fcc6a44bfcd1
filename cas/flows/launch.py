"""Launch plans: a workflow with inputs said in advance, and what may trigger it; and launching, here and now.

plan = LaunchPlan.create("train_daily", run_train_model, fixed_inputs={"region": "ZRH"},
                         trigger=OnArtifact(trigger_on=RideCount, inputs={"data": RideCount}))
launch(plan, kickoff_time=datetime(2024, 5, 1))
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cas.errors import DeclarationError, NoRepository, UsageError
from cas.flows.declaration import facts_of
from cas.flows.facts import Facts
from cas.flows.inputs import KeyOf, TimeOf
from cas.flows.interface import as_query
from cas.flows.on_artifact import OnArtifact, stated
from cas.flows.query import ArtifactQuery
from cas.flows.run import entered_run
from cas.flows.task import Flow, Task
from cas.refs.names import check_name
from cas.repository.current import current
from cas.repository.lockfile import read_lock, replaying

__all__ = ["LaunchPlan", "launch", "run_plan"]


@dataclass(frozen=True)
class LaunchPlan:
    """A workflow or task under a name, with default inputs, fixed inputs and a trigger; made by :meth:`create`."""

    name: str
    flow: Flow[..., Any]
    default_inputs: Mapping[str, object] = field(default_factory=dict)
    fixed_inputs: Mapping[str, object] = field(default_factory=dict)
    trigger: OnArtifact | None = None

    @staticmethod
    def create(
        name: str,
        workflow: Callable[..., Any],
        default_inputs: Mapping[str, object] | None = None,
        fixed_inputs: Mapping[str, object] | None = None,
        trigger: OnArtifact | None = None,
    ) -> LaunchPlan:
        """A checked plan. Raises DeclarationError for unknown inputs, and those that a trigger leaves open."""
        check_name(name)
        if trigger is not None and not isinstance(trigger, OnArtifact):
            raise DeclarationError(f"plan {name!r}: {trigger!r:.80} is no trigger", hint="trigger=OnArtifact(A, …)")
        defaults = stated(default_inputs, f"default_inputs of plan {name!r}")
        fixed = stated(fixed_inputs, f"fixed_inputs of plan {name!r}")
        plan = LaunchPlan(name, _flow(workflow), defaults, fixed, trigger)
        _check(plan)
        return plan

    def arguments(self, given: Mapping[str, object]) -> dict[str, object]:
        """The arguments of a launch: those given, over the defaults, beside the fixed ones. Raises UsageError."""
        for name in given:
            if name not in self.flow.interface.names:
                known = ", ".join(self.flow.interface.names) or "none"
                raise UsageError(f"plan {self.name!r} has no input {name!r}; it has: {known}")
            if name in self.fixed_inputs:
                raise UsageError(f"input {name!r} of plan {self.name!r} is fixed to {self.fixed_inputs[name]!r}")
        return {**self.default_inputs, **given, **self.fixed_inputs}

    def __call__(self, **inputs: object) -> Any:
        """The same as ``launch(plan, **inputs)``."""
        return run_plan(self, inputs)


def launch(
    what: LaunchPlan | Callable[..., Any],
    /,
    *,
    lock: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    **inputs: object,
) -> Any:
    """Run a plan, workflow, task or plain function here and now, inside a span, and return its result.

    Inputs may be values, queries, artifacts (their latest version) or versions. A coroutine function is run to its
    end. With a ``lock`` (what ``repo.lock_of(span)`` or ``cas lock %SPAN`` gave, or its file), refs and queries resolve
    to exactly what they were in that span. Raises UsageError for inputs it lacks, RefNotFound for a query that finds
    nothing, or that the lock lacks.
    """
    flow = what.flow if isinstance(what, LaunchPlan) else _flow(what)
    if lock is not None and "lock" in flow.interface.names:
        inputs, lock = {**inputs, "lock": lock}, None  # its own input
    with replaying(None if lock is None else read_lock(lock)):
        return run_plan(what, inputs) if isinstance(what, LaunchPlan) else _run(flow, inputs)


def run_plan(
    plan: LaunchPlan,
    inputs: Mapping[str, object],
    *,
    metadata: Mapping[str, object] | None = None,
    finish: Callable[[], object] | None = None,
) -> Any:
    """Launch a plan in a span of its own; what it publishes, and what ``finish`` puts, is one transaction."""
    arguments = plan.arguments(inputs)
    try:
        repo = current()
    except NoRepository:
        return _run(plan.flow, arguments)
    said = {"kind": "launch", "plan": plan.name, **(metadata or {})}
    with entered_run() as run, repo.span(plan.name, metadata=said, atomic=finish is not None) as span:
        run.began(span)
        result = _run(plan.flow, arguments)
        if finish is not None:
            finish()
        return result


def _run(flow: Flow[..., Any], arguments: Mapping[str, object]) -> Any:
    _check_complete(flow, arguments)
    result = flow(**arguments)
    if not inspect.iscoroutine(result):
        return result
    import asyncio  # slow to load, and most launches do without

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(result)
    result.close()
    raise UsageError(f"{flow.name}() is a coroutine function, and an event loop is running", hint="await it instead")


def _flow(function: Callable[..., Any]) -> Flow[..., Any]:
    if isinstance(function, Flow):
        return function
    if facts_of(function) is not None:  # callable, too
        raise UsageError(f"{function!r:.80} is an artifact, and cannot be launched", hint="give what publishes it")
    if isinstance(function, functools.partial) and isinstance(function.func, Flow):  # a method that is a task is one
        inner = function.func
        return type(inner)(functools.partial(inner.function, *function.args, **function.keywords), name=inner.name)
    if not callable(function):
        raise UsageError(f"{function!r} cannot be launched", hint="give a launch plan, a workflow or a function")
    return Task(function)


def _check_complete(flow: Flow[..., Any], arguments: Mapping[str, object]) -> None:
    unknown = [name for name in arguments if name not in flow.interface.signature.parameters]
    missing = [name for name in _required(flow) if name not in arguments]
    if unknown or missing:
        said = ", ".join([f"no input {name!r}" for name in unknown] + [f"{name!r} is not given" for name in missing])
        raise UsageError(f"cannot launch {flow.name}: {said}", hint=f"its inputs: {flow.interface.signature}")


def _required(flow: Flow[..., Any]) -> list[str]:
    open_kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = flow.interface.signature.parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind not in open_kinds]


def _check(plan: LaunchPlan) -> None:
    flow, trigger = plan.flow, plan.trigger
    triggered = dict(trigger.inputs) if trigger is not None else {}
    places = (("default", plan.default_inputs), ("fixed", plan.fixed_inputs), ("trigger", triggered))
    for place, inputs in places:
        for name, value in inputs.items():
            if name not in flow.interface.names:
                raise DeclarationError(
                    f"plan {plan.name!r}: {flow.name}() has no input {name!r} ({place} input)",
                    hint=f"its inputs are {', '.join(flow.interface.names) or 'none'}",
                )
            if place != "trigger" and isinstance(value, (KeyOf, TimeOf)):
                raise DeclarationError(f"plan {plan.name!r}: {value!r} is known to the inputs of a trigger only")
    for name in plan.fixed_inputs.keys() & (plan.default_inputs.keys() | triggered.keys()):
        raise DeclarationError(f"plan {plan.name!r}: input {name!r} is fixed, and given in another place too")
    given = plan.default_inputs.keys() | plan.fixed_inputs.keys() | triggered.keys()
    if trigger is not None:
        missing = [name for name in _required(flow) if name not in given]
        if missing:
            raise DeclarationError(
                f"plan {plan.name!r}: nothing gives {', '.join(map(repr, missing))} when it is triggered",
                hint="add them to OnArtifact(inputs={…}) or default_inputs",
            )
    _check_queries(plan, trigger.facts if trigger is not None else None)


def _check_queries(plan: LaunchPlan, triggering: Facts | None) -> None:
    """Queries of a plan may need inputs of the workflow, artifacts that other inputs hold, and the triggering one."""
    interface = plan.flow.interface
    stated = {**plan.default_inputs, **plan.fixed_inputs, **(plan.trigger.inputs if plan.trigger is not None else {})}
    queries = {name: query for name, value in stated.items() if (query := as_query(value)) is not None}
    every: dict[str, ArtifactQuery] = {**interface.queries, **queries}
    if triggering is not None:
        every = {name: query.without_references(triggering) for name, query in every.items()}
    interface.ordered(every)
