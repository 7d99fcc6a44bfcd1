"""The model classes known here, by class and by stored name, and how a class's fields are taken out and put back.

A class's stored name is ``module:qualname`` unless ``name=`` gives one. Defining a class again under the same module
and qualified name replaces the older (notebooks, reloads); two classes that claim one explicit name are an error.
"""

from __future__ import annotations

import dataclasses
import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from cas.errors import DeclarationError
from cas.models.fields import PLAIN, FieldSpec, field_spec, merge_specs, spec_of_config

__all__ = [
    "ModelClass",
    "Shape",
    "entry_of",
    "find_class",
    "names_of",
    "on_register",
    "register_class",
    "register_model",
]

T = TypeVar("T")
Migrate = Callable[[int, "dict[str, Any]"], Any]

_BY_CLASS: dict[type, ModelClass] = {}
_BY_NAME: dict[str, ModelClass] = {}
_LISTENERS: list[Callable[[ModelClass], None]] = []


class Shape:
    """The saved fields of a class, in order: names, specs, and a fast getter of their values as a tuple.

    ``extra`` says that instances may have more fields than these.
    """

    __slots__ = ("extra", "names", "own", "plain", "specs", "values")

    def __init__(self, fields: Iterable[Saved], default: FieldSpec, *, extra: bool = False) -> None:
        self.extra = extra
        saved = tuple(fields)
        specs = {one.name: merge_specs(field_spec(one.metadata), default) for one in saved}
        self.names = tuple(specs)
        self.specs = {name: PLAIN if spec == PLAIN else spec for name, spec in specs.items()}
        self.own = frozenset(one.name for one in saved if field_spec(one.metadata).serializers)
        self.plain = all(spec is PLAIN for spec in self.specs.values())
        self.values = _getter(tuple(one.attribute for one in saved))


class Saved(NamedTuple):
    """A field that is saved: its name in the constructor, which is the stored one, and its attribute and metadata."""

    name: str
    attribute: str
    metadata: Mapping[Any, Any]


class ModelClass:
    """One class that is a model: its stored name, version, defaults, migration and shape."""

    __slots__ = ("_given", "_shape", "cls", "config", "migrate", "name", "place", "version")

    def __init__(
        self, cls: type, name: str | None, version: int, config: Mapping[str, Any] | None, migrate: Migrate | None
    ) -> None:
        self.cls = cls
        self.place = (cls.__module__, cls.__qualname__)
        self.name = name if name is not None else ":".join(self.place)
        self.version = version
        self.config = dict(config or {})
        self._given = migrate
        self.migrate: Migrate | None = migrate or getattr(cls, "migrate", None)
        self._shape: Shape | None = None

    @property
    def shape(self) -> Shape:
        """The saved fields. Raises DeclarationError for a class that is no dataclass, or a wrong field."""
        if self._shape is None:
            self._shape = _shape(self)
        return self._shape

    def with_class(self, cls: type) -> ModelClass:
        """The same declaration for a class made anew (``@dataclass(slots=True)``)."""
        made = ModelClass(cls, self.name, self.version, self.config, self._given)
        made.place = self.place  # while the class is being made, its qualified name is not set yet
        return made


def register_model(
    cls: type[T] | None = None,
    *,
    version: int,
    name: str | None = None,
    config: Mapping[str, Any] | None = None,
    migrate: Callable[[int, dict[str, Any]], Any] | None = None,
    formerly: Iterable[str] = (),
) -> Any:
    """Make a pydantic, attrs or dataclass class a model, as a call or as a decorator; its instances are then values
    like any other.

    ``migrate(version, data)`` is as :meth:`ArtifactModel.migrate`; a classmethod ``migrate`` of the class is used where
    it has one. Raises DeclarationError for another kind of class, and where the name is taken.
    """

    def apply(target: type[T]) -> type[T]:
        if _field_source(target) is None:
            raise DeclarationError(
                f"{target.__qualname__} is not a dataclass, attrs class or pydantic model",
                hint="decorate it with @dataclass, or register a codec for it",
            )
        from cas.models import codec  # noqa: F401  (imports this module; without it no value is known to be a model)

        register_class(ModelClass(target, name, check_version(target, version), config, migrate), formerly)
        return target

    return apply if cls is None else apply(cls)


def names_of(cls: type) -> list[str]:
    """The stored names of a class and of its subclasses, with those that they had before."""
    return [name for name, entry in _BY_NAME.items() if issubclass(entry.cls, cls)]


def register_class(entry: ModelClass, formerly: Iterable[str] = ()) -> None:
    """Make a model class known. Raises DeclarationError where another class has its name."""
    spec_of_config(entry.cls.__qualname__, entry.config)
    for name in (entry.name, *formerly):
        holder = _BY_NAME.get(name)
        if holder is not None and holder.place != entry.place and name in {holder.name, entry.name}:
            raise DeclarationError(
                f"two model classes are named {name!r}: {':'.join(holder.place)} and {':'.join(entry.place)}",
                hint="give one of them another name=",
            )
        _BY_NAME[name] = entry
    _BY_CLASS[entry.cls] = entry
    for listener in _LISTENERS:
        listener(entry)


def on_register(listener: Callable[[ModelClass], None]) -> None:
    """Call ``listener`` with every model class known so far and from now on."""
    for known in _BY_CLASS.values():
        listener(known)
    _LISTENERS.append(listener)


