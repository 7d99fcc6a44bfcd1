"""Instances whose fields load when first read: a subclass of the model's class, with a descriptor per field that is put
off.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import lru_cache
from typing import Any

__all__ = ["Deferred", "lazy_class"]


class Deferred:
    """A field's value that is read from the repository when asked for."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read

    def load(self) -> Any:
        """The value. Raises what reading raises."""
        return self._read()


class _Field:
    """Keeps a field in the instance's dict under a name of its own, loading it at the first reading."""

    __slots__ = ("_slot",)

    def __init__(self, name: str) -> None:
        self._slot = f"cas lazy {name}"

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        kept = instance.__dict__
        try:
            value = kept[self._slot]
        except KeyError:
            raise AttributeError(self._slot) from None
        if isinstance(value, Deferred):
            value = kept[self._slot] = value.load()
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._slot] = value

    def __delete__(self, instance: Any) -> None:
        instance.__dict__.pop(self._slot, None)


@lru_cache(maxsize=1024)
def lazy_class(cls: type, fields: frozenset[str]) -> type | None:
    """A subclass of ``cls`` that passes for it (``__class__``, equality) and loads ``fields`` when they are read.

    None for a class that looks at its fields as it is made: pydantic's, one with an ``__init__`` of its own, and where
    attrs converts or validates a field or calls it otherwise.
    """
    if _looks(cls, fields):
        return None
    namespace: dict[str, Any] = {name: _Field(name) for name in fields}
    namespace["__cas_lazy__"] = True
    # Dataclasses compare by __class__, so an instance that loads lazily equals one that did not.
    namespace["__class__"] = property(lambda _: cls)
    namespace["__module__"] = cls.__module__
    namespace["__qualname__"] = cls.__qualname__
    namespace["__reduce_ex__"] = _reduce
    try:
        return types.new_class(cls.__name__, (cls,), {}, lambda body: body.update(namespace))
    except TypeError:  # it wants no subclasses, or more of them than we know
        return None


def _looks(cls: Any, fields: frozenset[str]) -> bool:
    if hasattr(cls, "__pydantic_validator__"):
        return True
    if "__attrs_attrs__" in cls.__dict__:
        known = {one.name: one for one in cls.__attrs_attrs__}
        return any(name not in known or known[name].converter or known[name].validator for name in fields)
    return not cls.__dataclass_params__.init


def _reduce(self: Any, protocol: Any) -> Any:
    """Copies and pickles are plain instances, with everything loaded."""
    del protocol
    import dataclasses

    cls = self.__class__
    return _plain_instance, (cls, {field.name: getattr(self, field.name) for field in dataclasses.fields(cls)})


def _plain_instance(cls: Any, values: dict[str, Any]) -> Any:
    made = cls.__new__(cls)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made
