"""Stored conflicts: the transfer succeeds, says so with both candidates, and one command settles it."""

from __future__ import annotations

from pathlib import Path

import pytest

import cas
from cas.errors import AliasConflict, RefNameCollision, VersionConflict


def two(tmp_path: Path) -> tuple[cas.Repository, cas.Repository]:
    pair = cas.init(tmp_path / "ann"), cas.init(tmp_path / "ben")
    for one in pair:
        one.remotes.add("origin", str(tmp_path / "hub"))
    return pair


def test_an_alias_moved_on_both_sides(tmp_path: Path) -> None:
    ann, ben = two(tmp_path)
    ann.put(1, "m", version="1")
    ann.put(2, "m", version="2")
    ann.push()
    ben.pull()
    ann.alias("m#1", "prod")
    ben.alias("m#2", "prod")
    assert ann.push().conflicts == ()
    (told,) = ben.push().conflicts
    assert (told.ref, told.kind, told.candidates) == ("m#prod", "alias", ("1", "2"))
    assert ann.pull().conflicts == (told,)
    for one in (ann, ben):
        one.pull()
        with pytest.raises(AliasConflict) as error:
            one.resolve("m#prod")
        assert error.value.candidates == ("1", "2")
    ben.alias("m#2", "prod", replace=True)
    assert ben.push().conflicts == ()
    ann.pull()
    assert ann.get("m#prod") == 2


def test_a_version_with_two_contents(tmp_path: Path) -> None:
    ann, ben = two(tmp_path)
    ann.put("from ann", "m", version="1")
    ben.put("from ben", "m", version="1")
    ids = {one.resolve("m").id for one in (ann, ben)}
    ann.push()
    (told,) = ben.pull().conflicts
    assert (told.ref, told.kind, set(told.candidates)) == ("m#1", "version", ids)
    ben.push()
    assert ann.pull().conflicts == (told,)
    assert ann.get("m") == ben.get("m") == "from ben"  # the latest is still the same on both sides
    with pytest.raises(VersionConflict):
        ann.get("m#1")
    with pytest.raises(VersionConflict):
        ann.put("from ann", "m", version="1")
    ann.put("from ann", "m", version="1", replace=True)
    assert ann.get("m#1") == "from ann"
    ann.push()
    assert ben.pull().conflicts == ()
    assert ben.get("m#1") == ben.get("m") == "from ann"
    assert ann.fsck().ok and ben.fsck().ok


def test_replace_settles_conflicts_only(tmp_path: Path) -> None:
    ann, _ = two(tmp_path)
    ann.put(1, "m", version="1")
    with pytest.raises(VersionConflict):
        ann.put(2, "m", version="1", replace=True)
    ann.put(1, "m", version="1", replace=True)
    assert [one.version for one in ann.log("m")] == ["1"]


def test_different_versions_never_conflict(tmp_path: Path) -> None:
    ann, ben = two(tmp_path)
    ann.put("from ann", "m")
    ben.put("from ben", "m")
    assert ann.push().conflicts == ben.push().conflicts == ()
    ann.pull()
    ben.pull()
    assert ann.resolve("m").version == ben.resolve("m").version
    assert [one.id for one in ann.log("m")] == [one.id for one in ben.log("m")]


def test_twins_of_names_are_refused(tmp_path: Path) -> None:
    ann, ben = two(tmp_path)
    ann.put(1, "Model")
    ben.put(2, "model")
    ben.put(3, "other")
    ann.push()
    with pytest.raises(RefNameCollision):
        ben.push()
    with pytest.raises(RefNameCollision):
        ben.pull()
    assert [info.name for info in ben.names()] == ["model", "other"]
    assert ben.push(patterns=["other"]).entries == 1


def test_exit_codes(tmp_path: Path, shell) -> None:
    for name in ("ann", "ben"):
        assert shell("init", name).returncode == 0
        assert shell("-C", name, "remote", "add", "origin", str(tmp_path / "hub")).returncode == 0
        assert shell("-C", name, "put", "--value", f'"{name}"', "m#1").returncode == 0
    assert shell("-C", "ann", "push").returncode == 0
    done = shell("-C", "ben", "push")
    assert done.returncode == 13
    assert "settle it: cas pull origin, then: cas put SOURCE 'm#1' --replace" in done.stdout.decode()
    done = shell("-C", "ben", "pull")
    assert done.returncode == 13
    text = done.stdout.decode()
    assert "conflict  m#1: two contents" in text
    assert "cas put SOURCE 'm#1' --replace" in text
    for name in ("ann", "ben"):
        there = shell("-C", name, "show", "m@{0}")
        assert there.returncode == 0
    assert shell("-C", "ben", "get", "m#1", "out").returncode == 13
    assert shell("-C", "ben", "put", "--value", '"ben"', "m#1", "--replace").returncode == 0
    assert shell("-C", "ben", "push").returncode == 0
    assert shell("-C", "ann", "pull", "--json").returncode == 0
    assert shell("-C", "ann", "cat", "m#1").stdout == b"ben"
    listed = shell("ls-remote", str(tmp_path / "hub")).stdout.decode().split()
    assert listed[1::2] == ["m"]
    assert shell("-C", "ann", "push", "nowhere").returncode == 14
    assert shell("clone", str(tmp_path / "nothing")).returncode == 10
