"""A function's parameters and outputs, inspected once when it is decorated, with every check that can be made then.

Interface.of(function).parameters      names, which defaults are queries, in which order those resolve
Interface.of(function).outputs         which results are published, and as what
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin

from typing_extensions import get_type_hints

from cas.errors import DeclarationError
from cas.flows.binding import Binding, Place
from cas.flows.declaration import Artifact, facts_of
from cas.flows.facts import Facts
from cas.flows.query import ArtifactQuery, make_query

__all__ = ["Interface", "Output", "as_query", "caller_names", "hints_of"]


@dataclass(frozen=True)
class Output:
    """One published result: its place in the returned tuple (None: it is the result), and what its annotation binds."""

    index: int | None
    binding: Binding
    where: str


@dataclass(frozen=True)
class Interface:
    """What is known of a function before it runs.

    ``queries`` holds the parameters whose default is a query, in the order in which they can be resolved;
    ``optional`` those that take None; ``artifacts`` the artifact that a parameter is annotated with; ``defaults`` are
    those of all parameters, None where not every parameter can be given by keyword.
    """

    name: str
    module: str
    qualname: str
    place: Place
    signature: inspect.Signature
    outputs: tuple[Output, ...]
    size: int | None
    queries: dict[str, ArtifactQuery]
    optional: frozenset[str]
    artifacts: dict[str, Facts]
    is_async: bool
    names: tuple[str, ...]
    defaults: dict[str, Any] | None

    @cached_property
    def known(self) -> frozenset[str]:
        """The names of the parameters, as a set."""
        return frozenset(self.names)

    @cached_property
    def holds(self) -> dict[str, Facts]:
        """The artifact of each parameter that is annotated with one, or has a query of one as its default."""
        return {**{name: query.facts for name, query in self.queries.items()}, **self.artifacts}

    @cached_property
    def by_place(self) -> int:
        """How many of the parameters can be given by position."""
        return sum(p.kind is not p.KEYWORD_ONLY for p in self.signature.parameters.values())

    @staticmethod
    def of(function: Callable[..., Any], namespace: Mapping[str, Any] | None = None) -> Interface:
        """Inspect a function; ``namespace`` holds the local names its annotations may use. Raises DeclarationError."""
        if not callable(function):
            raise DeclarationError(f"{function!r:.80} is no function", hint="put @task or @workflow above a def")
        inner = function
        while isinstance(inner, functools.partial):
            inner = inner.func
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise DeclarationError(f"{inner.__name__}() yields; a task or workflow returns its results")
        try:
            signature = inspect.signature(function)
        except ValueError as fault:
            raise DeclarationError(f"the parameters of {function!r:.80} are not known: {fault}") from None
        name = getattr(inner, "__name__", type(inner).__name__)
        hints = _hints(inner, name, namespace or {})
        names = tuple(signature.parameters)
        artifacts = {p: facts for p in names if (facts := _annotated_facts(hints.get(p))) is not None}
        queries = {p.name: query for p in signature.parameters.values() if (query := as_query(p.default)) is not None}
        outputs, size = _outputs(hints.get("return"), name)
        interface = Interface(
            name=name,
            module=getattr(inner, "__module__", None) or "",
            qualname=getattr(inner, "__qualname__", name),
            place=_place(inner),
            signature=signature,
            outputs=outputs,
            size=size,
            queries=queries,
            optional=frozenset(p for p in names if p in hints and _takes_none(hints[p])),
            artifacts=artifacts,
            is_async=inspect.iscoroutinefunction(function),
            names=names,
            defaults=_defaults(signature),
        )
        for output in outputs:
            _check_bound_inputs(interface, output, hints)
        for name, query in queries.items():
            _check_queried_inputs(interface, name, query, hints)
        return replace(interface, queries=interface.ordered(queries))

    def ordered(self, queries: Mapping[str, ArtifactQuery]) -> dict[str, ArtifactQuery]:
        """The queries in an order in which each finds what it needs. Raises DeclarationError where there is none."""
        for name, query in queries.items():
            self._check_query(name, query, queries)
        left = dict(queries)
        done: dict[str, ArtifactQuery] = {}
        while left:
            ready = [n for n, q in left.items() if not any(need in left for need in self._needs(n, q, queries))]
            if not ready:
                raise DeclarationError(f"{self.name}(): the queries of {', '.join(left)} need one another")
            done |= {n: left.pop(n) for n in ready}
        return done

    def providers(self, facts: Facts, queries: Mapping[str, ArtifactQuery], besides: str) -> list[str]:
        """The parameters, other than one, that hold a version of an artifact."""
        by_query = [name for name, query in queries.items() if query.facts.address == facts.address]
        by_what_it_holds = [name for name, held in self.holds.items() if held.address == facts.address]
        return [name for name in dict.fromkeys(by_query + by_what_it_holds) if name != besides]

    def _needs(self, name: str, query: ArtifactQuery, queries: Mapping[str, ArtifactQuery]) -> list[str]:
        needs = [one.name for one in query.inputs]
        return needs + [p for facts in query.references for p in self.providers(facts, queries, name)[:1]]

    def _check_query(self, name: str, query: ArtifactQuery, queries: Mapping[str, ArtifactQuery]) -> None:
        for needed in query.inputs:
            if needed.name not in self.names or needed.name == name:
                raise DeclarationError(
                    f"{self.name}(): the query of {name!r} needs {needed!r}, and the function has no such input",
                    hint=f"its inputs are {', '.join(self.names)}",
                )
        for facts in query.references:
            if not self.providers(facts, queries, name):
                raise DeclarationError(
                    f"{self.name}(): the query of {name!r} refers to {facts.name!r}, which no other parameter holds",
                    hint="use it as the input of a trigger, or give another parameter that artifact",
                )


def _place(function: Any) -> Place:
    code = getattr(_described(function), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else ("<unknown>", 1)


def _described(function: Any) -> Any:
    """What has the annotations of a function: what it wraps; of an object that can be called, its method."""
    target = inspect.unwrap(function)
    return target if inspect.isroutine(target) or isinstance(target, type) else type(target).__call__


def as_query(given: object) -> ArtifactQuery | None:
    """A query for what stands for one as a default: a query, or a bare declaration; None for plain values."""
    if isinstance(given, ArtifactQuery):
        return given
    if isinstance(given, Binding):
        return make_query(given.facts, dict(given.keys), time=given.time)
    facts = facts_of(given)
    return make_query(facts, {}) if facts is not None else None


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function, evaluated, as far as they can be."""
    return _hints(function, getattr(function, "__name__", "function"), {})


