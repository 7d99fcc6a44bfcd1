"""Span records: one form each, pinned."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.errors import CodecError, CorruptObject, TypeMismatch
from cas.objects import canonical
from cas.objects.ids import ArtifactId, Kind, ObjectId, SpanId, object_id
from cas.spans import records
from cas.spans.records import Intent, SpanClose, SpanInput, SpanOpen, SpanOutput

ID = SpanId(ObjectId(bytes(range(32))))
OPEN = SpanOpen("train", ID, 1_700_000_000_000_000, {"lr": 0.1}, {"commit": "ab"}, "", {}, b"n" * 16)
CLOSE = SpanClose(
    ID,
    "ok",
    1_700_000_000_000_001,
    None,
    [SpanInput(ArtifactId(ID), None, "flights", None), SpanInput(None, ["int", 1, b"\1" * 32, 1], None, "seed")],
    [SpanOutput(ArtifactId(ID), "model", None)],
    [ID],
    [ObjectId(ID)],
    [Intent("p", "d", "n", {"k": "v"}, "2024-05", "v1", b"\2" * 32, ArtifactId(ID), "", 5, "f" * 32)],
    None,
)


@pytest.mark.parametrize("record", [OPEN, CLOSE])
def test_a_record_comes_back_as_it_was(record: SpanOpen | SpanClose) -> None:
    assert records.decode(records.encode(record)) == record


def test_the_bytes_are_pinned() -> None:
    assert object_id(Kind.SPAN, records.encode(OPEN)).hex() == OPEN_ID
    assert object_id(Kind.SPAN, records.encode(CLOSE)).hex() == CLOSE_ID


def test_metadata_of_other_types_is_refused_by_name() -> None:
    with pytest.raises(CodecError, match="metadata must be plain"):
        records.encode(OPEN._replace(meta={"when": object()}))


@pytest.mark.parametrize(
    "form",
    [
        [],
        {},
        {"record": "event"},
        {**OPEN._asdict(), "record": "open"},
        {"record": "close", **CLOSE._asdict(), "status": "great", "inputs": [], "outputs": [], "intents": []},
        {"record": "close", **CLOSE._asdict(), "span": b"short", "inputs": [], "outputs": [], "intents": []},
        {"record": "close", **CLOSE._asdict(), "inputs": [[1]], "outputs": [], "intents": []},
    ],
)
def test_other_forms_are_no_span_records(form: object) -> None:
    with pytest.raises(TypeMismatch):
        records.decode(canonical.encode(form))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_record_or_a_typed_error(payload: bytes) -> None:
    with contextlib.suppress(CorruptObject):
        records.decode(payload)


OPEN_ID = "3a8444ea9720e44545d157ec130e106370ebdd3f9c9bb73d794b55172a2b7616"
CLOSE_ID = "e8e7a7effaeaf59ce288a89cafa1da0b88d6553da5f85cd05c732bda7a983636"
