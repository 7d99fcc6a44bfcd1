"""``@task``: a function whose calls are spans, and whose annotated results are published."""

from __future__ import annotations

import copyreg
import functools
import sys
from collections.abc import Callable
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar, cast, overload

from cas.flows.calling import call, call_async
from cas.flows.interface import Interface, caller_names

__all__ = ["Flow", "Task", "task"]

P = ParamSpec("P")
R = TypeVar("R")


class Flow(Generic[P, R]):
    """A function that records its calls. Its signature is inspected once, here; raises DeclarationError.

    ``function`` is the plain function, ``interface`` what is known of it, ``name`` the label of its spans.
    """

    kind: ClassVar[str] = "function"

    def __init__(
        self, function: Callable[P, R], *, name: str | None = None, names: dict[str, Any] | None = None
    ) -> None:
        self.function = function
        self.interface = Interface.of(function, names)
        self.name = name or self.interface.name
        self.metadata = {"kind": self.kind, "function": f"{self.interface.module}.{self.interface.qualname}"}
        self.warned = False
        functools.update_wrapper(self, function)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function inside a span; for a coroutine function, what to await."""
        result: Any = (call_async if self.interface.is_async else call)(self, args, kwargs)
        return cast("R", result)

    # Schedulers and servers ask inspect for a coroutine function; it looks at what has these, as it does at functions.
    __code__ = property(lambda self: self.function.__code__)
    __defaults__ = property(lambda self: self.function.__defaults__)
    __kwdefaults__ = property(lambda self: self.function.__kwdefaults__)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As a method, the flow takes its instance as first argument."""
        unbound: Any = self
        return self if instance is None else functools.partial(unbound, instance)

    def __reduce__(self) -> str | tuple[Any, ...]:
        # By name where that leads back here, as functions are: the function under that name is this flow.
        place = self.interface
        found: Any = sys.modules.get(place.module) if place.module != "__main__" else None
        for step in place.qualname.split("."):
            found = getattr(found, step, None)
        if found is self:
            return place.qualname
        return copyreg.__newobj__, (type(self),), self.__dict__  # type: ignore[attr-defined]  # pickle's own

    def __repr__(self) -> str:
        return f"<{self.kind} {self.interface.module}.{self.interface.qualname}>"


class Task(Flow[P, R]):
    """One step."""

    kind = "task"


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(*, name: str | None = None) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(function: Callable[P, R] | None = None, /, *, name: str | None = None) -> Any:
    """Make a function a task. ``name`` labels its spans (default: the function's). Raises DeclarationError."""
    names = caller_names(1)
    if function is not None:
        return Task(function, name=name, names=names)
    return lambda decorated: Task(decorated, name=name, names=names)