def _hints(function: Callable[..., Any], name: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    target = _described(function)
    try:
        return get_type_hints(target, localns=_closure(target) | dict(namespace), include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError):
        pass  # one annotation that cannot be evaluated spoils all: take them one by one
    hints: dict[str, Any] = {}
    for place, annotation in getattr(target, "__annotations__", {}).items():
        if not isinstance(annotation, str):
            hints[place] = annotation
            continue
        one = types.SimpleNamespace(__annotations__={place: annotation})
        try:
            scope = _closure(target) | dict(namespace)
            hints |= get_type_hints(one, getattr(target, "__globals__", {}), scope, include_extras=True)
        except (NameError, AttributeError, TypeError, SyntaxError) as cause:
            if place == "return":
                raise DeclarationError(
                    f"{name}(): its return annotation {annotation!r} cannot be evaluated: {cause}",
                    hint="import what it names at run time too, so that its artifacts can be seen",
                ) from None
    return hints


def _defaults(signature: inspect.Signature) -> dict[str, Any] | None:
    by_keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if any(p.kind not in by_keyword for p in signature.parameters.values()):
        return None
    return {p.name: p.default for p in signature.parameters.values() if p.default is not p.empty}


def _closure(function: Any) -> dict[str, Any]:
    cells = getattr(function, "__closure__", None) or ()
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    return {n: cell.cell_contents for n, cell in zip(names, cells, strict=True) if cell != types.CellType()}


def _outputs(annotation: Any, function: str) -> tuple[tuple[Output, ...], int | None]:
    """The published results, and how many results a tuple has (None: the result is one value)."""
    whole = _binding(annotation, function)
    if whole is not None:
        return (Output(None, whole, f"the result of {function}()"),), None
    parts = _tuple_parts(annotation)
    if parts is None:
        _check_nothing_inside(annotation, function)
        return (), None
    outputs = []
    for n, (label, part) in enumerate(parts):
        bound = _binding(part, function)
        if bound is not None:
            outputs.append(Output(n, bound, f"result {label} of {function}()"))
        else:
            _check_nothing_inside(part, function)
    return tuple(outputs), len(parts)


def _check_nothing_inside(annotation: Any, function: str) -> None:
    """Raise DeclarationError where an artifact annotates the members of a result: it would never be published."""
    for part in get_args(annotation) if get_origin(annotation) is not typing.Literal else ():
        bound = None if isinstance(part, list) else _binding(part, function)
        if bound is not None:
            raise DeclarationError(
                f"{function}(): {bound.facts.name!r} is inside {annotation!r}; only a result itself, or each of a "
                "tuple of fixed length, is published",
                hint="to publish one per element, map a task: cas.map_task(task)(x=[…])",
            )
        _check_nothing_inside(part, function)


def _tuple_parts(annotation: Any) -> list[tuple[str, Any]] | None:
    if get_origin(annotation) is tuple:
        args = get_args(annotation)
        if len(args) == 2 and args[1] is Ellipsis:
            return None
        return [(str(n), part) for n, part in enumerate(args)]
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        hints = get_type_hints(annotation, include_extras=True)
        return [(label, hints.get(label)) for label in annotation._fields]
    return None


def _binding(annotation: Any, function: str) -> Binding | None:
    """What an annotation says about publication: ``Annotated[T, artifact]``, or a declared class."""
    found = [bound for one in _marks(annotation) if (bound := _as_binding(one)) is not None]
    if len(found) > 1:
        names = ", ".join(repr(bound.facts.name) for bound in found)
        raise DeclarationError(f"{function}(): one result cannot be several artifacts: {names}")
    return found[0] if found else None


def _as_binding(mark: object) -> Binding | None:
    if isinstance(mark, Binding):
        return mark
    if isinstance(mark, ArtifactQuery):
        raise DeclarationError(f"{mark!r} is a query; a result is annotated with the artifact itself")
    facts = facts_of(mark)
    if facts is None and Artifact in (mark, get_origin(mark)):
        raise DeclarationError(
            f"{getattr(mark, '__name__', mark)} itself declares nothing, so nothing can be published as it",
            hint='declare one: my_artifact = Artifact(name="my_data"), and annotate with Annotated[…, my_artifact]',
        )
    return Binding(facts) if facts is not None else None


def _marks(annotation: Any) -> list[object]:
    if get_origin(annotation) is Annotated:
        return [*_marks(get_args(annotation)[0]), *annotation.__metadata__]
    if _is_union(annotation):
        return [mark for part in get_args(annotation) for mark in _marks(part)]
    return [annotation]


def _annotated_facts(annotation: Any) -> Facts | None:
    return next((facts for mark in _marks(annotation) if (facts := facts_of(mark)) is not None), None)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (typing.Union, types.UnionType)


def _takes_none(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _takes_none(get_args(annotation)[0])
    return annotation in (None, type(None)) or (_is_union(annotation) and type(None) in get_args(annotation))


def _check_bound_inputs(interface: Interface, output: Output, hints: Mapping[str, Any]) -> None:
    for bound in output.binding.inputs:
        if bound.name not in interface.names:
            raise DeclarationError(
                f"{output.where} binds {output.binding.facts.name!r} to {bound!r}, and the function has no such input",
                hint=f"its inputs are {', '.join(interface.names) or 'none'}",
            )
        held = hints.get(bound.name, Any)
        if interface.signature.parameters[bound.name].kind in _SEVERAL:
            held = tuple  # *args, **kwargs
        timely = bound is output.binding.time or bool(bound.offset)
        if _may_be(held, _TIMES if timely else _TEXTS):
            continue
        word = ", a collection" if (get_origin(held) or held) in _COLLECTIONS else ""
        said = "is no time" if timely else "has no partition string"
        raise DeclarationError(
            f"{output.where} binds {output.binding.facts.name!r} to {bound!r}{word}, which {said}: {held}",
            hint="bind a date or datetime" if timely else "bind a str, int, float, bool, date or datetime",
        )


def _check_queried_inputs(interface: Interface, name: str, query: ArtifactQuery, hints: Mapping[str, Any]) -> None:
    times = query.time if isinstance(query.time, (list, tuple)) else (query.time,)
    for asked in query.inputs:
        timely = asked in times or bool(asked.offset)
        if _may_be(hints.get(asked.name, Any), _TIMES if timely else (*_TEXTS, *_COLLECTIONS)):
            continue
        said = "is no time" if timely else "has no partition string"
        raise DeclarationError(
            f"{interface.name}(): the query of {name!r} needs {asked!r}, which {said}: {hints[asked.name]}",
            hint="ask by a date or datetime" if timely else "ask by a str, int, float, bool, date, datetime or a list",
        )


_COLLECTIONS = (list, dict, set, frozenset, tuple)
_SEVERAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_TIMES = (datetime, date, str)
_TEXTS = (*_TIMES, int, float)


def _may_be(annotation: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a value that is annotated so may be of one of these types; True where the annotation does not tell."""
    if get_origin(annotation) is Annotated:
        return _may_be(get_args(annotation)[0], kinds)
    if _is_union(annotation):
        return any(_may_be(part, kinds) for part in get_args(annotation))
    declared = facts_of(annotation)
    if declared is not None and declared.type is not None:
        return _may_be(declared.type, kinds)
    plain = get_origin(annotation) or annotation
    if declared is not None or plain is Any or not isinstance(plain, type):
        return True
    if plain.__module__ == "numpy" or getattr(plain, "_is_protocol", False):
        return True
    return any(issubclass(plain, kind) or issubclass(kind, plain) for kind in kinds)


def caller_names(depth: int) -> dict[str, Any]:
    """The local names where a decorator is applied, which annotations written as text may use."""
    frame = sys._getframe(depth + 1)
    return {} if frame.f_locals is frame.f_globals else dict(frame.f_locals)
