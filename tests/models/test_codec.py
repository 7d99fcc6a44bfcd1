"""Models through the store and back: every shape of class, field and nesting."""

from __future__ import annotations

import dataclasses
from collections import UserList
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd
import pytest

from cas.errors import CodecError, DeclarationError, UnknownType
from cas.models.declare import ModelBase
from cas.models.fields import artifact_field
from cas.models.formats import json_serializer
from cas.models.record import ModelRecord
from cas.objects.ids import Kind

T = TypeVar("T")


@dataclass
class Simple(ModelBase, version=1):
    some_value: int
    another_value: dict[str, str] = field(default_factory=dict)


@dataclass
class Empty(ModelBase, version=1):
    pass


@dataclass(frozen=True)
class Frozen(ModelBase, version=1):
    x: int


@dataclass(slots=True)
class Slotted(ModelBase, version=3, name="tests.slotted"):
    x: int
    y: str = "y"


@dataclass(frozen=True, slots=True)
class FrozenSlotted(ModelBase, version=2):
    x: int


@dataclass
class Child(Simple, version=1):
    third: float = 1.5


@dataclass
class Computed(ModelBase, version=1):
    x: int
    double: int = field(init=False)
    limit: ClassVar[int] = 3

    def __post_init__(self):
        self.double = 2 * self.x


@dataclass
class Box(ModelBase, Generic[T], version=1):
    inside: T


@dataclass
class Node(ModelBase, version=1):
    value: int
    left: Node | None = None
    children: list[Node] = field(default_factory=list)
    named: dict[str, Node] = field(default_factory=dict)
    pair: tuple[Node, ...] = ()


@dataclass
class Later(ModelBase, version=1):
    inner: Declared


@dataclass
class Declared(ModelBase, version=1):
    x: int


@dataclass
class Framed(ModelBase, version=1):
    title: str
    frame: Any
    other: Any = None


@dataclass(eq=False)
class Anything(ModelBase, version=1):
    value: Any


@pytest.mark.parametrize(
    "model",
    [
        Simple(42, {"foo": "bar"}),
        Simple(2**80),
        Empty(),
        Frozen(1),
        Slotted(1),
        FrozenSlotted(7),
        Child(1, {"a": "b"}, 2.5),
        Computed(4),
        Box([1, 2]),
        Box(Box(Frozen(1))),
        Node(1, Node(2), [Node(3, children=[Node(4)])], {"k": Node(5)}, (Node(6), Node(7))),
        Later(Declared(3)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_model_comes_back_equal_and_of_its_class(shelf, model):
    back = shelf.trip(model)
    assert type(back) is type(model)
    assert back == model


def test_slots_are_kept(shelf):
    assert not hasattr(shelf.trip(Slotted(1)), "__dict__")


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: 2},
        {1, 2},
        frozenset({1}),
        {},
        [],
        b"bytes",
        datetime(2024, 5, 1, tzinfo=timezone.utc),
        timedelta(days=1),
        {"__is_artifact_model__": True, "model": "x", "version": 1, "fields": {}},
        {"@": 1, "by": ["cas.json"]},
        [(1, {2: (3,)})],
        [Declared(1), Declared(2)],
        {"a": Declared(1), "b": [Declared(1)]},
    ],
    ids=repr,
)
def test_values_of_fields_come_back_equal_and_of_their_type(shelf, value):
    back = shelf.trip(Anything(value)).value
    assert back == value
    assert type(back) is type(value)


def test_nan_comes_back(shelf):
    assert np.isnan(shelf.trip(Anything(float("nan"))).value)


def test_frames_and_arrays(shelf):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    back = shelf.trip(Framed("t", frame, np.arange(24).reshape(2, 3, 4)))
    pd.testing.assert_frame_equal(back.frame, frame)
    assert np.array_equal(back.other, np.arange(24).reshape(2, 3, 4))


def test_equal_models_have_one_id(shelf):
    assert shelf.put(Simple(1, {"a": "1", "b": "2"})) == shelf.put(Simple(1, {"b": "2", "a": "1"}))


def test_a_model_is_not_the_dict_of_its_fields(shelf):
    assert shelf.put(Simple(1)).id != shelf.put({"some_value": 1, "another_value": {}}).id


def test_a_plain_model_is_one_blob(shelf):
    literal = shelf.put(Simple(1))
    assert literal.type == "model"
    assert shelf.store.kind(literal.content) is Kind.BLOB


def held(shelf):
    """The ids of all entries in sealed packs."""
    return [pack.entry(at)[1] for pack in shelf.store.packs for at in pack.places()]


def test_versions_of_a_model_share_the_fields_that_did_not_change(shelf):
    frame = pd.DataFrame({"a": np.arange(10_000.0)})
    shelf.put(Framed("first", frame))
    before = set(held(shelf))
    shelf.put(Framed("second", frame))
    # the head and the tree; not the frame
    assert len(set(held(shelf)) - before) == 2


