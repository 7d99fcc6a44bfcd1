"""Migrations on read: chains, defaults, nesting, and errors that name both versions."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from cas.errors import MigrationError
from cas.models.declare import ModelBase
from cas.models.fields import artifact_field

COUNT = itertools.count()


def model(version, fields, migrate=None, name="tests.migrated", **extra):
    """A class of that version with those fields, under one stored name, replacing the one before."""
    body = {"__annotations__": dict(fields), "__module__": __name__, "__qualname__": name, **extra}
    if migrate is not None:
        body["migrate"] = classmethod(migrate)
    made = type(ModelBase)(name, (ModelBase,), body, version=version, name=name)
    return dataclass(made)


def test_migrate_gets_the_stored_version_and_fields(shelf):
    literal = shelf.put(model(1, {"some_value": int})(42))

    def migrate(cls, version, data):
        if version == 1:
            return cls(renamed_value=data["some_value"])
        raise ValueError(f"Unknown version: {version}")

    new = model(2, {"renamed_value": int}, migrate)
    assert shelf.get(literal) == new(42)


def test_the_same_version_is_not_migrated(shelf):
    def migrate(cls, version, data):
        raise AssertionError

    now = model(3, {"x": int}, migrate)
    assert shelf.trip(now(1)) == now(1)


def test_the_default_tries_the_fields_as_they_are(shelf):
    literal = shelf.put(model(1, {"x": int})(1))
    new = model(2, {"x": int, "y": int}, y=5)
    assert shelf.get(literal) == new(1, 5)


def test_a_mismatch_names_both_versions(shelf):
    literal = shelf.put(model(1, {"x": int})(1))
    model(2, {"y": int})
    with pytest.raises(MigrationError, match="from version 1 to version 2") as caught:
        shelf.get(literal)
    assert literal.id.hex()[:12] in str(caught.value)
    assert "migrate" in caught.value.hint


def test_fields_that_changed_without_a_new_version(shelf):
    literal = shelf.put(model(1, {"x": int})(1))
    model(1, {"y": int})
    with pytest.raises(MigrationError, match="fields stored as version 1 do not fit"):
        shelf.get(literal)


def test_a_newer_version_says_to_upgrade(shelf):
    literal = shelf.put(model(5, {"x": int})(1))
    model(2, {"x": int})
    with pytest.raises(MigrationError, match="stored as version 5; the class here is version 2") as caught:
        shelf.get(literal)
    assert "upgrade" in caught.value.hint


def test_an_error_inside_names_both_versions_and_keeps_its_cause(shelf):
    literal = shelf.put(model(1, {"x": int})(1))

    def migrate(cls, version, data):
        raise KeyError("old")

    model(3, {"y": int}, migrate)
    with pytest.raises(MigrationError, match=r"from version 1 to version 3: KeyError: 'old'") as caught:
        shelf.get(literal)
    assert isinstance(caught.value.__cause__, KeyError)


def test_steps_that_return_the_next_versions_fields_chain(shelf):
    literals = {version: shelf.put(model(version, {f"v{version}": int})(10)) for version in (1, 2, 3)}

    def migrate(cls, version, data):
        return {f"v{version + 1}": data[f"v{version}"] + 1}

    now = model(4, {"v4": int}, migrate)
    assert {version: shelf.get(literal) for version, literal in literals.items()} == {
        1: now(13),
        2: now(12),
        3: now(11),
    }


def test_steps_that_call_each_other_chain(shelf):
    literal = shelf.put(model(1, {"a": int})(1))

    def migrate(cls, version, data):
        if version == 1:
            return cls.migrate(2, {"b": data["a"]})
        return cls(c=data["b"])

    now = model(3, {"c": int}, migrate)
    assert shelf.get(literal) == now(1)


@pytest.mark.parametrize("returned", [None, 3, "text"])
def test_anything_else_returned_is_an_error(shelf, returned):
    literal = shelf.put(model(1, {"a": int})(1))
    model(2, {"a": int}, lambda cls, version, data: returned)
    with pytest.raises(MigrationError, match="migrate returned"):
        shelf.get(literal)


def test_a_nested_model_migrates_by_its_own_version(shelf):
    inner = model(1, {"x": int}, name="tests.inner")
    outer = model(1, {"inner": Any}, name="tests.outer")
    literal = shelf.put(outer(inner(1)))
    seen = []

    def inner_migrate(cls, version, data):
        seen.append(("inner", version))
        return cls(y=data["x"])

    def outer_migrate(cls, version, data):
        seen.append(("outer", version, type(data["inner"]).__name__))
        return cls(inner=data["inner"])

    inner = model(7, {"y": int}, inner_migrate, name="tests.inner")
    outer = model(2, {"inner": Any}, outer_migrate, name="tests.outer")
    assert shelf.get(literal) == outer(inner(1))
    assert seen == [("inner", 1), ("outer", 1, "tests.inner")]


def test_a_parent_of_its_own_version_holds_an_older_one(shelf):
    inner = model(1, {"x": int}, name="tests.inner2")
    outer = model(2, {"inner": Any}, name="tests.outer2")
    literal = shelf.put(outer([inner(1)]))
    inner = model(2, {"y": int}, lambda cls, version, data: cls(y=data["x"]), name="tests.inner2")
    assert shelf.get(literal) == outer([inner(1)])


def test_data_holds_the_fields_deserialised(shelf, tmp_path):
    from cas.models.formats import json_serializer
    from cas.models.storage import FileSystem

    field = artifact_field(
        serializer=json_serializer, storage=FileSystem(tmp_path / "kept", name="tests-kept").register()
    )
    literal = shelf.put(model(1, {"x": Any}, x=field, name="tests.kept")({"a": [1]}))
    now = model(2, {"y": Any}, lambda cls, version, data: cls(y=data["x"]), name="tests.kept")
    assert shelf.get(literal) == now({"a": [1]})


def test_slots_and_migration(shelf):
    literal = shelf.put(model(1, {"x": int}, name="tests.slotted-migration")(1))

    @dataclass(slots=True)
    class New(ModelBase, version=2, name="tests.slotted-migration-2", formerly=["tests.unused"]):
        y: int

        @classmethod
        def migrate(cls, version, data):
            return cls(y=data["x"])

    from cas.models import classes

    classes._BY_NAME["tests.slotted-migration"] = classes.entry_of(New)
    assert shelf.get(literal) == New(1)
