"""What is damaged is put aside, so that it can be put again: until then its entries stand in the way."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

import cas
from cas.errors import CorruptObject, NotFound, ReadOnly

BIG = random.Random(7).randbytes(1_500_000)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A repository of a chunked blob, a tree and a value, each in a sealed pack of its own; the largest pack."""
    for ref, value in (("big", BIG), ("tree", {"rows": [b"x" * 9000], "more": Path(__file__)}), ("small", 42)):
        with cas.init(tmp_path) as repository:
            repository.put(value, ref)
        repository.close()
    return max((tmp_path / ".cas/objects").glob("*.pack"), key=lambda path: path.stat().st_size)


def damage(path: Path, at: int) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:
        byte = os.pread(file.fileno(), 1, at)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 0xFF]), at)


def mend(root: Path, pack: Path) -> None:
    """Repair, put again, and find everything as it was."""
    with cas.open(root) as repository:
        found = repository.fsck(repair=True)
        assert found.problems
        assert pack.with_suffix(".damaged").name in found.aside
    repository.close()
    with cas.open(root) as repository:
        repository.put(BIG, "big")
        assert repository.fsck().ok
        assert repository.get("big") == BIG
        assert repository.get("small") == 42
        assert repository.get("tree")["rows"] == [b"x" * 9000]
        assert len(repository.log("big")) == 1
    repository.close()


@pytest.mark.parametrize("at", [50, 100_000, 700_000, -70, -200, -400])
def test_a_flipped_byte(packed: Path, tmp_path: Path, at: int) -> None:
    damage(packed, at if at > 0 else packed.stat().st_size + at)
    mend(tmp_path, packed)


@pytest.mark.parametrize("left", [0, 5, 30_000, 700_000, -1])
def test_a_pack_cut_short(packed: Path, tmp_path: Path, left: int) -> None:
    packed.chmod(0o644)
    os.truncate(packed, left if left >= 0 else packed.stat().st_size + left)
    mend(tmp_path, packed)


def test_a_lost_pack_is_put_again(packed: Path, tmp_path: Path) -> None:
    packed.unlink()
    with cas.open(tmp_path) as repository:
        (problem,) = repository.fsck().problems
        assert (problem.kind, problem.needed_by) == ("missing_object", (repository.resolve("big").ref,))
        with pytest.raises(NotFound):
            repository.get("big")
        repository.put(BIG, "big")
        assert repository.get("big") == BIG
        assert repository.fsck().ok
    repository.close()


def test_without_repair_damage_stays_and_is_told_with_who_needs_it(packed: Path, tmp_path: Path) -> None:
    packed.chmod(0o644)
    os.truncate(packed, 700_000)
    with cas.open(tmp_path) as repository:
        torn, lost = repository.fsck().problems
        assert (torn.kind, torn.where.split()[0]) == ("corrupt_object", packed.name)
        assert (lost.kind, lost.needed_by) == ("missing_object", (repository.resolve("big").ref,))
        with pytest.raises(CorruptObject):
            repository.get("big")
        assert packed.exists()
        with pytest.raises(ReadOnly):
            repository.at("@{0}").fsck(repair=True)
    repository.close()


def test_a_sound_repository_is_left_alone(packed: Path, tmp_path: Path) -> None:
    before = sorted((tmp_path / ".cas/objects").iterdir())
    with cas.open(tmp_path) as repository:
        report = repository.fsck(repair=True)
        assert report.ok
        assert report.aside == ()
    repository.close()
    assert sorted((tmp_path / ".cas/objects").iterdir()) == before