def test_unchanged_members_of_a_list_are_shared(shelf):
    shelf.put(Anything([Declared(n) for n in range(50)]))
    before = set(held(shelf))
    shelf.put(Anything([Declared(n) for n in range(51)]))
    # the new member, the list, its skeleton, and the model's tree
    assert len(set(held(shelf)) - before) == 4


def test_a_value_without_codec_names_model_field_and_type(shelf):
    with pytest.raises(UnknownType, match=r"Anything\.value is a collections\.UserList"):
        shelf.put(Anything(UserList()))
    with pytest.raises(UnknownType, match=r"Anything\.value\['k'\]\[1\] is a collections\.UserList"):
        shelf.put(Anything({"k": [1, UserList()]}))


def test_a_field_that_fails_to_serialise_is_named_and_nothing_refers_to_the_rest(shelf):
    @dataclass
    class Half(ModelBase, version=1):
        good: Any
        bad: Any = artifact_field(serializer=json_serializer)

    with pytest.raises(CodecError, match=r"Half\.bad: serializer 'cas\.json' could not serialize a set"):
        shelf.put(Half([1], {1}))


def test_an_unknown_class_reads_as_a_record(shelf):
    @dataclass
    class Gone(ModelBase, version=4, name="tests.gone"):
        x: int
        frame: Any

    literal = shelf.put(Gone(1, pd.DataFrame({"a": [1]})))
    from cas.models import classes

    del classes._BY_NAME["tests.gone"]
    record = shelf.get(literal)
    assert isinstance(record, ModelRecord)
    assert (record.model, record.version, record.x) == ("tests.gone", 4, 1)
    assert list(record["frame"].columns) == ["a"]
    assert list(record) == ["x", "frame"]
    with pytest.raises(AttributeError):
        _ = record.missing
    assert shelf.put(record) == literal


def test_a_record_whose_field_needs_an_unknown_serializer_reads_but_for_it(shelf):
    from cas.models import classes, serializers

    class Odd(serializers.Serializer):
        name = "tests.odd"
        types = (int,)

        def serialize(self, value):
            return str(value).encode()

        def deserialize(self, value):
            return int(value)

    @dataclass
    class Lost(ModelBase, version=1, name="tests.lost"):
        x: int
        odd: int = artifact_field(serializer=Odd().register())

    literal = shelf.put(Lost(1, 2))
    assert shelf.get(literal) == Lost(1, 2)
    del classes._BY_NAME["tests.lost"], serializers._BY_NAME["tests.odd"]
    record = shelf.get(literal)
    assert record.x == 1
    with pytest.raises(CodecError, match=r"odd: no serializer named 'tests\.odd'"):
        _ = record.odd


def test_lazy_reads_only_what_is_asked_for(shelf):
    frame = pd.DataFrame({"a": [1, 2]})
    literal = shelf.put(Framed("t", frame, [Declared(1)]))
    loaded = []
    real = shelf.store.read

    def read(ident, kind=None):
        loaded.append(ident)
        return real(ident, kind)

    shelf.store.read = read
    lazy = shelf.read(literal, lazy=True)
    assert isinstance(lazy, Framed)
    assert lazy.__class__ is Framed
    assert lazy.title == "t"
    few = len(loaded)
    assert lazy.other == [Declared(1)]
    assert few < len(loaded)
    more = len(loaded)
    assert lazy.other == [Declared(1)]
    assert len(loaded) == more
    assert list(lazy.frame.columns) == ["a"]


def test_lazy_equals_eager_also_frozen_and_slotted(shelf):
    @dataclass(frozen=True, slots=True)
    class Deep(ModelBase, version=1):
        x: int
        inner: Declared
        more: Any = None

    model = Deep(1, Declared(2))
    lazy = shelf.read(shelf.put(model), lazy=True)
    assert lazy == model
    assert model == lazy
    assert hash(dataclasses.astuple(lazy)[:1]) == hash((1,))
    assert repr(lazy) == repr(model)
    assert shelf.put(lazy) == shelf.put(model)


def test_a_model_valued_field_cannot_have_a_serializer(shelf):
    @dataclass
    class Declares(ModelBase, version=1):
        inner: Declared = artifact_field(serializer=json_serializer)

    @dataclass
    class Meets(ModelBase, version=1):
        inner: Any = artifact_field(serializer=json_serializer)

    for made in (Declares(Declared(1)), Meets(Declared(1))):
        with pytest.raises(DeclarationError, match="holds a model and cannot also have a serializer"):
            shelf.put(made)


def test_a_class_that_is_no_dataclass_is_refused_when_it_is_used(shelf):
    class Undecorated(ModelBase, version=1):
        x: int

    with pytest.raises(DeclarationError, match="not a dataclass"):
        shelf.put(Undecorated())

    class Half(Simple, version=1):
        more: int = 3

    with pytest.raises(DeclarationError, match="not a dataclass"):
        shelf.put(Half(1))


def test_a_subclass_without_fields_of_its_own_needs_no_decorator(shelf):
    class Same(Simple, version=2):
        pass

    assert type(shelf.trip(Same(1))) is Same
