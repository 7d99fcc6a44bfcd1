"""Classes of other libraries as models, by registration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import attrs
import pytest

from cas.errors import DeclarationError, MigrationError, UnknownType
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
    assert shelf.trip(Holder(Box(inside=1))) == Holder(Box(inside=1))


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

    with pytest.raises(UnknownType, match="Unknown"):
        shelf.put(Unknown(1))
