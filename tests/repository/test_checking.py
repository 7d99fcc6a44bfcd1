"""fsck in the process that writes: what lies in open packs is verified as what is sealed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import cas


@pytest.fixture
def repository(tmp_path: Path):
    with cas.init(tmp_path) as opened:
        yield opened
    opened.close()


def open_pack(tmp_path: Path) -> Path:
    (found,) = (tmp_path / ".cas/objects").glob("*.open")
    return found


def test_every_flipped_byte_of_an_open_pack_is_found(tmp_path, repository):
    repository.put(b"what nobody has sealed " * 3, "text")
    assert repository.fsck().ok
    assert repository.fsck().objects == 2
    path = open_pack(tmp_path)
    good = path.read_bytes()
    for at in range(len(good)):
        with path.open("r+b") as file:
            os.pwrite(file.fileno(), bytes([good[at] ^ 0xFF]), at)
        assert repository.objects.check_open()[1], at
        with path.open("r+b") as file:
            os.pwrite(file.fileno(), good[at : at + 1], at)
    assert repository.fsck().ok


def test_it_says_which_refs_need_what_is_damaged(tmp_path, repository):
    version = repository.put(b"what nobody has sealed", "text")
    path = open_pack(tmp_path)
    at = path.read_bytes().index(b"nobody")
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), b"NOBODY", at)
    (problem,) = repository.fsck().problems
    assert (problem.kind, problem.what) == ("corrupt_object", version.to_dict()["content"])
    assert problem.where.startswith(path.name)
    assert problem.needed_by == (version.ref,)
    other = cas.open(tmp_path)
    assert [one.what for one in other.fsck().problems] == [version.to_dict()["content"]]
    other.close()


def test_a_torn_tail_of_another_process_is_no_damage(tmp_path, repository):
    repository.put(b"whole", "text")
    path = open_pack(tmp_path)
    other = cas.open(tmp_path)
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(bytes([1, 200, 0, 0, 0]) + bytes(40))
    assert other.fsck().ok
    os.truncate(path, whole)
    other.close()
