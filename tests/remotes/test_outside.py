"""What models keep in storages outside the repository: a push names it, and copies it along where it is told to."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import cas
import cas.models.codec
from cas.errors import HashMismatch, StorageUnknown
from cas.models.declare import ModelBase
from cas.objects.ids import blob_id
from cas.remotes.reports import Outside
from cas.repository.exchange import clone

NAME = "tests-outside"
LARGE = "frame " * 60_000  # cut into chunks


@pytest.fixture
def place(tmp_path: Path) -> cas.FileSystem:
    return cas.FileSystem(tmp_path / "elsewhere", name=NAME)


@dataclass
class Noted(ModelBase, version=1, name="tests.noted"):
    title: str
    text: Any = cas.artifact_field(storage=NAME)


@pytest.fixture
def ann(tmp_path: Path, place: cas.FileSystem):
    """A repository whose model keeps two texts elsewhere, and an empty remote."""
    made = cas.init(tmp_path / "ann")
    with (made.root / "config.toml").open("a") as config:
        config.write(f'\n[storage.{NAME}]\nurl = "{place.directory}"\n')
    made = cas.open(tmp_path / "ann")
    made.remotes.add("origin", str(tmp_path / "hub"))
    with made:
        made.put(Noted("small", "few words"), "notes@n=1")
        made.put(Noted("large", LARGE), "notes@n=2")
        made.put(Noted("same", "few words"), "other")
        yield made


def kept_bytes(place: cas.FileSystem) -> int:
    return sum(path.stat().st_size for path in place.directory.iterdir() if path.is_file())


def test_a_push_says_what_it_leaves(ann, place: cas.FileSystem) -> None:
    said = (Outside(NAME, 2, kept_bytes(place)),)
    assert ann.push(dry_run=True).outside == said
    done = ann.push()
    assert done.outside == said
    assert done.to_dict()["outside"] == [{"storage": NAME, "objects": 2, "bytes": kept_bytes(place), "copied": 0}]
    assert ann.push().outside == ()  # nothing was sent


def test_who_has_no_such_storage_cannot_read_it(ann, tmp_path: Path) -> None:
    ann.push()
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben")
    with ben, pytest.raises(StorageUnknown, match=NAME):
        _ = ben.get("notes@n=1").text


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("objects", [True, False])
def test_copies_go_along(ann, place: cas.FileSystem, tmp_path: Path, before: bool, objects: bool) -> None:
    if before:  # the entries are there already
        ann.push()
    done = ann.push(with_storage=True)
    assert done.outside == (Outside(NAME, 2, kept_bytes(place), 2),)
    assert ann.push(with_storage=True).bytes == 0
    assert not list((ann.root / "tmp").glob("tmp*"))
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben", objects=objects)
    shutil.rmtree(place.directory)
    with ben:
        assert ben.get("notes@n=1").text == "few words"
        assert ben.get("notes@n=2").text == LARGE
        assert ben.get("other").text == "few words"
        assert ben.fsck().ok
    assert ann.objects.missing([blob_id(b"few words")])  # not among the objects here


def test_only_what_matches_is_copied(ann, tmp_path: Path) -> None:
    done = ann.push("origin", ["other"], with_storage=True)
    assert [(one.objects, one.copied) for one in done.outside] == [(1, 1)]


def test_a_pull_brings_copies_that_came_later(ann, place: cas.FileSystem, tmp_path: Path) -> None:
    ann.push("origin", ["other"])
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben")
    ann.push(with_storage=True)
    ben.pull()
    ben.push(with_storage=False)
    shutil.rmtree(place.directory)
    with ben:
        assert ben.get("notes@n=2").text == LARGE


def test_a_copy_can_be_copied_on(ann, place: cas.FileSystem, tmp_path: Path) -> None:
    ann.push(with_storage=True)
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben")
    shutil.rmtree(place.directory)
    ben.remotes.add("other", str(tmp_path / "other"))
    with ben:
        assert ben.push("other", with_storage=True).outside[0].copied == 2
    cid, _ = clone(str(tmp_path / "other"), tmp_path / "cid")
    with cid:
        assert cid.get("notes@n=2").text == LARGE


def test_bytes_that_changed_are_not_copied(ann, place: cas.FileSystem) -> None:
    for path in place.directory.iterdir():
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"others")
    with pytest.raises(HashMismatch, match=NAME):
        ann.push(with_storage=True)
    assert not list((ann.root / "tmp").glob("tmp*"))
    assert ann.remotes.open().copies() == []  # nothing was published


def test_the_command_line(ann, shell, place: cas.FileSystem, tmp_path: Path) -> None:
    where = str(tmp_path / "ann")
    pushed = shell("-C", where, "push")
    assert pushed.returncode == 0, pushed.stderr
    assert f"2 objects ({kept_bytes(place) // 1000} kB) lie in the storage '{NAME}': not sent" in pushed.stderr.decode()
    assert "cas push --with-storage" in pushed.stderr.decode()
    again = shell("-C", where, "push", "--with-storage", "--json")
    assert json.loads(again.stdout)["outside"] == [
        {"storage": NAME, "objects": 2, "bytes": kept_bytes(place), "copied": 2}
    ]
    assert "copied along" in again.stderr.decode()
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben")
    shutil.rmtree(place.directory)
    with ben:
        assert ben.get("notes@n=2").text == LARGE
