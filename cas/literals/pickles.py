"""Pickle, for values without a codec: only where the call (and, above, the configuration) allows it."""

from __future__ import annotations

import pickle
from typing import Any

from cas.errors import CodecError, UnsafeSerializer
from cas.literals.codec import Codec, Content, Decoding, Encoding
from cas.literals.literal import Literal
from cas.objects.ids import Kind

__all__ = ["PICKLE"]

_PROTOCOL = 5


class PickleCodec(Codec):
    """Any picklable value; the content is its pickle, protocol 5. Equal values need not give equal ids."""

    type = "pickle"

    def write(self, value: Any, encoding: Encoding) -> Content:
        if not encoding.allow_pickle:
            raise UnsafeSerializer(f"{encoding.name} would be pickled", hint="pass allow_pickle=True")
        try:
            content = pickle.dumps(value, protocol=_PROTOCOL)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
            raise CodecError(f"{encoding.name} cannot be pickled: {error}") from error
        return Content(encoding.writer.put_blob(content), len(content))

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        if not decoding.allow_pickle:
            raise UnsafeSerializer(
                "this value is a pickle, which can run any code when it is read",
                hint="if you trust who wrote it: pass allow_pickle=True, and allow pickle in your configuration",
            )
        return pickle.loads(decoding.store.read(literal.content, Kind.BLOB))


PICKLE = PickleCodec()
