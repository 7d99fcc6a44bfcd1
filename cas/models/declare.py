"""The base of all model classes: what ``class M(ArtifactModel, version=1)`` does when the class is made."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import Self, dataclass_transform

from cas.errors import DeclarationError
from cas.models.classes import ModelClass, check_version, register_class
from cas.models.fields import artifact_field

__all__ = ["ModelBase"]

_ENTRY = "__cas_model__"
_METHODS = {"create", "create_many", "migrate", "read", "read_many"}


@dataclass_transform(field_specifiers=(artifact_field,))
class ModelBase:
    """Registers each subclass under its name and version; has no fields and no storage of its own."""

    # No slots of our own, so that subclasses choose: @dataclass(slots=True) then truly has no __dict__.
    __slots__ = ()

    def __init_subclass__(
        cls,
        *,
        version: int | None = None,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        formerly: Iterable[str] = (),
        abstract: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        for field in sorted(_METHODS & inspect.get_annotations(cls).keys()):
            raise DeclarationError(
                f"model {cls.__qualname__} cannot have a field {field!r}", hint="every model has a method of that name"
            )
        made = cls.__dict__.get(_ENTRY)
        if abstract or "__cas_lazy__" in cls.__dict__:
            return
        if made is not None and version is None:
            # @dataclass(slots=True) and attrs make the class anew, without its keywords.
            entry = made.with_class(cls)
        elif version is None:
            raise DeclarationError(
                f"model {cls.__qualname__} has no version", hint=f"class {cls.__name__}(ArtifactModel, version=1)"
            )
        else:
            inherited = getattr(cls, _ENTRY, None)
            settings = {**(inherited.config if inherited else {}), **(config or {})}
            entry = ModelClass(cls, name, check_version(cls, version), settings, None)
        register_class(entry, formerly)
        setattr(cls, _ENTRY, entry)

    @classmethod
    def migrate(cls, version: int, data: dict[str, Any]) -> Self:
        """An instance from the fields as an older ``version`` stored them; override it when the fields change.

        May also return a dict: the fields as ``version + 1`` stores them, which are then migrated further. Unless
        overridden, ``cls(**data)``.
        """
        del version
        return cls(**data)
