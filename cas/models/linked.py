"""``@spanned`` and ``@linked``: every call of a function is a span that holds its arguments and what it returned."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, overload

from cas.errors import DeclarationError
from cas.models import awaited
from cas.models.artifacts import create_span_artifacts
from cas.models.context import span_context
from cas.repository.current import current
from cas.repository.spanning import ActiveSpan

__all__ = ["linked", "spanned"]

F = TypeVar("F", bound=Callable[..., Any])
Names = str | Collection[str]

_RETURN = "return"


@overload
def spanned(function: F, /) -> F: ...
@overload
def spanned(
    *, label: str | None = None, metadata: Mapping[str, Any] | None = None, include: Names = (), exclude: Names = ()
) -> Callable[[F], F]: ...
def spanned(
    function: Any = None,
    /,
    *,
    label: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    include: Names = (),
    exclude: Names = (),
) -> Any:
    """Record each call of a function, plain or async, as a span: its arguments under their names, its value as
    ``return``.

    ``include`` or ``exclude`` choose among these names; ``self`` and ``cls`` are left out. Calls inside a span are
    labelled ``name[1]``, ``name[2]``, … there. An argument without a codec is an error that names it, before the
    function runs.
    """
    recording = _Recording(label, metadata, _names(include), _names(exclude))
    return recording.wrap if function is None else recording.wrap(function)


def linked(*, include: Names = (), exclude: Names = ()) -> Callable[[F], F]:
    """As ``@spanned(include=…, exclude=…)``, by Artigraph's name for it."""
    return spanned(include=include, exclude=exclude)


class _Recording:
    """What is recorded of the calls of one function."""

    def __init__(
        self, label: str | None, metadata: Mapping[str, Any] | None, include: frozenset[str], exclude: frozenset[str]
    ) -> None:
        if include and exclude:
            raise DeclarationError("both include and exclude were given", hint="give one of them")
        self._label = label
        self._metadata = metadata
        self._include = include
        self._exclude = exclude

    def wrap(self, function: Any) -> Any:
        if not callable(function):
            raise DeclarationError(f"{function!r:.80} is not a function", hint="put @spanned above a def")
        name = self._label or _name_of(function)
        try:
            signature = inspect.signature(function)
        except ValueError as fault:
            raise DeclarationError(f"{name} does not say its parameters", hint="put @spanned above a def") from fault
        unknown = sorted((self._include | self._exclude) - {*signature.parameters, _RETURN})
        if unknown:
            raise DeclarationError(
                f"{name} has no parameter {', '.join(unknown)}",
                hint=f"it has: {', '.join(signature.parameters)}, return",
            )

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                given = self._given(signature, args, kwargs)
                async with awaited.span_context(label=numbered(name), metadata=self._metadata):
                    await awaited.create_span_artifacts("current", given)
                    returned = await function(*args, **kwargs)
                    await awaited.create_span_artifacts("current", self._chosen({_RETURN: returned}))
                    return returned

            return call_async

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = self._given(signature, args, kwargs)
            with span_context(label=numbered(name), metadata=self._metadata):
                create_span_artifacts("current", given)
                returned = function(*args, **kwargs)
                create_span_artifacts("current", self._chosen({_RETURN: returned}))
                return returned

        return call

    def _given(self, signature: inspect.Signature, args: Any, kwargs: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        first = next(iter(signature.parameters), None)
        return self._chosen(
            {name: value for name, value in bound.arguments.items() if name != first or name not in {"self", "cls"}}
        )

    def _chosen(self, values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in values.items()
            if name not in self._exclude and (not self._include or name in self._include)
        }


def numbered(name: str) -> str:
    """The label of a call: ``name[n]`` for the nth of that name inside the current span, ``name`` outside of spans."""
    active = current().current_span()
    return name if active is None else f"{name}[{_count(active, name)}]"


def _count(active: ActiveSpan, name: str) -> int:
    counts: dict[str, int] = active.__dict__.setdefault("_calls", {})
    with active.repository.lock:
        counts[name] = counts.get(name, 0) + 1
        return counts[name]


def _name_of(function: Any) -> str:
    """What a function is called; a partial one as what it calls, another object as its class."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", None) or type(function).__name__


def _names(given: Names) -> frozenset[str]:
    return frozenset((given,) if isinstance(given, str) else given)
