"""``artifact_field``: a dataclass field that says how, and where, its value is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cas.errors import DeclarationError
from cas.models.serializers import Serializer, chain_for
from cas.models.storage import Storage

__all__ = ["PLAIN", "ArtifactModelConfig", "FieldSpec", "artifact_field", "field_spec", "merge_specs", "spec_of_config"]

_KEY = "cas.artifact_field"


class FieldSpec(NamedTuple):
    """How one field is kept: its serializers (none: the codec of the value's type) and its storage (none: the
    repository).
    """

    serializers: tuple[Serializer[Any], ...] = ()
    storage: Storage | str | None = None


PLAIN = FieldSpec()


class ArtifactModelConfig(dict[str, Any]):
    """What ``config=`` of a model class takes; a plain dict does as well.

    ``default_field_serializer`` and ``default_field_storage`` hold for every field that names none of its own;
    ``include`` and ``exclude`` (one of them) are names of fields to save, or not to.
    """

    KEYS = frozenset({"default_field_serializer", "default_field_storage", "exclude", "include"})


def artifact_field(
    *,
    serializer: Serializer[Any] | Iterable[Serializer[Any]] | None = None,
    storage: Storage | str | Iterable[Storage | str] | None = None,
    **field_kwargs: Any,
) -> Any:
    """A dataclass field with a serializer, or several, and a storage or the name of one.

    Other arguments are those of :func:`dataclasses.field`. Raises DeclarationError for several storages.
    """
    spec = FieldSpec(() if serializer is None else chain_for(serializer), _one_storage(storage))
    metadata: Mapping[Any, Any] = field_kwargs.pop("metadata", None) or {}
    return dataclasses.field(metadata={**metadata, _KEY: spec}, **field_kwargs)


def field_spec(metadata: Mapping[Any, Any]) -> FieldSpec:
    """The spec in a field's metadata; for pydantic, serializers and storages among the field's ``Annotated`` marks."""
    found = metadata.get(_KEY)
    if isinstance(found, FieldSpec):
        return found
    if not metadata:
        return PLAIN
    serializers = tuple(mark for mark in metadata.values() if isinstance(mark, Serializer))
    storages = [mark for mark in metadata.values() if isinstance(mark, Storage)]
    return FieldSpec(serializers, _one_storage(storages or None))


def spec_of_config(owner: str, config: Mapping[str, Any]) -> FieldSpec:
    """The defaults of a class. Raises DeclarationError for a key that is not one of config's."""
    unknown = sorted(set(config) - ArtifactModelConfig.KEYS)
    if unknown:
        raise DeclarationError(
            f"config= of {owner} has unknown keys: {', '.join(unknown)}",
            hint=f"known: {', '.join(sorted(ArtifactModelConfig.KEYS))}",
        )
    if config.get("include") and config.get("exclude"):
        raise DeclarationError(f"config= of {owner} gives both include and exclude", hint="give one of them")
    serializer = config.get("default_field_serializer")
    chain = () if serializer is None else chain_for(serializer)
    return FieldSpec(chain, _one_storage(config.get("default_field_storage")))


def merge_specs(own: FieldSpec, default: FieldSpec) -> FieldSpec:
    """A field's own spec, filled up from its class's."""
    return FieldSpec(own.serializers or default.serializers, default.storage if own.storage is None else own.storage)


def _one_storage(storage: Any) -> Storage | str | None:
    if storage is None or isinstance(storage, Storage | str):
        return storage
    if isinstance(storage, list | tuple | set | frozenset):
        if len(storage) == 1:
            return _one_storage(next(iter(storage)))
        raise DeclarationError(f"a field has one storage, not {len(storage)}", hint="name the one that keeps the value")
    raise DeclarationError(
        f"{storage!r} is not a Storage", hint="pass an instance of a subclass of cas.Storage, or a storage's name"
    )
