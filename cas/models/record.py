"""A stored model whose class is not known here, as a plain record of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cas.models.lazy import Deferred

__all__ = ["ModelRecord"]


class ModelRecord(Mapping[str, Any]):
    """The stored name, version and fields of a model; fields are read as attributes or as keys, each when first asked
    for.

    Equal to another record of the same name, version and fields. A field that cannot be read here (its serializer or
    storage is not known) raises only when it is asked for.
    """

    __slots__ = ("_fields", "model", "version")

    def __init__(self, model: str, version: int, fields: dict[str, Any]) -> None:
        self.model = model
        self.version = version
        self._fields = fields

    @property
    def fields(self) -> dict[str, Any]:
        """All fields, loaded."""
        return dict(self)

    def __getitem__(self, name: str) -> Any:
        found = self._fields[name]
        if isinstance(found, Deferred):
            found = self._fields[name] = found.load()
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_fields" or name not in self._fields:
            raise AttributeError(
                f"{type(self).__name__} of {self.model if name != '_fields' else '?'} has no field {name!r}"
            )
        return self[name]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModelRecord):
            return NotImplemented
        return (self.model, self.version, self.fields) == (other.model, other.version, other.fields)

    __hash__ = None  # type: ignore[assignment]  # as any mapping: its fields may change

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={'…' if isinstance(value, Deferred) else repr(value)}" for name, value in self._fields.items()
        )
        return f"<{self.model} v{self.version}: {shown}>"
