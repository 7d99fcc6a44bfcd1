"""Logs that a checkpoint folds up to their very end, and what the first exchanges after a clone need not take in."""

from __future__ import annotations

from pathlib import Path

import pytest

import cas
from cas.errors import CorruptObject, RefSyntax
from cas.refs import checkpoints
from cas.refs.log import RefLog
from cas.remotes import fetching
from cas.repository.exchange import clone
from cas.storage.local import LocalStore


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A remote of four segments and a checkpoint of all of them."""
    monkeypatch.setattr(fetching, "_MANY", 2)
    ann = cas.init(tmp_path / "ann")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    for number in range(4):
        ann.put(number, "count")
        ann.push()
    store = LocalStore(tmp_path / "hub")
    assert checkpoints.write(store, RefLog(store, "default", "main"), 4)
    return tmp_path / "hub"


def test_nothing_after_the_checkpoint(hub: Path, tmp_path: Path) -> None:
    ben, done = clone(str(hub), tmp_path / "ben")
    assert done.entries == 4
    assert [one.get() for one in ben.log("count")] == [3, 2, 1, 0]
    assert ben.fetch().segments == ben.pull().entries == ben.push().entries == 0
    assert ben.get("origin:count") == 3
    ann = cas.open(tmp_path / "ann")
    ann.put("more", "count")
    ann.push()
    assert ben.fetch().segments == 1
    assert ben.pull().entries == 1
    assert ben.get("count") == "more"
    ben.put("again", "count")
    ben.push()
    ann.pull()
    assert ann.get("count") == "again"
    assert ben.fsck().ok


def test_the_segment_that_the_checkpoint_names_is_read(hub: Path, tmp_path: Path) -> None:
    path = hub / "refs/default/main" / f"{4:020d}.toml"
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content.replace(b"cas = 1", b"cas = x"))
    with pytest.raises((RefSyntax, CorruptObject), match="segment 4"):
        clone(str(hub), tmp_path / "ben")
    assert not (tmp_path / "ben").exists()


@pytest.mark.parametrize("objects", [True, False])
def test_what_follows_a_clone_takes_nothing_in(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects: bool
) -> None:
    ben, _ = clone(str(hub), tmp_path / "ben", objects=objects)
    ben.close()
    ben = cas.open(tmp_path / "ben")
    with monkeypatch.context() as patch:
        patch.delattr("cas.catalog.ingest.Ingest.add")
        assert ben.fetch().entries == ben.pull().entries == ben.push().entries == 0
    assert ben.get("count") == 3
    assert ben.get("origin:count") == 3


def test_what_a_pull_brought_is_not_sent_back_and_what_was_put_meanwhile_is(hub: Path, tmp_path: Path) -> None:
    ann = cas.open(tmp_path / "ann")
    ben, _ = clone(str(hub), tmp_path / "ben")
    for turn in range(3):
        ben.put(f"of ben {turn}", f"ben{turn}")
        ann.put(f"of ann {turn}", f"ann{turn}")
        ann.push()
        assert ben.pull().entries == 1
        assert ben.push().entries == 1
        assert ben.push().entries == 0
        ann.put(f"later {turn}", f"ann{turn}")
        ann.push()
        assert ben.pull().entries == 1
        assert ben.push().entries == 0
        ann.pull()
    assert [one.id for one in ann.find("*")] == [one.id for one in ben.find("*")]


def test_a_fetch_after_a_pull_brings_what_is_deleted_here_only(hub: Path, tmp_path: Path) -> None:
    ben, _ = clone(str(hub), tmp_path / "ben")
    ann = cas.open(tmp_path / "ann")
    ann.put("later", "count")
    ben.delete("count")
    ann.push()
    ben.pull()
    ben.fetch()
    assert [one.version for one in ben.log("origin:count")] == [one.version for one in ann.log("count")]
