"""Which codec serves which Python type and which stored type tag; encode and decode by it.

Heavy libraries are not imported to look a type up: their types are matched by qualified name, and the codec's module is
imported only then. Codecs come from this registry alone, never from a name found in stored bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from itertools import repeat
from typing import Any, NamedTuple

from cas.errors import CodecError, DeclarationError, LimitExceeded, UnknownType, UnsupportedFormat
from cas.literals.codec import Budget, Codec, Decoding, Encoding
from cas.literals.literal import Columns, Literal
from cas.literals.ports import Store, Writer
from cas.literals.promises import PLACES

__all__ = ["codec_of", "decode", "encode", "encode_many", "encode_plain_many", "register", "registered", "serve"]


MAX_NESTING = 100
"""How many values with members of other types may stand inside each other."""


class _Entry(NamedTuple):
    """A codec, or how to load it, and what it claims."""

    tag: str
    version: int
    types: tuple[type | str, ...]
    bases: tuple[type | str, ...]
    load: Callable[[], Codec]


class Registry:
    """Codecs by type tag and version, and by Python type."""

    def __init__(self) -> None:
        self._by_tag: dict[tuple[str, int], _Entry] = {}
        self._by_type: dict[type | str, _Entry] = {}
        self._by_base: dict[type | str, _Entry] = {}
        self._found: dict[type, Codec | None] = {}

    def add(self, entry: _Entry) -> None:
        """Take an entry. Raises DeclarationError when its tag or one of its types is taken."""
        if (entry.tag, entry.version) in self._by_tag:
            raise DeclarationError(
                f"a codec for type {entry.tag!r} version {entry.version} is registered already",
                hint="choose another type, or raise the version",
            )
        for claimed, places in ((entry.types, self._by_type), (entry.bases, self._by_base)):
            for kind in claimed:
                before = _claim(places, kind)
                if before is not None and before.tag != entry.tag:
                    raise DeclarationError(f"values of {_named(kind)} have the codec {before.tag!r} already")
        self._by_tag[entry.tag, entry.version] = entry
        for claimed, places in ((entry.types, self._by_type), (entry.bases, self._by_base)):
            for kind in claimed:
                before = _claim(places, kind)
                if before is None or before.version < entry.version:
                    places[kind] = entry
        self._found.clear()

    def extend(self, tag: str, version: int, kinds: Iterable[type | str], *, as_bases: bool = False) -> None:
        """Give more types, or bases of types, to an entry. Raises CodecError without one, DeclarationError when a type
        is taken.
        """
        places = self._by_base if as_bases else self._by_type
        entry = self._by_tag.get((tag, version))
        if entry is None:
            raise CodecError(f"no codec for version {version} of type {tag!r} is registered")
        for kind in kinds:
            before = _claim(places, kind)
            if before is not None and before.tag != tag:
                raise DeclarationError(f"values of {_named(kind)} have the codec {before.tag!r} already")
            places[kind] = entry
        self._found.clear()

    def of_type(self, kind: type) -> Codec | None:
        """The codec for values of a type: by exact type, then by its bases in their order; None without one."""
        found = self._found.get(kind)
        if found is None and kind not in self._found:
            entry = self._search(kind)
            found = self._found[kind] = None if entry is None else entry.load()
        return found

    def of_tag(self, tag: str, version: int) -> Codec:
        """The codec that reads a stored type. Raises CodecError or UnsupportedFormat."""
        entry = self._by_tag.get((tag, version))
        if entry is not None:
            return entry.load()
        if tag in PLACES:
            import_module(PLACES.pop(tag))
            return self.of_tag(tag, version)
        known = [number for name, number in self._by_tag if name == tag]
        if known and version > max(known):
            raise UnsupportedFormat(
                f"a {tag} of codec version {version} was written by a newer cas; this one reads up to {max(known)}",
                hint="upgrade: pip install --upgrade cas-store",
            )
        if known:
            raise CodecError(f"no codec for version {version} of type {tag!r}", hint="register the older codec as well")
        raise CodecError(
            f"no codec is registered for the stored type {tag!r}",
            hint="import the module that registers it, or call cas.register(codec) first",
        )

    def _search(self, kind: type) -> _Entry | None:
        entry = _claim(self._by_type, kind)
        if entry is not None:
            return entry
        for base in kind.__mro__:
            entry = _claim(self._by_base, base)
            if entry is not None:
                return entry
        return None


def register(codec: Codec) -> None:
    """Use a codec from now on, for its Python types and its stored type.

    Raises DeclarationError when the codec names no type, or something it claims is taken.
    """
    if not isinstance(codec, Codec):
        raise DeclarationError(f"{codec!r:.80} is not a codec", hint="register an instance of a subclass of cas.Codec")
    if not (isinstance(codec.type, str) and codec.type and isinstance(codec.version, int) and codec.version > 0):
        raise DeclarationError(f"{type(codec).__name__} needs a type (a str) and a version (an int from 1 up)")
    _REGISTRY.add(_Entry(codec.type, codec.version, tuple(codec.types), tuple(codec.bases), lambda: codec))


def serve(tag: str, version: int, *kinds: type | str, subclasses: bool = False) -> None:
    """Let the codec of a stored type take values of more Python types: exactly these, or of their ``subclasses`` too.

    Raises CodecError when there is no such codec, DeclarationError when a type has another one.
    """
    _REGISTRY.extend(tag, version, kinds, as_bases=subclasses)


def codec_of(kind: type) -> Codec | None:
    """The codec for values of a Python type, if there is one."""
    return _REGISTRY.of_type(kind)


def registered(tag: str) -> bool:
    """Whether a codec of any version reads the stored type."""
    return any(name == tag for name, _ in _REGISTRY._by_tag)


def encode(
    value: object,
    writer: Writer,
    *,
    name: str | None = None,
    allow_pickle: bool = False,
    codec: Codec | None = None,
) -> Literal:
    """Store a value's objects and return its literal.

    ``name`` is what errors call the value (a variable, a field); ``codec`` overrides the one registered for its type.
    Raises UnknownType when no codec serves the type, CodecError when the value cannot be stored.
    """
    try:
        return _encode(value, writer, name or "value", MAX_NESTING, allow_pickle=allow_pickle, codec=codec)
    except RecursionError as error:
        raise CodecError(f"{name or 'value'} nests too deeply for this interpreter's stack") from error


def _encode(
    value: object, writer: Writer, name: str, levels: int, *, allow_pickle: bool, codec: Codec | None = None
) -> Literal:
    if not levels:
        raise CodecError(f"{name} is in more than {MAX_NESTING} values, each inside another")
    if codec is None:
        codec = (_REGISTRY.of_type(type(value)) or _unregistered(value, name, allow_pickle)).choose(value)

    def child(member: object, path: str) -> Literal:
        return _encode(member, writer, path, levels - 1, allow_pickle=allow_pickle)

    content, size = codec.write(value, Encoding(writer, name, allow_pickle, child))
    return Literal(codec.type, codec.version, content, size)


def encode_many(values: Iterable[object], writer: Writer, *, allow_pickle: bool = False) -> list[Literal]:
    """Store many values; one literal for each. Plain JSON-like values go the fast way, as one batch of blobs."""
    batch: list[Any] = list(values)
    plain = encode_plain_many(batch, writer)
    if plain is not None:
        return list(map(tuple.__new__, repeat(Literal), plain.rows()))  # Literal._make, in C
    return [
        encode(value, writer, name=f"value {position}", allow_pickle=allow_pickle)
        for position, value in enumerate(batch)
    ]


def encode_plain_many(values: list[Any], writer: Writer) -> Columns | None:
    """Store many JSON-like values, or many texts, as one batch of blobs; None, with nothing stored, for any others."""
    kinds = set(map(type, values))
    contents: list[bytes] | None = None
    if kinds == {str}:
        try:
            contents = list(map(str.encode, values))
        except UnicodeEncodeError as error:
            raise CodecError(f"a text is not valid Unicode: {error}") from error
        tags = ["str"] * len(values)
    elif values and str not in kinds:
        from cas.literals.plain import PLAIN, encode_all_flat

        contents = encode_all_flat(values)
        tags = [] if contents is None else list(map(PLAIN.__getitem__, map(type, values)))
    if contents is None:
        return None
    return Columns(tags, 1, writer.put_blobs(contents), list(map(len, contents)))


def decode(literal: Literal, store: Store, *, allow_pickle: bool = False) -> Any:
    """The value of a literal.

    Raises CodecError when no codec reads its type or the bytes are not what that codec writes, UnsupportedFormat when a
    newer cas wrote it, UnsafeSerializer for pickle that the call does not allow.
    """
    try:
        return _decode(literal, store, allow_pickle, Budget(), MAX_NESTING)
    except RecursionError as error:
        raise LimitExceeded("a stored value nests too deeply for this interpreter's stack") from error


def _decode(literal: Literal, store: Store, allow_pickle: bool, budget: Budget, levels: int) -> Any:
    if not levels:
        raise LimitExceeded(f"a stored value has more than {MAX_NESTING} values, each inside another")
    codec = _REGISTRY.of_tag(literal.type, literal.codec)

    def child(member: Literal) -> object:
        return _decode(member, store, allow_pickle, budget, levels - 1)

    return codec.read(literal, Decoding(store, allow_pickle, child, budget))


def _unregistered(value: object, name: str, allow_pickle: bool) -> Codec:
    if allow_pickle:
        return _REGISTRY.of_tag("pickle", 1)
    kind = type(value)
    hint = (
        f"make it a model: cas.register_model({kind.__name__}, version=1)"
        if any(hasattr(kind, mark) for mark in _FIELDED)
        else f"register one: class MyCodec(cas.Codec): type = 'my.{kind.__name__}'; types = ({kind.__name__},); "
        "def encode(self, value): return <bytes>; def decode(self, content): return <value> · "
        "then cas.register(MyCodec())"
    )
    raise UnknownType(f"{name} is a {_qualified(kind)}, and no codec is registered for that type", hint=hint)


def _claim(places: Mapping[type | str, _Entry], kind: type | str) -> _Entry | None:
    """Which entry has a type, under itself or under its qualified name."""
    entry = places.get(kind)
    return places.get(_qualified(kind)) if entry is None and isinstance(kind, type) else entry


# What tells a dataclass, an attrs class and a pydantic model.
_FIELDED = ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_validator__")


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _named(kind: type | str) -> str:
    return kind if isinstance(kind, str) else _qualified(kind)


def _loader(module: str, attribute: str, key: str | None = None) -> Callable[[], Codec]:
    def load() -> Codec:
        found = getattr(import_module(f"cas.literals.{module}"), attribute)
        codec: Codec = found if key is None else found[key]
        return codec

    return load


# Codecs whose module is imported at first use, since storing a file needs none of them. Those of plain values:
_PLAIN = {
    "none": "builtins.NoneType",
    "bool": "builtins.bool",
    "int": "builtins.int",
    "float": "builtins.float",
    "complex": "builtins.complex",
    "bytearray": "builtins.bytearray",
    "datetime": "datetime.datetime",
    "date": "datetime.date",
    "time": "datetime.time",
    "timedelta": "datetime.timedelta",
    "decimal": "decimal.Decimal",
    "uuid": "uuid.UUID",
}
_NESTING = {"list": list, "dict": dict, "tuple": tuple, "set": set, "frozenset": frozenset}
# All others: tag, module, attribute, types, bases.
_LAZY: tuple[tuple[str, str, str, tuple[type | str, ...], tuple[type | str, ...]], ...] = (
    ("file", "files", "FILE", ("cas.literals.files.File",), ("pathlib.Path", "pathlib._local.Path")),
    ("directory", "files", "DIRECTORY", ("cas.literals.files.Tree",), ()),
    ("arrow.Table", "arrow.table", "TABLE", ("pyarrow.lib.Table",), ()),
    ("arrow.RecordBatch", "arrow.table", "BATCH", ("pyarrow.lib.RecordBatch",), ()),
    ("arrow.Array", "arrow.table", "ARRAY", (), ("pyarrow.lib.Array",)),
    ("arrow.ChunkedArray", "arrow.table", "CHUNKED", ("pyarrow.lib.ChunkedArray",), ()),
    ("numpy.ndarray", "arrays", "ARRAY", ("numpy.ndarray",), ()),
    ("numpy.scalar", "arrays", "SCALAR", (), ("numpy.generic",)),
    ("pandas.DataFrame", "frames.frame", "FRAME", ("pandas.core.frame.DataFrame", "pandas.DataFrame"), ()),
    ("pandas.Series", "frames.frame", "SERIES", ("pandas.core.series.Series", "pandas.Series"), ()),
    ("pandas.Index", "frames.frame", "INDEX", (), ("pandas.core.indexes.base.Index", "pandas.Index")),
    (
        "pandas.Timestamp",
        "frames.scalars",
        "TIMESTAMP",
        ("pandas._libs.tslibs.timestamps.Timestamp", "pandas.Timestamp"),
        (),
    ),
    (
        "pandas.Timedelta",
        "frames.scalars",
        "TIMEDELTA",
        ("pandas._libs.tslibs.timedeltas.Timedelta", "pandas.Timedelta"),
        (),
    ),
    ("pandas.Period", "frames.scalars", "PERIOD", ("pandas._libs.tslibs.period.Period", "pandas.Period"), ()),
    (
        "pandas.NaT",
        "frames.scalars",
        "NOT_A_TIME",
        ("pandas._libs.tslibs.nattype.NaTType", "pandas.api.typing.NaTType"),
        (),
    ),
    ("pandas.NA", "frames.scalars", "MISSING", ("pandas._libs.missing.NAType", "pandas.api.typing.NAType"), ()),
    ("polars.DataFrame", "polars", "FRAME", ("polars.dataframe.frame.DataFrame", "polars.DataFrame"), ()),
    ("polars.Series", "polars", "SERIES", ("polars.series.series.Series", "polars.Series"), ()),
    ("pickle", "pickles", "PICKLE", (), ()),
)

_REGISTRY = Registry()
_REGISTRY.add(_Entry("str", 1, (str,), (), _loader("scalars", "TEXT")))
_REGISTRY.add(_Entry("bytes", 1, (bytes, "cas.literals.spooled.Spooled"), (), _loader("scalars", "BYTES")))
for _tag, _type in _PLAIN.items():
    _REGISTRY.add(_Entry(_tag, 1, (_type,), (), _loader("scalars", "SCALARS", _tag)))
for _tag, _kind in _NESTING.items():
    _REGISTRY.add(_Entry(_tag, 1, (_kind,), (), _loader("containers", _tag.upper())))
for _tag, _module, _attribute, _types, _bases in _LAZY:
    _REGISTRY.add(_Entry(_tag, 1, _types, _bases, _loader(_module, _attribute)))
