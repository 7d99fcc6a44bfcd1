"""Storages: their cycle, their names in records, and what is checked when they are read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from cas.errors import CodecError, DeclarationError, HashMismatch, ObjectNotFound, StorageError, StorageUnknown
from cas.literals.plain import decode_plain
from cas.models.declare import ModelBase
from cas.models.fields import artifact_field
from cas.models.formats import dataframe_serializer
from cas.models.storage import FileSystem, FsspecStorage, S3Storage, Storage, call
from cas.objects.ids import Kind
from cas.objects.trees import decode_tree


class Awaited(Storage):
    """In memory, with async methods and locations of its own, as Artigraph's documents write storages."""

    def __init__(self):
        self.name = "tests-awaited"
        self.kept = {}

    async def create(self, data: bytes) -> str:
        await asyncio.sleep(0)
        location = f"number-{len(self.kept)}"
        self.kept[location] = data
        return location

    async def read(self, location: str) -> bytes:
        return self.kept[location]

    async def delete(self, location: str) -> None:
        self.kept.pop(location, None)

    async def exists(self, location: str) -> bool:
        return location in self.kept


def storages(folder):
    import fsspec

    return [
        FileSystem(folder / "files"),
        FsspecStorage("tests-memory", "memory", "bucket/prefix"),
        S3Storage("bucket", "some/prefix", filesystem=fsspec.filesystem("memory")),
        Awaited(),
    ]


@pytest.mark.parametrize("which", range(4))
def test_the_cycle(tmp_path, which):
    storage = storages(tmp_path)[which]
    location = call(storage, "create", b"some bytes")
    assert isinstance(location, str)
    assert "://" not in location
    assert call(storage, "exists", location)
    assert call(storage, "read", location) == b"some bytes"
    call(storage, "delete", location)
    assert not call(storage, "exists", location)
    call(storage, "delete", location)
    with pytest.raises((ObjectNotFound, StorageError)):
        call(storage, "read", location)


def test_async_methods_work_inside_a_running_loop():
    async def main():
        storage = Awaited()
        return call(storage, "read", call(storage, "create", b"x"))

    assert asyncio.run(main()) == b"x"


def test_equal_bytes_are_kept_once(tmp_path):
    storage = FileSystem(tmp_path / "files")
    assert storage.create(b"same") == storage.create(b"same")
    assert len([path for path in storage.directory.iterdir() if path.is_file()]) == 1


@pytest.mark.parametrize("location", ["../x", "/etc/passwd", "", "a/b", ".."])
def test_a_location_cannot_leave_the_folder(tmp_path, location):
    for storage in storages(tmp_path)[:3]:
        with pytest.raises(ObjectNotFound):
            call(storage, "read", location)


@pytest.fixture
def framed(tmp_path):
    """A class whose frame is kept in a directory, and that directory's storage."""
    place = FileSystem(tmp_path / "elsewhere", name="tests-elsewhere")

    @dataclass
    class Framed(ModelBase, version=1, name="tests.framed"):
        title: str
        frame: Any = artifact_field(serializer=dataframe_serializer, storage=place)

    return Framed, place


def test_serializer_and_storage_are_honoured(shelf, framed):
    cls, place = framed
    frame = pd.DataFrame({"a": [1, 2]})
    literal = shelf.put(cls("t", frame))
    (file,) = [path for path in place.directory.iterdir() if path.is_file()]
    assert b"ARROW1" in file.read_bytes()
    pd.testing.assert_frame_equal(shelf.get(literal).frame, frame)


def test_records_hold_the_name_and_the_id_and_no_url(shelf, framed, tmp_path):
    cls, _ = framed
    literal = shelf.put(cls("t", pd.DataFrame({"a": [1]})))
    entry = decode_tree(shelf.store.read(literal.content, Kind.TREE))["frame"]
    assert entry.type == "stored"
    record = decode_plain(shelf.store.read(entry.id))
    assert set(record) == {"storage", "location", "blob", "size", "by"}
    assert record["storage"] == "tests-elsewhere"
    assert record["location"] == record["blob"].hex()
    assert str(tmp_path) not in repr(record)


