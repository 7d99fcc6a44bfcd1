"""Usage, Artifact Models."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

import cas
from cas.aio import ArtifactModel


@dataclass
class MyDataModel(ArtifactModel, version=1):
    some_value: int
    another_value: dict[str, str] = field(default_factory=dict)


def test_create(example):
    ids = []

    async def main():
        # construct an artifact
        artifact = MyDataModel(some_value=42, another_value={"foo": "bar"})
        # save it to the database
        artifact_id = await artifact.create(label="my-data")
        ids.append(artifact_id)

    example(main())

    async def again():
        for name in (ids[0], ids[0][:12], "my-data"):
            assert await MyDataModel.read(name) == MyDataModel(42, {"foo": "bar"})
        found = await ArtifactModel.read(ids[0])
        assert type(found) is MyDataModel
        assert await MyDataModel.read_many(ids * 2) == [found, found]

    example(again())
    assert cas.get("my-data") == MyDataModel(42, {"foo": "bar"})
    assert cas.resolve("my-data").type == "model"


def test_the_same_names_without_await(example):
    @dataclass
    class Plain(cas.ArtifactModel, version=1):
        some_value: int

    artifact_id = Plain(some_value=42).create(label="plain")
    assert Plain.read(artifact_id) == Plain(42)
    assert Plain.read(cas.resolve("plain").id, lazy=True) == Plain(42)


def test_reading_another_class_than_asked_for(example):
    @dataclass
    class Other(cas.ArtifactModel, version=1):
        x: int

    @dataclass
    class Mine(cas.ArtifactModel, version=1):
        x: int

    artifact_id = Other(1).create("other")
    with pytest.raises(cas.CasError, match=r"holds a .*Other, not a .*Mine"):
        Mine.read(artifact_id)
    number = cas.put(3, "number").id
    with pytest.raises(cas.CasError, match="is a int, not a model"):
        Mine.read(number)
    with pytest.raises(LookupError):
        Mine.read("f" * 64)
    with pytest.raises(LookupError):
        Mine.read("nothing")


def test_storing_the_same_twice_makes_no_new_version(example):
    @dataclass
    class Plain(cas.ArtifactModel, version=1):
        some_value: int

    assert Plain(1).create("same") == Plain(1).create("same")
    assert len(cas.log("same")) == 1
