"""Codecs of pandas' own scalars, as they stand in object columns: Timestamp, Timedelta, Period, NaT and NA."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cas.errors import CodecError
from cas.literals.codec import Codec, Content, Decoding, Encoding, read_bounded
from cas.literals.frames.zones import zone_form, zone_of
from cas.literals.literal import Literal
from cas.literals.plain import decode_plain, encode_plain

__all__ = ["MISSING", "NOT_A_TIME", "PERIOD", "TIMEDELTA", "TIMESTAMP"]

_UNITS = frozenset({"s", "ms", "us", "ns"})


class _ScalarCodec(Codec):
    """A scalar whose content is a plain value, its ``form``."""

    def form(self, value: Any) -> Any:
        """The plain value that is stored."""
        raise CodecError(f"{value!r:.80} cannot be stored as {self.type}")

    def value(self, form: Any) -> Any:
        """Inverse of ``form``."""
        raise CodecError(f"stored {self.type} {form!r:.80} is not valid")

    def write(self, value: Any, encoding: Encoding) -> Content:
        content = encode_plain(self.form(value), encoding.name)
        return Content(encoding.writer.put_blob(content), len(content))

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        form = decode_plain(read_bounded(literal.content, decoding.store, f"a {literal.type}", 1 << 16))
        try:
            return self.value(form)
        except (TypeError, ValueError, OverflowError, LookupError) as error:
            if isinstance(error, CodecError):
                raise
            raise CodecError(f"stored {self.type} {form!r:.80} is not valid: {error}") from error


class TimestampCodec(_ScalarCodec):
    """A Timestamp: [count since the epoch (UTC where there is a zone), unit, zone]."""

    type = "pandas.Timestamp"
    types = ("pandas._libs.tslibs.timestamps.Timestamp", "pandas.Timestamp")

    def form(self, value: Any) -> Any:
        zone = None if value.tz is None else zone_form(value.tz, "a Timestamp")
        return [int(value.asm8.view("i8")), value.unit, zone]

    def value(self, form: Any) -> Any:
        match form:
            case [int(count), str(unit), zone] if unit in _UNITS:
                stamp = pd.Timestamp(np.datetime64(count, unit))  # type: ignore[call-overload]  # one of _UNITS
                return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(zone_of(zone))
        return super().value(form)


class TimedeltaCodec(_ScalarCodec):
    """A Timedelta: [count, unit]."""

    type = "pandas.Timedelta"
    types = ("pandas._libs.tslibs.timedeltas.Timedelta", "pandas.Timedelta")

    def form(self, value: Any) -> Any:
        return [int(value.asm8.view("i8")), value.unit]

    def value(self, form: Any) -> Any:
        match form:
            case [int(count), str(unit)] if unit in _UNITS:
                return pd.Timedelta(np.timedelta64(count, unit))  # type: ignore[call-overload]  # one of _UNITS
        return super().value(form)


class PeriodCodec(_ScalarCodec):
    """A Period: [ordinal, frequency]."""

    type = "pandas.Period"
    types = ("pandas._libs.tslibs.period.Period", "pandas.Period")

    def form(self, value: Any) -> Any:
        return [int(value.ordinal), value.freqstr]

    def value(self, form: Any) -> Any:
        match form:
            case [int(ordinal), str(freq)]:
                return pd.Period(ordinal=ordinal, freq=freq)
        return super().value(form)


class SingletonCodec(_ScalarCodec):
    """A value of which there is one: nil."""

    def __init__(self, tag: str, name: str, module: str, only: Any) -> None:
        self.type = tag  # type: ignore[misc]  # one class serves both
        self.types = (f"{module}.{name}", f"pandas.api.typing.{name}")  # type: ignore[misc]
        self._only = only

    def form(self, value: Any) -> Any:
        return None if value is self._only else super().form(value)

    def value(self, form: Any) -> Any:
        return self._only if form is None else super().value(form)


TIMESTAMP = TimestampCodec()
TIMEDELTA = TimedeltaCodec()
PERIOD = PeriodCodec()
NOT_A_TIME = SingletonCodec("pandas.NaT", "NaTType", "pandas._libs.tslibs.nattype", pd.NaT)
MISSING = SingletonCodec("pandas.NA", "NAType", "pandas._libs.missing", pd.NA)