def entry_of(cls: type) -> ModelClass | None:
    """The entry of a class; a parametrised pydantic generic counts as its origin."""
    found = _BY_CLASS.get(cls)
    if found is None:
        generic = getattr(cls, "__pydantic_generic_metadata__", None)
        if generic and generic.get("origin") is not None:
            return _BY_CLASS.get(generic["origin"])
    return found


def find_class(name: str, wanted: type | None = None) -> ModelClass | None:
    """The class of a stored name. ``wanted`` is the class the caller asks for, which also answers to its old module's
    name.
    """
    asked = None if wanted is None else entry_of(wanted)
    if asked is not None and asked.name == name:
        return asked
    found = _BY_NAME.get(name)
    if found is None and asked is not None and name.rpartition(":")[2] == asked.place[1]:
        return asked
    return found


def check_version(cls: type, version: object) -> int:
    """The version, if it is one. Raises DeclarationError."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise DeclarationError(
            f"model {cls.__qualname__} has no usable version: {version!r}",
            hint=f"class {cls.__name__}(ArtifactModel, version=1)",
        )
    return version


def _shape(entry: ModelClass) -> Shape:
    cls = entry.cls
    source = _field_source(cls)
    if source is None or (
        "__dataclass_fields__" not in cls.__dict__ and _own_annotations(cls) and dataclasses.is_dataclass(cls)
    ):
        raise DeclarationError(f"model {cls.__qualname__} is not a dataclass", hint="put @dataclass above the class")
    pydantic: Mapping[str, Any] = getattr(cls, "model_config", {}) if source is _pydantic_fields else {}
    extra = pydantic.get("extra") == "allow" and not entry.config.get("include")
    default = spec_of_config(cls.__qualname__, entry.config)
    shape = Shape(_chosen(entry, list(source(cls))), default, extra=extra)
    for name in sorted(_required(cls, source) - set(shape.names)):
        raise DeclarationError(
            f"model {cls.__qualname__} could not be read back: {name!r} has no default, and is not stored",
            hint="give it one: reading makes an instance of what is stored",
        )
    for field in shape.own & _model_fields(cls):
        raise DeclarationError(
            f"field {field!r} of model {cls.__qualname__} holds a model and cannot also have a serializer",
            hint="leave out serializer=; the model's own fields say how they are kept",
        )
    return shape


def _chosen(entry: ModelClass, fields: list[Saved]) -> list[Saved]:
    """The fields that ``include`` and ``exclude`` leave."""
    include, exclude = (_names(entry.config.get(key)) for key in ("include", "exclude"))
    unknown = sorted((include | exclude) - {one.name for one in fields})
    if unknown:
        raise DeclarationError(
            f"config= of {entry.cls.__qualname__} names fields it does not have: {', '.join(unknown)}",
            hint=f"its fields: {', '.join(one.name for one in fields)}",
        )
    return [one for one in fields if one.name not in exclude and (not include or one.name in include)]


def _required(cls: Any, source: Any) -> set[str]:
    """What a class's constructor must be given."""
    if source is _pydantic_fields:
        named = zip(_pydantic_fields(cls), cls.model_fields.values(), strict=True)
        return {saved.name for saved, field in named if field.is_required()}
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {
        one.name
        for one in list(parameters)[1:]
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    }


def _names(given: Any) -> frozenset[str]:
    return frozenset((given,) if isinstance(given, str) else given or ())


def _field_source(cls: Any) -> Callable[[Any], Iterable[Saved]] | None:
    """How to list the fields that a class's constructor takes, by what kind of class it is."""
    if isinstance(getattr(cls, "model_fields", None), dict) and hasattr(cls, "model_validate"):
        return _pydantic_fields
    if "__attrs_attrs__" in cls.__dict__:
        return _attrs_fields
    return _dataclass_fields if dataclasses.is_dataclass(cls) else None


def _dataclass_fields(cls: Any) -> Iterable[Saved]:
    return (Saved(field.name, field.name, field.metadata) for field in dataclasses.fields(cls) if field.init)


def _attrs_fields(cls: Any) -> Iterable[Saved]:
    return (Saved(field.alias, field.name, field.metadata) for field in cls.__attrs_attrs__ if field.init)


def _pydantic_fields(cls: Any) -> Iterable[Saved]:
    by_alias = cls.model_config.get("validate_by_alias") is not False
    for name, field in cls.model_fields.items():
        yield Saved((by_alias and _alias(field)) or name, name, dict(enumerate(field.metadata)))


def _alias(field: Any) -> str | None:
    """What the constructor of a pydantic model calls a field, where it is not the field's own name."""
    alias = field.validation_alias
    choices = getattr(alias, "choices", (alias,))
    return next((one for one in choices if isinstance(one, str)), None)


def _model_fields(cls: type) -> frozenset[str]:
    """Fields whose annotation is a model class; annotations that cannot be resolved yet are judged by value."""
    import typing

    try:
        hints = typing.get_type_hints(cls)
    except Exception:  # noqa: BLE001  (a forward reference to what is not there yet: any error may come of it)
        return frozenset()
    return frozenset(
        name
        for name, hint in hints.items()
        if any(
            isinstance(one, type) and entry_of(one) for one in (typing.get_origin(hint) or hint, *typing.get_args(hint))
        )
    )


def _own_annotations(cls: type) -> dict[str, Any]:
    return {name: kind for name, kind in inspect.get_annotations(cls).items() if "ClassVar" not in str(kind)}


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        one = operator.attrgetter(names[0])
        return lambda model: (one(model),)
    return operator.attrgetter(*names)
