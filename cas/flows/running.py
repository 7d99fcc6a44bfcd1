"""The function that is running now: what its artifact calls said, until its outputs claim it.

A call ``A(value, a="x")`` gives the value back and leaves a Creation here. When the function returns, each output
that is annotated with the artifact claims the first creation of that artifact, in the order of the calls, whose
value it is. Values are told apart as objects that are kept alive here; a second creation with the very same object
is given an object of its own (``twin``), so that two equal numbers in one tuple keep their own partitions.
"""

from __future__ import annotations

import copy
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

from cas.flows.binding import Creation
from cas.flows.facts import Facts

__all__ = ["Frame", "current_frame", "entered"]


class Frame:
    """The creations of one call of one function, each with the object that was handed back for it."""

    def __init__(self) -> None:
        self._creations: list[tuple[object, Creation]] = []

    def add(self, creation: Creation) -> Any:
        """Keep a creation; returns the object that stands for it."""
        token = creation.value
        if any(given is token and one.facts.address == creation.facts.address for given, one in self._creations):
            token = twin(token)
        self._creations.append((token, creation))
        return token

    def claim(self, facts: Facts, output: object) -> Creation | None:
        """The creation that an output came from, taken out; None where the output is a plain value."""
        for n, (token, creation) in enumerate(self._creations):
            if token is output and creation.facts.address == facts.address:
                del self._creations[n]
                return creation
        return None

    def unclaimed(self) -> list[Creation]:
        """The creations that no output came from."""
        return [creation for _, creation in self._creations]

    def original(self, given: object) -> object:
        """The value behind an object that was handed back."""
        return next((one.value for token, one in self._creations if token is given), given)

    def unwrap(self, arguments: MutableMapping[str, Any]) -> None:
        """Put the values behind objects that were handed back into the arguments of another call."""
        if self._creations:
            arguments.update({name: self.original(value) for name, value in arguments.items()})


class entered:  # noqa: N801 - reads as a statement: with entered(frame)
    """Make a frame the current one for the block."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __enter__(self) -> Frame:
        self._token = _FRAME.set(self._frame)
        return self._frame

    def __exit__(self, *exc: object) -> None:
        _FRAME.reset(self._token)


def current_frame() -> Frame | None:
    """The frame of the task or workflow that is running, None outside of one."""
    return _FRAME.get()


def twin(value: Any) -> Any:
    """An equal object of its own, where its type can have one; else the value itself (True, None)."""
    subclass = _TWINS.get(type(value))
    return subclass(value) if subclass is not None else copy.copy(value)


_FRAME: ContextVar[Frame | None] = ContextVar("cas_running_function", default=None)
# Python keeps one object for equal small values of these types; an instance of a subclass is an object of its own.
_TWINS: dict[type, Any] = {base: type(base.__name__, (base,), {}) for base in (int, float, str, bytes, tuple)}
