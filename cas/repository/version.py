"""What put, resolve and log return: one version of an artifact, as the log and its record tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from cas import clock
from cas.errors import CodecError
from cas.refs.names import Name
from cas.refs.partitions import Partition

if TYPE_CHECKING:
    from cas.literals.literal import Literal
    from cas.objects.ids import ObjectId
    from cas.repository.repository import Repository

__all__ = ["ArtifactRecord", "ArtifactVersion", "Place"]


class ArtifactRecord(NamedTuple):
    """A decoded artifact record (docs/format.md); ``span`` is 32 bytes."""

    literal: Literal
    span: bytes | None
    label: str | None
    meta: dict[str, Any]
    cards: dict[str, list[Any]]


class Place(NamedTuple):
    """Where a version stands: its ref in full, the version's name, and when it was published there (µs)."""

    project: str
    domain: str
    name: str
    partition: Partition
    version: str
    created: int


class ArtifactVersion:
    """One version: metadata attached to precisely one literal, and to the span that made it.

    Its record is read on first need, so resolving a ref to its id reads no object. Artifacts that a span only
    labelled have no name, partitions or version.
    """

    __slots__ = ("_artifact", "_literal", "_loaded", "_place", "_repository", "_span", "is_new")

    is_new: bool
    """Whether the put that returned this published something; False where the ref held it already."""

    def __init__(  # noqa: PLR0917 - a put of a hundred thousand makes as many: names would cost a third of that
        self,
        repository: Repository,
        artifact: bytes,
        place: Place | None,
        literal: bytes | None = None,
        span: bytes | None = None,
        new: bool = False,
        record: ArtifactRecord | None = None,
    ) -> None:
        self._repository = repository
        self._artifact = artifact
        self._place = place
        self._literal = literal
        self._span = span
        self._loaded = record
        self.is_new = new

    @property
    def _record(self) -> ArtifactRecord:
        if self._loaded is None:
            self._loaded = self._repository.record(self._artifact)
        return self._loaded

    @property
    def known_literal(self) -> bytes | None:
        """The literal's id (32 bytes), if it is known without reading the record."""
        return self._literal or (self._loaded.literal.id if self._loaded is not None else None)

    def bare(self) -> ArtifactVersion:
        """The same without its record, to be kept for long."""
        return ArtifactVersion(
            self._repository, self._artifact, self._place, literal=self.known_literal, span=self._span, new=self.is_new
        )

    @property
    def id(self) -> str:
        """The artifact record's id, 64 hex digits."""
        return self._artifact.hex()

    @property
    def literal_id(self) -> str:
        """The id of the literal it holds: equal for equal values."""
        return (self._literal or self._record.literal.id).hex()

    @property
    def content_id(self) -> str:
        """The id of the blob or tree that the literal is encoded as."""
        return self._record.literal.content.hex()

    @property
    def literal(self) -> Literal:
        """The literal: type, codec version, content and size."""
        return self._record.literal

    @property
    def type(self) -> str:
        """The literal's type tag."""
        return self._record.literal.type

    @property
    def size(self) -> int:
        """Bytes of the literal's content, before deduplication and compression."""
        return self._record.literal.size

    @property
    def project(self) -> str | None:
        """The project its name is in."""
        return self._place.project if self._place else None

    @property
    def domain(self) -> str | None:
        """The domain its name is in."""
        return self._place.domain if self._place else None

    @property
    def name(self) -> str | None:
        """Its name within project and domain."""
        return self._place.name if self._place else None

    @property
    def partition(self) -> Partition | None:
        """Its exact partition."""
        return self._place.partition if self._place else None

    @property
    def partitions(self) -> dict[str, str]:
        """Its partition keys, without the time."""
        return self._place.partition.as_dict() if self._place else {}

    @property
    def time(self) -> str | None:
        """Its time partition, an ISO prefix in UTC."""
        return self._place.partition.time if self._place else None

    @property
    def version(self) -> str | None:
        """The version's name."""
        return self._place.version if self._place else None

    @property
    def span(self) -> str | None:
        """The id of the span that made it."""
        span = self._span
        if span is None and (self._place is None or self._loaded is not None):
            span = self._record.span
        return span.hex() if span else None

    @property
    def label(self) -> str | None:
        """Its label within the span that made it."""
        return self._record.label

    @property
    def created(self) -> datetime | None:
        """When it was published, in UTC; None for one that a span only labelled."""
        return clock.to_datetime(self._place.created) if self._place else None

    @property
    def stamp(self) -> int | None:
        """The stamp of its entry in the ref log, in µs."""
        return self._place.created if self._place else None

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata attached to it."""
        return dict(self._record.meta)

    @property
    def cards(self) -> dict[str, bytes]:
        """The cards attached to it, by name, as bytes."""
        return {name: self._repository.blob(card[1]) for name, card in self._record.cards.items()}

    @property
    def card_ids(self) -> dict[str, str]:
        """The id of each card's bytes: ``cas cat ID > plot.png``."""
        return {name: bytes(card[1]).hex() for name, card in self._record.cards.items()}

    @property
    def card_types(self) -> dict[str, str]:
        """The media type of each card."""
        return {name: card[0] for name, card in self._record.cards.items()}

    @property
    def remote(self) -> str | None:
        """The remote among whose names it was looked up; None: the repository's own."""
        return self._repository.remote_name

    @property
    def ref(self) -> str:
        """A text that names exactly this: ``name@k=v#version``, or the id where it has no name."""
        place = self._place
        if place is None:
            return self.id
        scope = (
            ""
            if (place.project, place.domain) == (self._repository.project, self._repository.domain)
            else f"{place.project}/{place.domain}/"
        )
        partition = f"@{place.partition.text}" if place.partition.keys or place.partition.time else ""
        remote = f"{self.remote}:" if self.remote else ""
        return f"{remote}{scope}{place.name}{partition}#{place.version}"

    @property
    def title(self) -> str:
        """What errors call it: its id, and the ref that it was found under."""
        return f"artifact {self.id[:12]}" + (f" ({self.ref[:80]})" if self._place else "")

    @property
    def uri(self) -> str | None:
        """Its ``flyte://`` address; None where it has no name."""
        place = self._place
        if place is None:
            return None
        from cas.refs.uri import format_uri

        return format_uri(Name(place.project, place.domain, place.name), place.partition, place.version)

    def get(self, as_type: object = None, *, allow_pickle: bool = False) -> Any:
        """The value. ``as_type`` converts where the stored codec knows how, or names a path to write a file or
        directory to."""
        return self._repository.value(self, as_type, allow_pickle=allow_pickle)

    def open(self) -> BinaryIO:
        """Its bytes as a seekable file, reading only the chunks that are asked for. Raises CodecError where it is no
        blob."""
        return self._repository.open(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything about it as JSON values."""
        created = self.created
        return {
            "ref": self.ref,
            "id": self.id,
            "literal": self.literal_id,
            "content": self.content_id,
            "type": self.type,
            "size": self.size,
            "project": self.project,
            "domain": self.domain,
            "name": self.name,
            "partitions": self.partitions,
            "time": self.time,
            "version": self.version,
            "label": self.label,
            "span": self.span,
            "created": created.isoformat() if created else None,
            "metadata": _plain(self._record.meta),
            "cards": self.card_types,
        }

    def __repr__(self) -> str:
        return f"<ArtifactVersion {self.ref}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ArtifactVersion) and (self._artifact, self._identity()) == (
            other._artifact,
            other._identity(),
        )

    def __hash__(self) -> int:
        return hash(self._artifact)

    def _identity(self) -> tuple[object, ...] | None:
        return self._place[:5] if self._place else None


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


_BEGIN = b"\x81\xa7literal\x94"
_ID = b"\xc4\x20"  # 32 bytes follow


def encode_record(
    literal: Literal,
    span: bytes | None,
    label: str | None,
    meta: dict[str, Any] | None,
    cards: dict[str, list[Any]] | None,
) -> bytes:
    """The canonical bytes of an artifact record. Raises CodecError where metadata holds no plain values."""
    if span is None and label is None and not meta and not cards:
        return _plain_record(*literal)
    from cas.objects import canonical

    form: dict[str, Any] = {"literal": literal.array}
    if span is not None:
        form["span"] = span
    if label is not None:
        form["label"] = label
    if meta:
        form["meta"] = meta
    if cards:
        form["cards"] = cards
    try:
        return canonical.encode(form)
    except CodecError as error:
        raise CodecError(
            f"metadata must be plain values: {error.message}", hint="put other values as artifacts of their own"
        ) from error


def encode_records(literals: Iterable[tuple[str, int, ObjectId, int]]) -> list[bytes]:
    """The records of literals made outside of spans, without metadata: as :func:`encode_record`."""
    return [_plain_record(*literal) for literal in literals]


def _plain_record(tag: str, codec: int, content: ObjectId, size: int) -> bytes:
    """``{"literal": [tag, codec, content, size]}``, from a template: no encoder needs to be loaded."""
    return _record_head(tag, codec) + content + _unsigned(size)


def _usual(payload: bytes) -> Literal | None:
    """The literal of a record that is made by the template; None for others, which have a span, metadata or a fault."""
    from cas.literals.literal import Literal
    from cas.objects.ids import ObjectId

    end = payload.find(_ID)
    name = payload[len(_BEGIN) + 1 : end - 1]
    if end < len(_BEGIN) + 2 or not name.isascii():
        return None
    size = payload[end + 34 :]
    literal = Literal(
        name.decode(), payload[end - 1], ObjectId(payload[end + 2 : end + 34]), int.from_bytes(size[1:] or size, "big")
    )
    if not 0 < literal.codec < 128 or len(literal.content) != 32 or literal.size >> 64:
        return None
    return literal if _plain_record(*literal) == payload else None


@lru_cache(maxsize=1024)
def _record_head(tag: str, codec: int) -> bytes:
    from cas.literals.literal import packed_head

    return _BEGIN + packed_head(tag, codec)


@lru_cache(maxsize=4096)
def _unsigned(number: int) -> bytes:
    """The canonical encoding of an integer from 0 up: the shortest that msgpack has."""
    if number < 0x80:
        return bytes((number,))
    for head, length in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
        if number < 1 << 8 * length:
            return bytes((head,)) + number.to_bytes(length, "big")
    raise CodecError(f"{number} bytes are more than a record can say")


def decode_record(payload: bytes) -> ArtifactRecord:
    """Inverse of :func:`encode_record`. Raises TypeMismatch where the bytes are no artifact record."""
    usual = _usual(payload)
    if usual is not None:
        return ArtifactRecord(usual, None, None, {}, {})
    from cas.errors import TypeMismatch
    from cas.literals.literal import Literal
    from cas.objects import canonical

    form = canonical.decode(payload)
    if not isinstance(form, dict) or not set(form) <= {"literal", "span", "label", "meta", "cards"}:
        raise TypeMismatch("malformed artifact record")
    span, label = form.get("span"), form.get("label")
    meta, cards = form.get("meta", {}), form.get("cards", {})
    if not (span is None or isinstance(span, bytes)) or not (label is None or isinstance(label, str)):
        raise TypeMismatch("malformed artifact record: span or label has the wrong type")
    if not isinstance(meta, dict) or not isinstance(cards, dict):
        raise TypeMismatch("malformed artifact record: meta or cards is no map")
    return ArtifactRecord(Literal.from_array(form.get("literal", ())), span, label, meta, cards)