def test_a_storage_that_nothing_maps_is_unknown(shelf, framed, tmp_path):
    from cas.models import classes

    cls, place = framed
    literal = shelf.put(cls("t", pd.DataFrame({"a": [1]})))
    del classes._BY_NAME["tests.framed"]
    record = shelf.get(literal)
    with pytest.raises(StorageUnknown, match="tests-elsewhere"):
        _ = record.frame
    moved = FileSystem(place.directory, name="tests-elsewhere").register()
    try:
        assert list(shelf.get(literal).frame.columns) == ["a"]
    finally:
        moved.unregister()


def test_a_storage_by_name(shelf, tmp_path):
    @dataclass
    class ByName(ModelBase, version=1):
        value: Any = artifact_field(storage="tests-by-name")

    with pytest.raises(StorageUnknown, match="tests-by-name"):
        shelf.put(ByName([1, (2,)]))
    place = FileSystem(tmp_path / "by-name", name="tests-by-name").register()
    try:
        assert shelf.trip(ByName([1, (2,)])) == ByName([1, (2,)])
    finally:
        place.unregister()


def test_names_mapped_by_the_users_configuration(shelf, tmp_path):
    from cas.models.storage import find_storage, map_storages

    @dataclass
    class Mapped(ModelBase, version=1):
        value: Any = artifact_field(storage="tests-mapped")

    map_storages({"tests-mapped": str(tmp_path / "one"), "tests-other": "memory://folder/x"})
    literal = shelf.put(Mapped([1]))
    assert shelf.get(literal) == Mapped([1])
    map_storages({"tests-mapped": (tmp_path / "one").as_uri()})
    assert shelf.get(literal) == Mapped([1])
    other = find_storage("tests-other")
    assert call(other, "read", call(other, "create", b"x")) == b"x"


def test_bytes_that_changed_in_the_storage_are_found(shelf, framed):
    cls, place = framed
    literal = shelf.put(cls("t", pd.DataFrame({"a": [1]})))
    (file,) = [path for path in place.directory.iterdir() if path.is_file()]
    file.chmod(0o644)
    file.write_bytes(b"other")
    with pytest.raises(HashMismatch, match="gave other bytes"):
        shelf.get(literal)
    file.unlink()
    with pytest.raises(ObjectNotFound, match="has nothing at"):
        shelf.get(literal)


def test_a_second_registration_is_an_error(tmp_path):
    first = FileSystem(tmp_path, name="tests-twice").register()
    try:
        with pytest.raises(DeclarationError, match="'tests-twice' is already registered"):
            FileSystem(tmp_path, name="tests-twice").register()
    finally:
        first.unregister()


def test_a_location_that_is_a_url_is_refused(shelf):
    class Urls(Awaited):
        async def create(self, data):
            return "s3://bucket/key"

    @dataclass
    class Kept(ModelBase, version=1):
        value: Any = artifact_field(storage=Urls())

    with pytest.raises(CodecError, match="as a location"):
        shelf.put(Kept(1))


def test_a_field_that_fails_leaves_nothing_in_the_storage(shelf, tmp_path):
    place = FileSystem(tmp_path / "clean")

    @dataclass
    class Two(ModelBase, version=1):
        first: Any = artifact_field(storage=place)
        second: Any = artifact_field(serializer=dataframe_serializer)

    with pytest.raises(TypeError, match=r"Two\.second"):
        shelf.put(Two([1], "no frame"))
    assert not place.directory.exists()


def test_one_frame_in_two_models_is_kept_once(shelf, framed):
    cls, place = framed
    frame = pd.DataFrame({"a": range(100)})
    shelf.put(cls("one", frame))
    shelf.put(cls("two", frame))
    assert len([path for path in place.directory.iterdir() if path.is_file()]) == 1


def test_a_storage_that_fails_names_the_field(shelf):
    class Away(Awaited):
        async def create(self, data: bytes) -> str:
            raise ConnectionError("no route")

    @dataclass
    class Kept(ModelBase, version=1):
        value: Any = artifact_field(storage=Away())

    with pytest.raises(StorageError, match=r"Kept\.value: storage 'tests-awaited' failed to create: .*no route"):
        shelf.put(Kept(1))
