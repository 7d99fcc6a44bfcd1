"""``Span``: a span as users see it, and custom kinds of spans as subclasses with typed fields.

A subclass is a dataclass by itself: its annotated fields are recorded when the span opens and read back by their types.
``polymorphic_identity`` is the stored name of the kind (default: module and qualified name).
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from typing_extensions import dataclass_transform

from cas import clock
from cas.catalog.rows import SpanRow, id_of, is_plain, label_of, unpack
from cas.errors import DeclarationError, UsageError
from cas.objects.ids import Kind
from cas.repository.info import SpanInfo
from cas.spans import records

if TYPE_CHECKING:
    from cas.repository.spanning import ActiveSpan

__all__ = ["Span", "info_of", "kinds_of", "span_of", "span_of_open", "spans_of", "stored_fields"]

_BY_KIND: dict[str, type[Span]] = {}
_TYPED: dict[type, tuple[dict[str, dataclasses.Field[Any]], dict[str, Any]]] = {}


@dataclass_transform(kw_only_default=True, eq_default=False)
class _Recorded:
    """What the repository says of a span. A base of its own, since what a base of dataclasses has is no field."""

    # The catalog's row, or the open span itself, until somebody asks for details.
    _packed: bytes | None = None
    _row: SpanRow | None = None
    _active: ActiveSpan | None = None
    _info: SpanInfo | None = None
    _label: str | None = None
    _metadata: dict[str, Any] | None = None


class Span(_Recorded):
    """One span. What ``span_context`` gave or will give it is None or empty until it was opened.

    Equal to another of the same ``node_id``. A kind of span that is not known here reads as ``Span``, with its fields
    in ``fields``.
    """

    polymorphic_identity: ClassVar[str] = ""
    if TYPE_CHECKING:
        # Properties in truth. As fields, subclasses are made with them: MySpan(label=…, rate=…).
        label: str | None = None
        metadata: dict[str, Any] = {}

    def __init__(self, label: str | None = None, metadata: dict[str, Any] | None = None) -> None:
        self.label = label
        self.metadata = metadata or {}

    def __init_subclass__(cls, *, abstract: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        if abstract:
            return
        if "polymorphic_identity" not in cls.__dict__:
            cls.polymorphic_identity = f"{cls.__module__}:{cls.__qualname__}"
        _make_dataclass(cls)
        holder = _BY_KIND.get(cls.polymorphic_identity)
        if holder is not None and (holder.__module__, holder.__qualname__) != (cls.__module__, cls.__qualname__):
            raise DeclarationError(
                f"two span classes have the polymorphic_identity {cls.polymorphic_identity!r}: "
                f"{holder.__module__}:{holder.__qualname__} and {cls.__module__}:{cls.__qualname__}",
                hint="give one of them another",
            )
        _BY_KIND[cls.polymorphic_identity] = cls

    # --- what the repository says of it ----------------------------------------------------------

    @property
    def node_id(self) -> str | None:
        """Its id, 64 hex digits, or None before it was opened."""
        if self._packed is not None:
            return id_of(self._packed).hex()
        if self._row is not None:
            return self._row.id.hex()
        return self._active.id if self._active is not None else None

    id = node_id

    def _stored(self) -> SpanRow | None:
        """The catalog's row of it, where it was read from there."""
        return self._row if self._packed is None else unpack(self._packed)

    if not TYPE_CHECKING:

        @property
        def label(self) -> str | None:
            """What it is called."""
            if self._label is not None:
                return self._label
            if self._packed is not None:
                return label_of(self._packed)
            return self._row.label if self._row is not None else None

        @label.setter
        def label(self, value: str | None) -> None:
            self._label = value

        @property
        def metadata(self) -> dict[str, Any]:
            """JSON-like values that were given when it was opened."""
            if self._metadata is None:
                self._metadata = dict(self.info.metadata) if self.info else {}
            return self._metadata

        @metadata.setter
        def metadata(self, value: dict[str, Any]) -> None:
            self._metadata = value

    @property
    def info(self) -> SpanInfo | None:
        """All that the repository says of it, None before it was opened."""
        if self._info is not None:
            return self._info
        if (row := self._stored()) is not None:
            self._info = SpanInfo.of(row)
        elif self._active is not None:
            if self._active.is_open:
                return info_of(self._active)
            self._info = info_of(self._active)
        return self._info

    @property
    def parent_id(self) -> str | None:
        """The id of the span that it was opened in."""
        return self.info.parent if self.info else None

    @property
    def opened_at(self) -> datetime | None:
        """When it was opened, in UTC."""
        return self.info.opened_at if self.info else None

    @property
    def closed_at(self) -> datetime | None:
        """When it was closed, in UTC; None while it is open."""
        return self.info.closed_at if self.info else None

    @property
    def status(self) -> str | None:
        """open, ok, failed or abandoned; None before it was opened."""
        return self.info.status if self.info else None

    @property
    def error(self) -> dict[str, Any] | None:
        """``{"type": …, "message": …}`` of what was raised inside it."""
        return self.info.error if self.info else None

    @property
    def kind(self) -> str:
        """The stored name of its kind, "" for a plain span."""
        return self.info.kind if self.info else self.polymorphic_identity

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of its kind as they are stored: JSON-like values."""
        return dict(self.info.fields) if self.info else stored_fields(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Span):
            return NotImplemented
        return self is other or (self.node_id is not None and self.node_id == other.node_id)

    def __hash__(self) -> int:
        return hash(self.node_id) if self.node_id is not None else object.__hash__(self)

    def __repr__(self) -> str:
        own = "".join(f", {name}={getattr(self, name)!r}" for name in _own_fields(type(self)))
        ident = f" %{self.node_id[:12]}" if self.node_id else ""
        return f"<{type(self).__qualname__}{ident} {self.label!r}{own}>"

    @classmethod
    def filtered(cls, *, label: Any = None, status: Any = None, fields: dict[str, Any] | None = None) -> Any:
        """The filter of the spans of this class, for ``repo.spans(MySpan, field=value)``.

        Raises UsageError for a field that neither the class nor a subclass of it has.
        """
        from cas.models.filters import SpanFilter

        _check_fields(cls, fields or {})
        return SpanFilter(kind=cls, label=label, status=status, fields=fields or None)

    def link(self, value: Any, *, label: str) -> str:
        """Store a value as an artifact of this span, under a label unique in it; its id. Raises SpanError."""
        from cas.models.artifacts import create_span_artifact

        return create_span_artifact(self, label=label, data=value)


def span_of(row: SpanRow) -> Span:
    """A span of its own class, or Span where that is not known here."""
    made = _made(row.kind)
    made._row = row
    if type(made) is not Span:
        _fill(made, json.loads(row.fields))
    return made


def spans_of(packed: Iterable[bytes]) -> list[Span]:
    """Spans by the ten thousand, as :func:`span_of` makes each. Plain ones, nearly all, are unpacked when somebody asks
    for more than their ids."""
    new, made = object.__new__, []
    for row in packed:
        if is_plain(row):
            one = new(Span)
            one._packed = row
        else:
            one = span_of(unpack(row))
        made.append(one)
    return made


def span_of_open(active: ActiveSpan) -> Span:
    """The user's view of a span that is open here."""
    opened = active.state.opened
    made = _made(opened.kind)
    made._active, made.label = active, opened.label
    if type(made) is not Span:
        _fill(made, opened.fields)
    return made


