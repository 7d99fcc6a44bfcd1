"""Span records into rows: what is decoded quickly says what the general way says, and nothing else passes."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cas.catalog import decoding
from cas.errors import CorruptObject, TypeMismatch
from cas.objects import canonical
from cas.spans import records
from cas.spans.records import Declared, Intent, SpanClose, SpanInput, SpanOpen, SpanOutput

ID = b"i" * 32
ids = st.binary(min_size=32, max_size=32)
times = st.integers(0, 2**63 - 1)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
maps = st.dictionaries(st.text(max_size=5), plain, max_size=3)
literals = st.tuples(st.text(), st.integers(1, 9), ids, times).map(list)
opens = st.builds(SpanOpen, st.text(), st.none() | ids, times, maps, maps, st.text(), maps, st.binary())
intents = st.builds(
    Intent, st.text(), st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=2), st.none() | st.text(),
    st.text(), ids, ids, st.text(), times, st.text(),
)  # fmt: skip
closes = st.builds(
    SpanClose,
    ids,
    st.sampled_from(sorted(records.STATUSES)),
    times,
    st.none() | maps,
    st.lists(
        st.builds(SpanInput, st.none() | ids, st.none() | literals, st.none() | st.text(), st.none() | st.text()),
        max_size=3,
    ),
    st.lists(st.builds(SpanOutput, ids, st.none() | st.text(), st.none() | st.text()), max_size=3),
    st.lists(ids, max_size=3),
    st.lists(ids, max_size=3),
    st.lists(intents, max_size=2),
    st.none() | ids,
    st.lists(st.text(), max_size=2).map(tuple),
    st.lists(
        st.builds(Declared, st.text(), st.text(), st.text(), st.lists(st.text()).map(tuple), st.none(), st.none()),
        max_size=2,
    ).map(tuple),
)


@pytest.fixture
def slow(monkeypatch):
    """How many records went the general way."""
    asked = []
    real = records.decode
    monkeypatch.setattr(records, "decode", lambda payload: asked.append(payload) or real(payload))
    return asked


@given(opens)
def test_openings(record):
    row = decoding.open_row(ID, records.encode(record))
    again = records.decode(records.encode(record))
    assert row[:8] == (ID, record.parent, record.label, record.kind, "open", record.time, None, None)
    texts = [decoding.text_of(one) for one in (again.meta, again.code, again.fields)]
    assert list(row[8:]) == [*texts, None]


@given(closes)
def test_closings(record):
    close = decoding.closing_of(ID, records.encode(record))
    assert (close.id, close.span, close.status, close.time) == (ID, record.span, record.status, record.time)
    assert list(map(tuple, close.outputs)) == record.outputs
    made = [(one[0], one[1] and list(one[1]), one[2], one[3]) for one in close.inputs]
    assert made == record.inputs
    assert (close.children, close.previous, close.removed) == (record.children, record.previous, record.removed)
    again = records.decode(records.encode(record))
    assert close.error == (None if again.error is None else decoding.text_of(again.error))


def test_what_spans_usually_say_goes_the_quick_way(slow):
    code = {"commit": "a" * 40, "dirty": False, "root": "work"}
    record = SpanOpen("train", ID, 5, {"rate": 0.1, "deep": {"a": [1]}}, code, "Kind", {"x": 1}, bytes(16))
    assert decoding.open_row(ID, records.encode(record)).meta == '{"deep": {"a": [1]}, "rate": 0.1}'
    intent = Intent("p", "d", "n", {"k": "v"}, None, "1", ID, ID, "", 5, "w")
    error = {"type": "ValueError", "message": "no"}
    made = [SpanOutput(ID, "loss", None), SpanOutput(ID, None, "name#1")]
    read = [SpanInput(ID, None, "name", None), SpanInput(None, ["int", 1, ID, 1], None, "x")]
    closing = SpanClose(ID, "failed", 7, error, read, made, [ID], [ID], [intent], ID, ("gone",), ())
    assert decoding.closing_of(ID, records.encode(closing)).error == '{"message": "no", "type": "ValueError"}'
    declared = closing._replace(declared=(Declared("p", "d", "n", ("k",), "day", "int"),), removed=(), error=None)
    assert decoding.closing_of(ID, records.encode(declared)).removed == ()
    assert slow == []


def test_long_maps_go_the_general_way(slow):
    meta = {"text": "x" * 1000}
    row = decoding.open_row(ID, records.encode(SpanOpen("a", None, 5, meta, {}, "", {}, bytes(16))))
    assert row.meta == decoding.text_of(meta)
    assert len(slow) == 1


def _forms():
    form = canonical.decode(records.encode(SpanOpen("a", None, 5, {}, {}, "", {}, bytes(16))))
    closing = SpanClose(ID, "ok", 5, None, [], [], [], [], [], None)
    closed = canonical.decode(records.encode(closing))
    encode = msgspec.msgpack.Encoder(order="sorted").encode
    nan = encode({**form, "meta": {"a": 0.5}}).replace(
        msgspec.msgpack.encode(0.5), b"\xcb\xff\xf8\x00\x00\x00\x00\x00\x01"
    )
    yield "open", encode({**form, "more": 1}), TypeMismatch
    yield "open", encode({**form, "parent": b"short"}), TypeMismatch
    yield "open", encode({**form, "meta": []}), TypeMismatch
    yield "open", encode({**form, "meta": {"a": 2}}).replace(b"\x81\xa1a\x02", b"\x81\x01\x02"), CorruptObject
    yield "open", encode({**form, "meta": {"a": msgspec.msgpack.Ext(1, b"")}}), CorruptObject
    yield "open", nan, CorruptObject
    yield "open", msgspec.msgpack.Encoder().encode(dict(reversed(form.items()))), CorruptObject
    yield "open", encode(form) + b"\0", CorruptObject
    yield "open", encode({**form, "label": "b"}).replace(b"\xa1b", b"\xa1\xff"), CorruptObject
    yield "open", encode({**form, "time": 300}).replace(b"\xcd\x01\x2c", b"\xce\x00\x00\x01\x2c"), CorruptObject
    yield "close", encode({**closed, "children": [b"short"]}), TypeMismatch
    yield "close", encode({**closed, "status": "fine"}), TypeMismatch


@pytest.mark.parametrize(("kind", "payload", "error"), list(_forms()))
def test_what_has_another_form_is_refused(kind, payload, error):
    with pytest.raises(error):
        (decoding.open_row if kind == "open" else decoding.closing_of)(ID, payload)


def test_nan_stays_nan():
    row = decoding.open_row(ID, records.encode(SpanOpen("a", None, 5, {"loss": math.nan}, {}, "", {}, bytes(16))))
    assert row.meta == '{"loss": NaN}'
