"""A clone that was stopped: a repository with nothing in it, and the next attempt goes on where it was."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import cas
from cas.cli.entry import run
from cas.errors import AuthError, CasError, CorruptObject, HashMismatch, RemoteError, StorageFull, UsageError
from cas.remotes import receiving, staging
from cas.repository.exchange import clone


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A remote with one large blob, which takes many requests."""
    monkeypatch.setattr(receiving, "_LONGEST", 100_000)
    monkeypatch.setattr(receiving, "_GAP", 0)
    ann = cas.init(tmp_path / "ann")
    ann.put(CONTENT, "big")
    ann.put(1, "small")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.push()
    ann.close()
    return tmp_path / "hub"


CONTENT = random.Random(3).randbytes(900_000)


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int, error: BaseException) -> None:
    """Let so many additions to what has arrived through, and no more."""
    add, left = staging.Staging.add, [count]

    def cut(self: staging.Staging, entries: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise error
        add(self, entries)  # type: ignore[arg-type]

    monkeypatch.setattr(staging.Staging, "add", cut)


@pytest.mark.parametrize(
    "error", [RemoteError("cut"), StorageFull("full"), AuthError("expired"), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize("again", ["clone", "pull"])
def test_it_goes_on(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, again: str
) -> None:
    place = tmp_path / "ben"
    with monkeypatch.context() as patch:
        stop_after(patch, 8, error)
        with pytest.raises(type(error)):
            clone(str(hub), place, jobs=1)
    if isinstance(error, CasError):
        assert error.hint
        assert f"cas -C {place} pull" in error.hint
    ben = cas.open(place)
    assert ben.names() == []
    assert ben.fsck().ok
    assert [one.url for one in ben.remotes.list()] == [str(hub)]
    ben.close()
    if again == "clone":
        ben, done = clone(str(hub), place, jobs=1)
    else:
        ben = cas.open(place)
        done = ben.pull()
    assert done.bytes < 0.8 * len(CONTENT)
    assert ben.get("big") == CONTENT
    assert ben.fsck().ok
    assert list((ben.root / "remotes/origin/incoming").glob("*")) == []
    ben.close()
    with pytest.raises(UsageError, match="already"):
        clone(str(hub), place)
    assert cas.open(place).get("small") == 1


def test_a_failure_that_would_come_again_leaves_nothing(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, HashMismatch("not its own"))
        with pytest.raises(CorruptObject):
            clone(str(hub), tmp_path / "ben")
    assert not (tmp_path / "ben").exists()
    (tmp_path / "dan").mkdir()
    (tmp_path / "dan/mine.txt").write_text("kept")
    with monkeypatch.context() as patch:
        stop_after(patch, 3, HashMismatch("not its own"))
        with pytest.raises(CorruptObject):
            clone(str(hub), tmp_path / "dan")
    assert [path.name for path in (tmp_path / "dan").iterdir()] == ["mine.txt"]


def test_one_that_had_nothing_yet_leaves_nothing(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object, **__: object) -> None:
        raise RemoteError("cut")

    monkeypatch.setattr("cas.remotes.pulling.fetch", cut)
    with pytest.raises(RemoteError):
        clone(str(hub), tmp_path / "ben")
    assert not (tmp_path / "ben").exists()


def test_only_the_same_clone_goes_on(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "ben"
    with monkeypatch.context() as patch:
        stop_after(patch, 1, RemoteError("cut"))
        with pytest.raises(RemoteError):
            clone(str(hub), place, depth=2)
    for different in ({}, {"depth": 1}, {"depth": 2, "filter": "b*"}, {"depth": 2, "objects": False}):
        with pytest.raises(UsageError, match="leaves out other things"):
            clone(str(hub), place, **different)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="holds a repository"):
        clone(str(tmp_path / "ann"), place, depth=2)
    ben, _ = clone(str(hub), place, depth=2)
    assert ben.get("big") == CONTENT


def test_what_is_no_repository_is_left_alone(hub: Path, tmp_path: Path) -> None:
    (tmp_path / "ben/.cas/objects").mkdir(parents=True)
    with pytest.raises(UsageError, match="no repository"):
        clone(str(hub), tmp_path / "ben")
    (tmp_path / "dan/.cas/tmp").mkdir(parents=True)  # as a clone killed at its first step leaves it
    dan, _ = clone(str(hub), tmp_path / "dan")
    assert dan.get("small") == 1


def test_the_command_says_what_to_run_next(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["clone", str(hub), str(tmp_path / "ben"), "-j", "1"]
    with monkeypatch.context() as patch:
        stop_after(patch, 4, KeyboardInterrupt())
        assert run(words) == 130
    assert "run it again" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        stop_after(patch, 4, RemoteError("cut"))
        assert run(words) == 1
    assert "run it again" in capsys.readouterr().err
    assert run(words) == 0
    assert run(words) == 2
