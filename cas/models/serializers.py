"""Serializers: named, user-chosen codecs between one value and bytes, and how several compose.

A field's record keeps the *names* of the serializers that wrote it, and reading looks them up among those registered:
a name found in a record never imports anything. The interface follows Artigraph's (``name``, ``types``, ``serialize``,
``deserialize``, ``register()``), so serializers written for it move over as they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from typing_extensions import Self

from cas.errors import CasError, CodecError, DeclarationError, UnknownType

__all__ = [
    "Serializer",
    "chain_for",
    "deserialize",
    "find_serializer",
    "on_register",
    "serialize",
    "serializer_for_type",
]

T = TypeVar("T")

_BY_NAME: dict[str, Serializer[Any]] = {}
_BY_TYPE: dict[type | str, Serializer[Any]] = {}
_LISTENERS: list[Callable[[Serializer[Any]], None]] = []


class Serializer(ABC, Generic[T]):
    """Turns values of some types into bytes and back.

    ``name`` is unique and never changes, since records hold it. ``types`` are the types it takes: classes, or
    qualified names such as ``"pandas.DataFrame"`` so that a heavy library need not be imported; ``(object,)`` takes
    anything. A serializer whose types hold ``bytes`` is a stage: composed after another, it is given that one's bytes.
    """

    name: str
    types: tuple[type | str, ...]

    @abstractmethod
    def serialize(self, value: T, /) -> bytes:
        """The value's bytes. May raise anything: the caller names the field."""

    @abstractmethod
    def deserialize(self, value: bytes, /) -> T:
        """The value of bytes that :meth:`serialize` made."""

    def register(self) -> Self:
        """Make the serializer known by its name, and the default for its types where they have none.

        Raises DeclarationError where the name is missing or taken.
        """
        name = getattr(self, "name", None)
        if not isinstance(name, str) or not name:
            raise DeclarationError(
                f"{type(self).__qualname__} has no name", hint='set `name = "…"`, and never change it'
            )
        if name in _BY_NAME:
            raise DeclarationError(
                f"a serializer named {name!r} is already registered: {_BY_NAME[name]!r}",
                hint="give this one a name of its own; records hold the name",
            )
        _BY_NAME[name] = self
        for kind in self.types:
            if kind is not object:
                _BY_TYPE.setdefault(kind, self)
        from cas.models import kept  # noqa: F401  (imports this module; it makes the types values like any other)

        for listener in _LISTENERS:
            listener(self)
        return self

    def takes(self, value: object) -> bool:
        """Whether the value is of one of ``types``."""
        return object in self.types or any(kind in self.types for kind in _type_names(type(value)))


def find_serializer(name: str) -> Serializer[Any]:
    """The serializer registered under a name. Raises CodecError."""
    _load_given(name)
    found = _BY_NAME.get(name)
    if found is None:
        raise CodecError(
            f"no serializer named {name!r} is registered",
            hint="import the module that registers it, then read again",
        )
    return found


def serializer_for_type(kind: type) -> Serializer[Any] | None:
    """The serializer registered for a class or the nearest of its bases, if any; the given ones count, too."""
    found = _for_type(kind)
    if found is None:
        from cas.models import formats  # noqa: F401  (imports this module; loaded on the first need)

        found = _for_type(kind)
    return found


def _for_type(kind: type) -> Serializer[Any] | None:
    return next((_BY_TYPE[known] for known in _type_names(kind) if known in _BY_TYPE), None)


def chain_for(declared: Serializer[Any] | Iterable[Serializer[Any]]) -> tuple[Serializer[Any], ...]:
    """What ``serializer=`` was given, as a tuple. Raises DeclarationError where it is something else."""
    several: tuple[Any, ...] = tuple(declared) if isinstance(declared, Iterable) else (declared,)
    for one in several:
        if not isinstance(one, Serializer):
            raise DeclarationError(
                f"{one!r} is not a Serializer", hint="pass an instance of a subclass of cas.Serializer"
            )
    if not several:
        raise DeclarationError("serializer= was given no serializer")
    return several


def serialize(chain: tuple[Serializer[Any], ...], value: object) -> tuple[tuple[str, ...], bytes]:
    """Bytes of a value, and the names of the serializers that took part.

    The first that takes the value serialises it; those after it that take bytes are given the result, in order.
    So ``(array_serializer, dataframe_serializer)`` chooses by type and ``(json_serializer, gzip_serializer)`` composes.
    Raises UnknownType where none takes the value, CodecError where one fails or is not registered.
    """
    first = next((at for at, one in enumerate(chain) if one.takes(value)), None)
    if first is None:
        names = ", ".join(repr(one.name) for one in chain)
        raise UnknownType(
            f"a value of type {type(value).__qualname__} is not what serializer {names} takes",
            hint="choose a serializer for that type, or several: serializer=(a, b)",
        )
    stages = [chain[first], *(one for one in chain[first + 1 :] if bytes in one.types)]
    for stage in stages:
        if _BY_NAME.get(stage.name) is not stage:
            raise CodecError(
                f"serializer {stage.name!r} is not registered, so what it writes could not be read",
                hint=f"register it where it is made: {type(stage).__name__}().register()",
            )
    content: Any = value
    for stage in stages:
        content = _run(stage, "serialize", content)
        if not isinstance(content, bytes | bytearray | memoryview):
            raise CodecError(f"serializer {stage.name!r} returned {type(content).__name__}, not bytes")
    return tuple(stage.name for stage in stages), bytes(content)


def deserialize(names: Iterable[str], content: bytes) -> object:
    """Inverse of :func:`serialize`. Raises CodecError, also for a name that is not registered."""
    value: Any = content
    for stage in [find_serializer(name) for name in reversed(tuple(names))]:
        value = _run(stage, "deserialize", value)
    return value


def on_register(listener: Callable[[Serializer[Any]], None]) -> None:
    """Call ``listener`` with every serializer registered so far and from now on."""
    for known in _BY_NAME.values():
        listener(known)
    _LISTENERS.append(listener)


def _run(stage: Serializer[Any], verb: str, value: Any) -> Any:
    try:
        return getattr(stage, verb)(value)
    except CasError:
        raise
    except Exception as fault:  # whatever a user's serializer raises
        raise CodecError(f"serializer {stage.name!r} could not {verb} a {type(value).__name__}: {fault}") from fault


def _type_names(kind: type) -> Iterable[type | str]:
    """A class and its bases, each followed by its public qualified name (the top module's, as people import it)."""
    for base in kind.__mro__:
        yield base
        yield f"{base.__module__.partition('.')[0]}.{base.__qualname__}"


def _load_given(name: str) -> None:
    """The given serializers register when first asked for by name: a reader need not have imported them."""
    if name.startswith("cas.") and name not in _BY_NAME:
        from cas.models import formats  # noqa: F401  (imports this module; loaded on the first need)