def _made(kind: str) -> Span:
    return object.__new__(_BY_KIND.get(kind, Span) if kind else Span)


def info_of(active: ActiveSpan) -> SpanInfo:
    """What is known of a span that this process opened: while it is open, and after it was left."""
    state = active.state
    opened = state.opened
    parent = opened.parent.hex() if opened.parent else None
    at = clock.to_datetime(opened.time)
    info = SpanInfo(
        active.id, opened.label, parent, "open", at, None, opened.meta, opened.code, None, opened.kind, opened.fields
    )
    if active.is_open or state.previous is None:
        return info
    # Its closing record, which may not be in the log yet.
    record = records.decode(active.repository.objects.read(state.previous, Kind.SPAN))
    assert isinstance(record, records.SpanClose)
    closed_at, closing = clock.to_datetime(record.time), state.previous.hex()
    return replace(info, status=record.status, closed_at=closed_at, error=record.error, closing=closing)


def _fill(made: Span, stored: dict[str, Any]) -> None:
    """Set the fields of a custom span from what is stored; one that is not gets its default, or None."""
    fields, hints = _typed_fields(type(made))
    for name, field in fields.items():
        if name in stored:
            value = _typed(stored[name], hints.get(name, Any))
        elif field.default is not dataclasses.MISSING:
            value = field.default
        else:
            value = None if field.default_factory is dataclasses.MISSING else field.default_factory()
        setattr(made, name, value)


