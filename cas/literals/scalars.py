"""Codecs of str, bytes and the plain values."""

from __future__ import annotations

from typing import Any

from cas.errors import CodecError
from cas.literals.codec import Codec, Content, Decoding, Encoding, read_bounded
from cas.literals.literal import Literal
from cas.literals.plain import PLAIN, decode_plain, encode_plain
from cas.literals.spooled import Spooled
from cas.objects.ids import Kind

__all__ = ["BYTES", "SCALARS", "TEXT", "PlainCodec"]

_NESTING = frozenset({"list", "dict", "tuple", "set", "frozenset"})


class PlainCodec(Codec):
    """A plain value without members; its content is its canonical msgpack."""

    def __init__(self, kind: type) -> None:
        self.type = PLAIN[kind]  # type: ignore[misc]  # one class serves all plain types
        self.types = (kind,)  # type: ignore[misc]
        self._kind = kind

    def write(self, value: Any, encoding: Encoding) -> Content:
        content = encode_plain(value, encoding.name)
        return Content(encoding.writer.put_blob(content), len(content))

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        value = decode_plain(read_bounded(literal.content, decoding.store, f"a {literal.type}"))
        if type(value) is not self._kind:
            raise CodecError(f"content of a {literal.type} is a {type(value).__name__}")
        return value


class TextCodec(Codec):
    """A str; its content is its UTF-8 bytes."""

    type = "str"
    types = (str,)

    def write(self, value: Any, encoding: Encoding) -> Content:
        try:
            content = value.encode()
        except UnicodeEncodeError as error:
            raise CodecError(f"{encoding.name} is not valid Unicode: {error}") from error
        return Content(encoding.writer.put_blob(content), len(content))

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        try:
            return decoding.store.read(literal.content, Kind.BLOB).decode()
        except UnicodeDecodeError as error:
            raise CodecError(f"content of a str is not UTF-8: {error}") from error


class BytesCodec(Codec):
    """Bytes; they are the content."""

    type = "bytes"
    types = (bytes, Spooled)

    def write(self, value: Any, encoding: Encoding) -> Content:
        if isinstance(value, Spooled):
            return Content(*encoding.writer.put_file(value.path))
        return super().write(value, encoding)

    def encode(self, value: Any) -> bytes:
        return bytes(value)

    def decode(self, content: Any) -> Any:
        if not isinstance(content, bytes):
            raise CodecError("content of a bytes value is not a blob")
        return content


TEXT = TextCodec()
BYTES = BytesCodec()
SCALARS = {tag: PlainCodec(kind) for kind, tag in PLAIN.items() if tag not in _NESTING}
