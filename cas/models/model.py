"""``ArtifactModel``: the synchronous face of models. ``cas.aio`` has the awaitable one, over the same records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import Self

from cas.models import access
from cas.models.declare import ModelBase

__all__ = ["ArtifactModel"]


class ArtifactModel(ModelBase, abstract=True):
    """Base of artifact models: put ``@dataclass`` above a subclass, which gives its ``version``.

    >>> @dataclass
    ... class MyDataModel(ArtifactModel, version=1):
    ...     some_value: int

    ``name=`` is the stored name (default: module and qualified name), ``config=`` the defaults of its fields
    (:class:`ArtifactModelConfig`), ``formerly=`` stored names that it answers to as well.
    """

    __slots__ = ()

    def create(self, label: str, *, span_id: Any = None) -> str:
        """Store the model and return its artifact's id: in ``span_id``, in the current span, or as the ref ``label``.

        Raises UnknownType or CodecError, which name the field; nothing is stored then.
        """
        return access.create(self, label, span_id)

    @classmethod
    def create_many(cls, models: Mapping[str, ModelBase], *, span_id: Any = None) -> dict[str, str]:
        """Store models under their labels in one transaction; their ids by label."""
        return access.create_many(models, span_id)

    @classmethod
    def read(cls, artifact: str, *, lazy: bool = False) -> Self:
        """The model of an artifact's id (or a prefix) or ref, of its own class, migrated to that class's version.

        ``lazy`` puts off reading each field that is stored as an object of its own until it is used, unless the class
        looks at its fields as it is made, as pydantic's do. A model whose
        class is not known here is a :class:`ModelRecord`. Raises RefNotFound, TypeMismatch for another class than asked
        for, MigrationError.
        """
        found: Self = access.read(cls, artifact, lazy=lazy)
        return found

    @classmethod
    def read_many(cls, artifacts: Iterable[str], *, lazy: bool = False) -> list[Self]:
        """The models of many artifacts, in their order."""
        return access.read_many(cls, artifacts, lazy=lazy)
