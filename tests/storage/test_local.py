from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from cas.errors import StorageError, StorageFull, UnsafeRepository
from cas.storage import durable
from cas.storage.local import LocalStore


def test_create_reads_back_and_only_once(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert store.create("refs/p/d/1.toml", b"one")
    assert not store.create("refs/p/d/1.toml", b"two")
    assert store.read("refs/p/d/1.toml") == b"one"
    assert store.read("refs/p/d/1.toml", 1) == b"ne"
    assert store.read("refs/p/d/1.toml", 1, 1) == b"n"
    assert store.exists("refs/p/d/1.toml")
    assert not store.exists("refs/p/d/2.toml")
    assert not store.exists("refs/p/d/1.toml/x")
    assert (tmp_path / "refs/p/d/1.toml").stat().st_mode & 0o777 == 0o444
    assert not (tmp_path / "tmp").exists() or os.listdir(tmp_path / "tmp") == []


def test_missing_files(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(FileNotFoundError):
        store.read("nothing")
    store.delete("nothing")


def test_list_is_sorted_by_whole_name_and_by_prefix(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    names = ["a/b/1", "a/b/2", "a-b/1", "a/c", "b", "ab/x"]
    for name in names:
        store.create(name, name.encode())
    (tmp_path / "link").symlink_to(tmp_path / "b")
    assert [info.name for info in store.list("")] == sorted(names)
    assert [info.name for info in store.list("a")] == sorted(name for name in names if name.startswith("a"))
    assert [info.name for info in store.list("a/b")] == ["a/b/1", "a/b/2"]
    assert [info.name for info in store.list("a/b/2")] == ["a/b/2"]
    assert list(store.list("nothing/there")) == []
    info = next(store.list("b"))
    assert info.size == 1
    assert info.modified > 0


def test_delete(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create("x/y", b"")
    store.delete("x/y")
    assert not store.exists("x/y")


def test_one_of_many_threads_creates(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    won: list[int] = []

    def run(number: int) -> None:
        won.extend([turn for turn in range(20) if store.create(f"refs/{turn}", str(number).encode())])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(20))


def test_without_hard_links_still_exactly_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    store = LocalStore(tmp_path)
    assert store.create("a/b", b"1")
    assert not store.create("a/b", b"2")
    assert store.read("a/b") == b"1"


def test_temporary_directory_must_not_be_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/tmp").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(durable, "_create_nameless", lambda *_: None)
    with pytest.raises(UnsafeRepository):
        LocalStore(tmp_path / "repo").create("x", b"")


@pytest.fixture(params=["nameless", "named"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files made without a name first, and by a temporary name where the system has no such files."""
    if request.param == "named":
        monkeypatch.setattr(durable, "_create_nameless", lambda *_: None)


@pytest.mark.usefixtures("either_way")
def test_a_file_is_created_once_whole_and_read_only(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert store.create("a/b/x", b"first")
    assert not store.create("a/b/x", b"second")
    assert store.read("a/b/x") == b"first"
    assert (tmp_path / "a/b/x").stat().st_mode & 0o777 == 0o444
    assert [info.name for info in store.list("")] == ["a/b/x"]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EIO, StorageError)])
def test_a_failed_fsync_acknowledges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(durable, "fsync_file", fail)
    store = LocalStore(tmp_path)
    with pytest.raises(kind):
        store.create("x", b"1")
    assert not store.exists("x")
    assert not (tmp_path / "tmp").exists() or os.listdir(tmp_path / "tmp") == []


def test_directories_that_are_kept_open_are_let_go(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for number in range(40):
        assert store.create(f"{number}/x", b"1") and store.create(f"{number}/y", b"2")
    before = _open_below(tmp_path)
    assert len(before) <= 16
    store.close()
    assert _open_below(tmp_path) == []
    assert store.create("0/z", b"3")
    del store
    assert _open_below(tmp_path) == []


def test_a_directory_made_anew_is_written_to_and_not_the_one_that_was_kept_open(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for turn in range(3):
        assert store.create("a/x", b"%d" % turn)
        assert store.create("a/y", b"%d" % turn)
        assert store.read("a/y") == b"%d" % turn
        shutil.rmtree(tmp_path / "a")


def _open_below(directory: Path) -> list[str]:
    """What this process has open there; nothing can be said where the system does not tell."""
    open_files = Path("/proc/self/fd")
    links = [str(one.readlink()) for one in open_files.iterdir() if one.is_symlink()] if open_files.is_dir() else []
    return [link for link in links if link.startswith(f"{directory}/")]


def test_write_all_goes_on_after_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, writev = os.write, os.writev
    monkeypatch.setattr(os, "write", lambda fd, view: write(fd, view[:3]))
    monkeypatch.setattr(os, "writev", lambda fd, views: writev(fd, [views[0][:2]]))
    path = tmp_path / "x"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    durable.write_all(descriptor, b"0123456789")
    durable.write_views(descriptor, [b"abc", memoryview(b"defg"), b"h"])
    os.close(descriptor)
    assert path.read_bytes() == b"0123456789abcdefgh"


def test_who_may_not_is_told_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", ".")

    (tmp_path / "a").mkdir()
    monkeypatch.setattr(durable, "_create_nameless", refuse)
    with pytest.raises(StorageError) as refused:
        LocalStore(tmp_path).create("a/b", b"1")
    assert refused.value.hint == f"see who may: ls -ld {tmp_path}/a"
