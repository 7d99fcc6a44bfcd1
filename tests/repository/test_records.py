"""Artifact records: the usual ones, made and read by a template, are what the canonical encoding makes and reads."""

from __future__ import annotations

from unittest import mock

from hypothesis import example, given
from hypothesis import strategies as st

from cas.errors import CasError
from cas.literals.literal import Literal
from cas.objects import canonical
from cas.objects.ids import ObjectId
from cas.repository import version
from cas.repository.version import ArtifactRecord, decode_record, encode_record

TAGS = st.text(min_size=1, max_size=40) | st.sampled_from(["dict", "file", "pandas.DataFrame", "x" * 31, "x" * 32])
SIZES = st.integers(0, (1 << 64) - 1) | st.sampled_from([0, 127, 128, 255, 256, 65535, 65536, 1 << 32])
LITERALS = st.builds(Literal, TAGS, st.integers(1, 127), st.binary(min_size=32, max_size=32).map(ObjectId), SIZES)


@given(LITERALS)
def test_the_template_is_the_canonical_encoding(literal: Literal) -> None:
    payload = encode_record(literal, None, None, None, None)
    assert payload == canonical.encode({"literal": literal.array})
    assert decode_record(payload) == ArtifactRecord(literal, None, None, {}, {})


@given(LITERALS, st.binary(min_size=32, max_size=32), st.dictionaries(st.text(), st.integers(0, 9), max_size=3))
def test_records_of_spans_and_with_metadata_come_back(literal: Literal, span: bytes, meta: dict[str, int]) -> None:
    payload = encode_record(literal, span, "label", meta, None)
    assert decode_record(payload) == ArtifactRecord(literal, span, "label", meta, {})


@given(LITERALS, st.integers(0, 60), st.integers(0, 255), st.booleans())
@example(Literal("file", 1, ObjectId(b"\xc4\x20" * 16), 7), 19, 0xC4, False)
def test_damaged_records_are_read_alike_with_and_without_the_template(
    literal: Literal, at: int, byte: int, cut: bool
) -> None:
    payload = bytearray(encode_record(literal, None, None, None, None))
    payload[min(at, len(payload) - 1)] = byte
    damaged = bytes(payload[:at] if cut else payload)

    def read() -> ArtifactRecord | type[CasError]:
        try:
            return decode_record(damaged)
        except CasError as error:
            return type(error)

    found = read()
    with mock.patch.object(version, "_usual", lambda _: None):
        assert read() == found
