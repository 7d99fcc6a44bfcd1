"""Models in and out of a repository: create under a label, read by id or ref, one or many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cas.errors import ArtifactError, MigrationError, ObjectNotFound, TypeMismatch
from cas.literals import registry
from cas.literals.codec import Decoding
from cas.models.classes import entry_of
from cas.models.codec import MODEL, read_model
from cas.models.declare import ModelBase
from cas.models.record import ModelRecord
from cas.repository.current import current
from cas.repository.version import ArtifactVersion

if TYPE_CHECKING:
    from cas.literals.literal import Literal
    from cas.repository.repository import Repository

__all__ = ["create", "create_many", "read", "read_many", "read_value"]


def create(model: Any, label: str, span_id: Any = None) -> str:
    """Store one model; see :func:`create_many`."""
    repository = current()
    if span_id is None and repository.current_span() is None:
        return repository.put(model, label).id
    return create_many({label: model}, span_id)[label]


def create_many(models: Mapping[str, Any], span_id: Any = None) -> dict[str, str]:
    """Store models under their labels, all or none, and return their artifacts' ids.

    They become artifacts of ``span_id``, or of the current span; outside of spans each label is a ref, published with
    this call.
    """
    from cas.models.artifacts import create_span_artifacts

    repository = current()
    if span_id is not None or repository.current_span() is not None:
        return create_span_artifacts("current" if span_id is None else span_id, models)
    versions = repository.put_many([(model, label) for label, model in models.items()])
    return {label: version.id for label, version in zip(models, versions, strict=True)}


def read(cls: type, artifact: str, *, lazy: bool = False) -> Any:
    """The model of an artifact id, an id prefix or a ref; see :meth:`ArtifactModel.read`."""
    repository = current()
    version = find(repository, artifact)
    literal = version.literal
    if literal.type != MODEL.type:
        raise TypeMismatch(
            f"artifact {artifact} is a {literal.type}, not a model", hint=f"read its value: cas.get({artifact!r})"
        )
    return _checked(cls, read_value(repository, version, cls, lazy=lazy), artifact)


def read_many(cls: type, artifacts: Iterable[str], *, lazy: bool = False) -> list[Any]:
    """The models of many artifacts, in their order."""
    return [read(cls, artifact, lazy=lazy) for artifact in artifacts]


def find(repository: Repository, artifact: str) -> ArtifactVersion:
    """The version of an artifact id, prefix or ref, noted as an input of the current span."""
    version = by_id(repository, artifact)
    if version is None:
        return repository.resolve(artifact)
    note(repository, version)
    return version


def by_id(repository: Repository, artifact: str) -> ArtifactVersion | None:
    """The version of a whole artifact id; None where the text is something else, which resolving says."""
    if len(artifact) != 64:
        return None
    try:
        version = ArtifactVersion(repository, bytes.fromhex(artifact), None)
        _ = version.literal
    except (ValueError, ObjectNotFound, TypeMismatch):
        return None  # a name of 64 characters, a literal's id, or nothing
    return version


def note(repository: Repository, version: ArtifactVersion) -> None:
    """Make an artifact an input of the current span, unless that span made it."""
    span = repository.current_span()
    if span is not None and version.span != span.id:
        span.read(version)


def read_value(
    repository: Repository, version: ArtifactVersion, wanted: type | None = None, *, lazy: bool = False
) -> Any:
    """The value of a version; a model of ``wanted``'s class, or lazily, where that is asked."""
    try:
        return decode(repository, version.literal, wanted, lazy=lazy)
    except MigrationError as fault:
        raise MigrationError(f"{version.title}: {fault.message}", hint=fault.hint) from fault


def decode(repository: Repository, literal: Literal, wanted: type | None = None, *, lazy: bool = False) -> Any:
    """The value of a literal, as :func:`read_value`."""
    if literal.type != MODEL.type:
        return registry.decode(literal, repository.objects)

    def child(member: Literal) -> object:
        return registry.decode(member, repository.objects)

    return read_model(literal, Decoding(repository.objects, False, child), wanted, lazy)


def _checked(cls: type, value: Any, artifact: str) -> Any:
    """The value, if it is of the class that was asked for; the bases of all models take any."""
    if entry_of(cls) is None and issubclass(cls, ModelBase):
        return value
    if isinstance(value, cls):
        return value
    found = value.model if isinstance(value, ModelRecord) else type(value).__qualname__
    raise TypeMismatch(
        f"artifact {artifact} holds a {found}, not a {cls.__qualname__}", hint="read it with ArtifactModel.read(id)"
    )


def label_of(label: object) -> str:
    """A label, if it is one. Raises ArtifactError."""
    if not isinstance(label, str) or not label:
        raise ArtifactError(f"a label is a text that is not empty, not {label!r}")
    return label
