"""A task over many inputs: one call per element, and one ref transaction for all that they publish."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cas.errors import CodecError, NoRepository, UsageError
from cas.flows.arguments import Stored
from cas.flows.calling import call
from cas.flows.run import entered_run
from cas.flows.task import Flow, Task
from cas.literals import registry
from cas.literals.literal import Literal, literal_ids
from cas.repository import Repository
from cas.repository.current import current

__all__ = ["MapTask", "map_task"]


class MapTask:
    """Call it with lists, by keyword and of one length; it returns the list of results."""

    def __init__(self, flow: Flow[..., Any], fixed: Mapping[str, object]) -> None:
        self.flow = flow
        self.fixed = dict(fixed)
        self.name = f"map {flow.name}"

    def __call__(self, **lists: Any) -> list[Any]:
        """Run the task for each element, in order. Where one fails, nothing of any is published."""
        rows = _rows(self.flow, self.fixed, lists)
        try:
            repo = current()
        except NoRepository:
            return [self.flow(**row) for row in rows]
        metadata = {"kind": "map", "function": self.flow.metadata["function"], "count": len(rows)}
        with entered_run(), repo.span(self.name, metadata=metadata, atomic=True):
            stored = _stored(repo, rows)
            return [call(self.flow, (), row, known) for row, known in zip(rows, stored, strict=True)]


def map_task(function: Callable[..., Any]) -> MapTask:
    """Map a task over lists; ``functools.partial(task, x=1)`` gives all calls the same ``x``.

    Raises UsageError for a coroutine function: gather its calls instead.
    """
    fixed: Mapping[str, object] = {}
    mapped = function
    if isinstance(function, functools.partial):
        if function.args:
            raise UsageError("what a mapped task is given in advance goes by keyword")
        mapped, fixed = function.func, function.keywords
    flow = mapped if isinstance(mapped, Flow) else Task(mapped)
    if flow.interface.is_async:
        raise UsageError(f"{flow.name}() is a coroutine function", hint="await asyncio.gather(*(task(x) for x in xs))")
    return MapTask(flow, fixed)


def _rows(flow: Flow[..., Any], fixed: Mapping[str, object], lists: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not lists:
        raise UsageError(f"map {flow.name}: give the lists by keyword", hint=f"map_task({flow.name})(x=[1, 2, 3])")
    columns = {}
    for name, values in lists.items():
        if not isinstance(values, Iterable):
            raise UsageError(
                f"map {flow.name}: {name}={values!r:.40} is no list", hint=f"functools.partial(…, {name}=…)"
            )
        columns[name] = list(values)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise UsageError(f"map {flow.name}: the lists must be of one length: {said}")
    count = next(iter(lengths.values()))
    return [{**fixed, **{name: values[n] for name, values in columns.items()}} for n in range(count)]


def _stored(repo: Repository, rows: Sequence[Mapping[str, object]]) -> list[Stored]:
    """The literals of those arguments that are plain values, stored all at once."""
    found: list[dict[str, tuple[Literal, bytes]]] = [{} for _ in rows]
    with repo.lock:
        writer = repo.session.writer()
        for name in rows[0] if rows else ():
            values = [row[name] for row in rows]
            if not set(map(type, values)) <= _PLAIN:
                continue
            try:
                literals = registry.encode_many(values, writer)
            except CodecError:
                continue
            for one, literal, ident in zip(found, literals, literal_ids(literals), strict=True):
                one[name] = literal, ident
    return list(found)


_PLAIN = frozenset({int, float, bool, str, type(None)})
