"""Models as literals of type ``model`` (docs/format.md, Models).

The content is the canonical map ``{"model": name, "version": n, "fields": {…}}`` as one blob where every field is
plain; else a tree with that map, of the plain fields, under the member ``@``, and each other field as a literal under
its own name: so versions of a model share the fields that did not change, and one field is read without the others. A
nested model is a literal of its own, with its own version.

A field with a serializer or a storage is a literal of a type of ``cas.models.kept``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cas.errors import CasError, CodecError, DeclarationError, TypeMismatch, UnknownType
from cas.literals import registry
from cas.literals.codec import Codec, Content, Decoding, Encoding, read_bounded, read_members, write_members
from cas.literals.literal import Literal
from cas.literals.plain import decode_plain, encode_flat, encode_plain, is_flat
from cas.models.classes import ModelClass, entry_of, find_class, on_register
from cas.models.declare import ModelBase
from cas.models.fields import PLAIN, FieldSpec
from cas.models.kept import fetch, is_plain, prepare, read_stored
from cas.models.lazy import Deferred, lazy_class
from cas.models.migrate import restore
from cas.models.record import ModelRecord
from cas.models.serializers import serializer_for_type
from cas.objects.trees import Blob, LiteralRef

__all__ = ["MODEL", "ModelCodec", "head_of", "read_model"]

_HEAD = "@"  # no field can have this name
_SIMPLE = frozenset({type(None), bool, int, str})


class ModelCodec(Codec):
    """Instances of model classes, and records of models whose class is not known here."""

    type = "model"
    bases = ("cas.models.declare.ModelBase", "cas.models.record.ModelRecord")

    def write(self, value: Any, encoding: Encoding) -> Content:
        name, version, fields, entry = _parts(value)
        simple = entry is not None and _SIMPLE.issuperset(map(type, fields.values()))
        if (entry is None or entry.shape.plain) and (simple or is_flat(fields)):
            try:
                head = encode_flat({"fields": fields, "model": name, "version": version})
                return Content(encoding.writer.put_blob(head), len(head))
            except (OverflowError, UnicodeEncodeError):
                pass  # a big integer, or a surrogate: the slow path takes the one and names the other
        return _write_slow(name, version, fields, entry, encoding)

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        return read_model(literal, decoding)


MODEL = ModelCodec()


def read_model(
    literal: Literal, decoding: Decoding, wanted: type | None = None, lazy: bool = False, what: str = ""
) -> Any:
    """The model of a literal: an instance of its class, migrated where it was stored as an older version.

    ``wanted`` is the class asked for, ``lazy`` puts off reading the fields that are literals of their own, ``what``
    names the artifact in errors. Where the class is not known here, a ModelRecord. Raises CodecError, MigrationError.
    """
    head, members = _head(literal, decoding)
    name, version, fields = head
    entry = find_class(name, wanted)
    if entry is not None and not members and version == entry.version:
        return restore(entry, version, fields, what)
    what = what or f"literal {literal.id.hex()[:12]}"
    readers = {field: _reader(found, name, field, entry, decoding) for field, found in members.items()}
    if entry is None:
        return ModelRecord(name, version, {**fields, **{field: Deferred(read) for field, read in readers.items()}})
    if lazy and readers and version == entry.version:
        loose = lazy_class(entry.cls, frozenset(readers))
        if loose is not None:
            put_off: dict[str, Any] = {**fields, **{field: Deferred(read) for field, read in readers.items()}}
            return restore(ModelClass(loose, entry.name, version, entry.config, None), version, put_off, what)
    return restore(entry, version, {**fields, **{field: read() for field, read in readers.items()}}, what)


def head_of(literal: Literal, decoding: Decoding) -> tuple[str, int, dict[str, Any]]:
    """A model's stored name, version and plain fields, without its others. Raises CodecError."""
    return _head(literal, decoding)[0]


def _parts(value: Any) -> tuple[str, int, dict[str, Any], ModelClass | None]:
    """Stored name, version and fields of a model or record."""
    entry = entry_of(value.__class__)
    if entry is not None:
        shape = entry.shape
        fields = dict(zip(shape.names, shape.values(value), strict=True))
        if shape.extra:
            fields.update(_extra(value, entry.name))
        return entry.name, entry.version, fields, entry
    if isinstance(value, ModelRecord):
        return value.model, value.version, value.fields, None
    raise UnknownType(
        f"{type(value).__qualname__} is not a model class", hint="register it: cas.register_model(cls, version=1)"
    )