def _check_fields(cls: type[Span], fields: Iterable[str]) -> None:
    if cls is Span:
        return  # of any kind
    known = dict.fromkeys(
        name for kind in (cls, *_BY_KIND.values()) if issubclass(kind, cls) for name in _own_fields(kind)
    )
    for name in fields:
        if name.partition(".")[0] not in known:
            raise UsageError(
                f"span {cls.__qualname__} has no field {name!r}; it has: {', '.join(known) or 'none'}",
                hint="for what an older class recorded: SpanFilter(kind=…, fields={…})",
            )


def kinds_of(cls: type[Span]) -> list[str] | None:
    """The stored names of a class and its subclasses; None for Span itself, which is all of them."""
    if cls is Span:
        return None
    return [name for name, known in _BY_KIND.items() if issubclass(known, cls)]


def stored_fields(span: Span) -> dict[str, Any]:
    """The fields of a span's kind as JSON-like values. Raises DeclarationError for a value that has no such form."""
    return {name: _stored(span, name) for name in _own_fields(type(span))}


def _stored(span: Span, name: str) -> Any:
    try:
        return msgspec.to_builtins(getattr(span, name), str_keys=True, enc_hook=_scalar)
    except (TypeError, NotImplementedError, OverflowError) as fault:
        raise DeclarationError(
            f"field {name!r} of span {type(span).__qualname__} cannot be recorded: {fault}",
            hint="store such values as artifacts of the span: create_span_artifact",
        ) from fault


def _scalar(value: Any) -> Any:
    """The number in one of numpy's, which computations give."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    raise NotImplementedError(f"values of type {type(value).__qualname__} have no JSON-like form")


def _make_dataclass(cls: type[Span]) -> None:
    namespace: Any = cls
    if "__init__" in cls.__dict__:
        return
    words = {name for name in vars(Span) if not name.startswith("_") and name != "polymorphic_identity"}
    for name in sorted(words & set(inspect.get_annotations(cls))):
        raise DeclarationError(
            f"span {cls.__qualname__} cannot have a field {name!r}", hint="every span has it already"
        )
    try:
        dataclasses.dataclass(kw_only=True, eq=False, repr=False)(namespace)
    except (TypeError, ValueError) as fault:
        raise DeclarationError(
            f"span {cls.__qualname__}: {fault}",
            hint="field: type = default; of a list or dict: dataclasses.field(default_factory=list)",
        ) from fault
    made_init = cls.__init__

    def init(self: Any, label: str | None = None, metadata: dict[str, Any] | None = None, **fields: Any) -> None:
        Span.__init__(self, label, metadata)
        made_init(self, **fields)

    namespace.__init__ = init
    # Its own, so that @dataclass above the class as well, which it does not need, changes nothing.
    for name in ("__repr__", "__eq__", "__hash__"):
        if name not in cls.__dict__:
            setattr(cls, name, getattr(cls, name))


def _own_fields(cls: type) -> dict[str, dataclasses.Field[Any]]:
    if not dataclasses.is_dataclass(cls):
        return {}
    return {field.name: field for field in dataclasses.fields(cls) if not field.name.startswith("_")}


def _typed_fields(cls: type) -> tuple[dict[str, dataclasses.Field[Any]], dict[str, Any]]:
    """The fields of a custom class and their types, looked up once."""
    if cls not in _TYPED:
        _TYPED[cls] = _own_fields(cls), _hints(cls)
    return _TYPED[cls]


def _hints(cls: type) -> dict[str, Any]:
    """The types of the fields of a custom class; those of a class whose annotations cannot be resolved are left out."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Span) and base is not Span:
            try:
                hints.update(inspect.get_annotations(base, eval_str=True))
            except Exception:  # noqa: BLE001  (a name that is not there: any error may come of it)
                continue
    return hints


def _typed(value: Any, hint: Any) -> Any:
    """A stored value as its annotation says; as it is where that does not fit."""
    try:
        return msgspec.convert(value, hint, strict=False)
    except (msgspec.ValidationError, TypeError):
        return value
