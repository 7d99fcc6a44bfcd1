"""Names and versions of model classes: what may be declared, what replaces what, what is refused."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from typing import Any

import pytest

from cas.errors import DeclarationError
from cas.models.classes import entry_of, find_class
from cas.models.declare import ModelBase
from cas.models.fields import artifact_field
from cas.models.formats import json_serializer
from cas.models.record import ModelRecord
from cas.models.storage import FileSystem

SOURCE = """
from dataclasses import dataclass
from cas.models.declare import ModelBase

@dataclass
class Named(ModelBase, version={version}{extra}):
    x: int
"""


def module(name, version=1, extra=""):
    made = types.ModuleType(name)
    sys.modules[name] = made
    exec(SOURCE.format(version=version, extra=extra), made.__dict__)
    return made.Named


def test_a_version_is_required():
    with pytest.raises(DeclarationError, match="has no version"):

        class Bare(ModelBase):
            pass


@pytest.mark.parametrize("version", ["1", 1.5, True, -1])
def test_a_version_is_a_number(version):
    with pytest.raises(DeclarationError, match="no usable version"):

        class Wrong(ModelBase, version=version):
            pass


def test_the_version_is_inherited_only_where_slots_make_the_class_anew():
    @dataclass(slots=True)
    class Made(ModelBase, version=7):
        x: int

    assert entry_of(Made).version == 7
    assert entry_of(Made).cls is Made
    with pytest.raises(DeclarationError, match="has no version"):

        class Below(Made):
            pass


@pytest.mark.parametrize("name", ["create", "read", "migrate"])
def test_a_field_with_the_name_of_a_method_is_refused(name):
    with pytest.raises(DeclarationError, match=f"cannot have a field '{name}'"):
        types.new_class("Wrong", (ModelBase,), {"version": 1}, lambda body: body.update(__annotations__={name: int}))


def test_names_are_by_module_and_qualified_name():
    one, two = module("models_a"), module("models_b")
    assert entry_of(one).name == "models_a:Named"
    assert entry_of(two).name == "models_b:Named"


def test_defining_a_class_again_replaces_it(shelf):
    old = module("models_reloaded")
    literal = shelf.put(old(1))
    new = module("models_reloaded", version=1)
    assert new is not old
    assert type(shelf.get(literal)) is new


def test_two_modules_with_one_explicit_name_are_refused():
    module("models_c", extra=", name='tests.same'")
    module("models_c", extra=", name='tests.same'")  # the same class again
    with pytest.raises(DeclarationError, match=r"two model classes are named 'tests\.same'"):
        module("models_d", extra=", name='tests.same'")


def test_an_explicit_name_survives_a_move(shelf):
    from cas.models import classes

    literal = shelf.put(module("models_before", extra=", name='tests.moved'")(5))
    del classes._BY_NAME["tests.moved"]  # as in another process, where the class lives elsewhere
    moved = module("models_after", extra=", name='tests.moved'")
    assert type(shelf.get(literal)) is moved


def test_a_class_that_moved_without_a_name_reads_when_asked_for(shelf):
    from cas.models import classes

    literal = shelf.put(module("models_old_place")(5))
    del classes._BY_NAME["models_old_place:Named"]
    moved = module("models_new_place")
    assert isinstance(shelf.get(literal), ModelRecord)
    assert shelf.read(literal, wanted=moved) == moved(5)


def test_former_names_are_answered_to(shelf):
    from cas.models import classes

    literal = shelf.put(module("models_former")(5))
    del classes._BY_NAME["models_former:Named"]
    moved = module("models_latter", extra=", formerly=['models_former:Named']")
    assert shelf.get(literal) == moved(5)
    assert find_class("models_former:Named").cls is moved


def test_config_gives_defaults_for_every_field(shelf, tmp_path):
    place = FileSystem(tmp_path / "elsewhere")

    @dataclass
    class Configured(
        ModelBase, version=1, config={"default_field_serializer": json_serializer, "default_field_storage": place}
    ):
        x: int
        y: Any

    literal = shelf.put(Configured(1, [1, "é"]))
    assert sorted(path.read_bytes() for path in place.directory.iterdir() if path.is_file()) == [
        b"1",
        '[1,"é"]'.encode(),
    ]
    assert shelf.get(literal) == Configured(1, [1, "é"])


def test_config_is_inherited_and_a_field_overrides_it(shelf):
    @dataclass
    class Above(ModelBase, version=1, config={"default_field_serializer": json_serializer}):
        x: Any

    @dataclass
    class Below(Above, version=1):
        y: Any = artifact_field(serializer=[json_serializer], default=None)

    assert shelf.trip(Below((1,), (2,))) == Below([1], [2])  # through JSON


def test_unknown_config_is_refused():
    with pytest.raises(DeclarationError, match="unknown keys: serializer"):

        class Wrong(ModelBase, version=1, config={"serializer": json_serializer}):
            pass


def test_include_and_exclude_choose_what_is_saved(shelf):
    @dataclass
    class Partly(ModelBase, version=1, config={"exclude": "cache"}):
        x: int
        cache: Any = None

    @dataclass
    class Only(ModelBase, version=1, config={"include": ["x"]}):
        x: int
        cache: Any = None

    assert shelf.trip(Partly(1, object())) == Partly(1)
    assert shelf.trip(Only(1, object())) == Only(1)
    with pytest.raises(DeclarationError, match="both include and exclude"):

        class Both(ModelBase, version=1, config={"include": "x", "exclude": "y"}):
            pass


def test_excluding_a_field_that_is_not_there_is_refused(shelf):
    @dataclass
    class Typo(ModelBase, version=1, config={"exclude": "cahce"}):
        cache: Any = None

    with pytest.raises(DeclarationError, match="names fields it does not have: cahce"):
        shelf.put(Typo())


def test_several_storages_on_one_field_are_refused(tmp_path):
    with pytest.raises(DeclarationError, match="one storage, not 2"):
        artifact_field(storage=[FileSystem(tmp_path / "a"), FileSystem(tmp_path / "b")])


@pytest.mark.parametrize("wrong", [{"serializer": "json"}, {"serializer": 3}, {"storage": 3}, {"serializer": []}])
def test_what_is_no_serializer_or_storage_is_refused(wrong):
    with pytest.raises(DeclarationError):
        artifact_field(**wrong)
