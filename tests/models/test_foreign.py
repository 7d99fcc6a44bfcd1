"""Classes of other libraries as models, by registration."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Annotated, Any, Generic, TypeVar

import attrs
import pytest

from cas.errors import CodecError, DeclarationError, MigrationError, UnknownType
from cas.models import classes
from cas.models.classes import register_model
from cas.models.declare import ModelBase
from cas.models.formats import json_serializer
from cas.objects.trees import decode_tree

T = TypeVar("T")


@register_model(version=1)
@attrs.define
class Attrs:
    x: int
    _private: str = "p"


@register_model(version=1)
@dataclass
class Plain:
    x: int
    inner: Any = None


@dataclass
class Holder(ModelBase, version=1):
    inner: Any


def test_attrs_and_dataclasses(shelf):
    for value in (Attrs(1, "q"), Plain(1, Attrs(2)), [Plain(1)], Holder(Plain(2, [Attrs(1)]))):
        back = shelf.trip(value)
        assert back == value
        assert type(back) is type(value)


def test_pydantic(shelf):
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")

    class Inner(pydantic.BaseModel):
        y: int

    class Person(pydantic.BaseModel):
        name: str = pydantic.Field(..., alias="fullName")
        tags: set[str] = set()
        inner: Inner | None = None
        raw: Annotated[dict[str, int], json_serializer] = {}

    for cls in (Inner, Person):
        register_model(cls, version=1)
    person = Person(fullName="Ann", tags={"a"}, inner=Inner(y=1), raw={"k": 1})
    literal = shelf.put(person)
    assert shelf.get(literal) == person
    assert {
        name: entry.type for name, entry in decode_tree(shelf.store.read(literal.content)).items() if name != "@"
    } == {
        "inner": "model",
        "raw": "serialized",
    }


def test_pydantic_generics(shelf):
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")

    class Box(pydantic.BaseModel, Generic[T]):
        inside: T

    register_model(Box, version=1)
    for value in (Box(inside=1), Box[int](inside=1), Box[Box[int]](inside=Box[int](inside=1))):
        assert shelf.trip(value) == value
        assert shelf.trip(Holder([value])) == Holder([value])


def test_pydantic_aliases(shelf):
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")

    class Named(pydantic.BaseModel):
        a: int = pydantic.Field(validation_alias="first", serialization_alias="eins")
        b: int = pydantic.Field(validation_alias=pydantic.AliasChoices(pydantic.AliasPath("x", 0), "second"))
        c: int = pydantic.Field(default=3, serialization_alias="drei")

    class ByName(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(validate_by_name=True, validate_by_alias=False)
        a: int = pydantic.Field(alias="first")

    for cls in (Named, ByName):
        register_model(cls, version=1)
    for value in (Named(first=1, second=2, c=4), ByName(a=1)):
        assert shelf.trip(value) == value


def test_pydantic_models_keep_what_they_allow_beside_their_fields(shelf):
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")

    class Open(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")
        a: int

    register_model(Open, version=1)
    for value in (Open(a=1), Open(a=1, b="x"), Open(a=1, inner=Open(a=2, b=(3, 4)))):
        assert shelf.trip(value) == value
    with pytest.raises(CodecError, match="a field cannot be called '@'"):
        shelf.put(Open(a=1, **{"@": 2}))


def test_a_subclass_that_was_not_registered_is_no_model(shelf):
    @dataclass
    class More(Plain):
        y: int = 1

    with pytest.raises(UnknownType, match="More is not a model class"):
        shelf.put(More(1))


def test_migrations_of_registered_classes(shelf):
    @dataclass
    class Old:
        a: int

    register_model(Old, version=1, name="tests.foreign")
    literal = shelf.put(Old(1))
    del classes._BY_NAME["tests.foreign"]

    @dataclass
    class New:
        b: int

    register_model(New, version=2, name="tests.foreign", migrate=lambda version, data: New(b=data["a"] + version))
    assert shelf.get(literal) == New(2)
    literal = shelf.put(New(2))
    del classes._BY_NAME["tests.foreign"]

    @dataclass
    class Newest:
        c: int

    register_model(Newest, version=3, name="tests.foreign")
    with pytest.raises(MigrationError, match="from version 2 to version 3"):
        shelf.get(literal)


def test_other_classes_are_refused():
    with pytest.raises(DeclarationError, match="not a dataclass, attrs class or pydantic model"):
        register_model(int, version=1)


def test_a_class_that_was_not_registered_has_no_codec(shelf):
    @dataclass
    class Unknown:
        x: int

    with pytest.raises(UnknownType, match="Unknown") as caught:
        shelf.put(Unknown(1))
    assert caught.value.hint == "make it a model: cas.register_model(Unknown, version=1)"


def test_lazy_where_a_class_looks_at_its_fields_as_it_is_made(shelf):
    """Such a class is read whole; a value that waits to be read would pass its checks, or not."""
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")
    import numpy

    class Validated(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        frame: numpy.ndarray

    @attrs.define
    class Converted:
        frame: Any = attrs.field(converter=list)

    @attrs.define(slots=False)
    class Private:
        _frame: Any = None

    @dataclass(init=False)
    class Own:
        frame: Any

        def __init__(self, frame):
            self.frame = list(frame)

    @dataclass
    class Counted:
        frame: Any

        def __init_subclass__(cls, *, number):
            del number

    for cls, get in (
        (Validated, lambda one: one.frame),
        (Converted, lambda one: one.frame),
        (Private, lambda one: one._frame),
        (Own, lambda one: one.frame),
        (Counted, lambda one: one.frame),
    ):
        register_model(cls, version=1)
        frame = numpy.arange(3)
        lazy = shelf.read(shelf.put(cls(frame=frame)), lazy=True)
        assert list(get(lazy)) == [0, 1, 2]


def test_what_could_not_be_read_back_is_not_stored(shelf):
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")

    @dataclass
    class Given:
        a: int
        once: InitVar[int]

        def __post_init__(self, once):
            self.a += once

    @dataclass
    class Left:
        a: int
        b: int

    class LeftToo(pydantic.BaseModel):
        a: int
        b: int

    register_model(Given, version=1)
    register_model(Left, version=1, config={"exclude": "b"})
    register_model(LeftToo, version=1, config={"include": "a"})
    for value, name in ((Given(1, 2), "once"), (Left(1, 2), "b"), (LeftToo(a=1, b=2), "b")):
        with pytest.raises(DeclarationError, match=f"could not be read back: '{name}' has no default"):
            shelf.put(value)