def _extra(value: Any, model: str) -> dict[str, Any]:
    """What an instance of a pydantic model that allows it has beside its fields. Raises CodecError."""
    found: dict[str, Any] = value.__pydantic_extra__ or {}
    if _HEAD in found:
        raise CodecError(f"{model}: a field cannot be called {_HEAD!r}")
    return found


def _write_slow(
    name: str, version: int, fields: dict[str, Any], entry: ModelClass | None, encoding: Encoding
) -> Content:
    """A model with fields that are not JSON-like: each is plain, a literal, serialized or stored."""
    plain: dict[str, Any] = {}
    pending: dict[str, Callable[[], Literal]] = {}
    for field, value in fields.items():
        called = f"{name}.{field}"
        spec = PLAIN if entry is None else _spec(entry, field, value)
        if spec is not PLAIN:
            # Serialised now and written later, so that a field that fails leaves nothing anywhere.
            pending[field] = prepare(spec, value, called, encoding)
        elif is_plain(value):
            plain[field] = value
        else:
            pending[field] = _member(value, called, encoding)
    head = encode_plain({"model": name, "version": version, "fields": plain}, name)
    if not pending:
        return Content(encoding.writer.put_blob(head), len(head))
    made = {field: write() for field, write in pending.items()}
    entries = {field: LiteralRef(one.content, one.size, one.type, one.codec) for field, one in made.items()}
    return write_members({_HEAD: head}, encoding.writer, entries)


def _spec(entry: ModelClass, field: str, value: Any) -> FieldSpec:
    """How a field's value is kept; a model says so itself, whatever the class's defaults."""
    spec = entry.shape.specs.get(field, PLAIN)
    if spec is PLAIN or entry_of(value.__class__) is None:
        return spec
    if field in entry.shape.own:
        raise DeclarationError(
            f"field {field!r} of model {entry.name} holds a model and cannot also have a serializer",
            hint="leave out serializer=; the model's own fields say how they are kept",
        )
    return PLAIN


def _member(value: Any, called: str, encoding: Encoding) -> Callable[[], Literal]:
    """A field whose type has a codec; or else a registered serializer. Raises UnknownType, naming model, field and
    type.
    """
    try:
        literal = encoding.child(value, called)
    except UnknownType:
        serializer = serializer_for_type(type(value))
        if serializer is None:
            raise
        return prepare(FieldSpec((serializer,)), value, called, encoding)
    return lambda: literal


def _head(literal: Literal, decoding: Decoding) -> tuple[tuple[str, int, dict[str, Any]], dict[str, LiteralRef]]:
    """Name, version and plain fields; and the literals of the other fields."""
    store = decoding.store
    members: dict[str, LiteralRef] = {}
    try:
        content = read_bounded(literal.content, store, "a model")
    except TypeMismatch:
        entries = read_members(literal, store)
        head = entries.pop(_HEAD, None)
        members = {name: entry for name, entry in entries.items() if isinstance(entry, LiteralRef)}
        if not isinstance(head, Blob) or len(members) < len(entries):
            raise CodecError(f"tree of a model is not its head {_HEAD} and fields that are literals") from None
        content = read_bounded(head.id, store, "a model")
    match decode_plain(content):
        case {"model": str(name), "version": int(version), "fields": dict(fields), **rest} if not rest:
            return (name, version, fields), members
    raise CodecError("content of a model is not a model's name, version and fields")


def _reader(entry: Any, model: str, field: str, known: ModelClass | None, decoding: Decoding) -> Callable[[], Any]:
    """Reads one field that is a literal of its own."""
    literal = Literal(entry.type, entry.version, entry.id, entry.size)

    def read() -> Any:
        try:
            if literal.type == "stored":
                spec = PLAIN if known is None else known.shape.specs.get(field, PLAIN)
                return fetch(read_stored(literal, decoding), spec.storage, decoding.store)
            return decoding.child(literal)
        except CasError as fault:
            fault.args = (f"{model}.{field}: {fault.message}",)
            fault.message = fault.args[0]
            raise

    return read


def _serve(entry: ModelClass) -> None:
    """Classes of other libraries are found by type; subclasses of ModelBase by their base."""
    if not issubclass(entry.cls, ModelBase):
        # A parametrised pydantic generic is a subclass; one that is no model itself is an error that says so.
        registry.serve(MODEL.type, MODEL.version, entry.cls, subclasses=True)


registry.register(MODEL)
on_register(_serve)
