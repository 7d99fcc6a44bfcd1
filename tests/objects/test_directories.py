from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cas.errors import CodecError, CorruptObject, FileChanged, PathEscape, StorageError, TypeMismatch
from cas.objects import canonical
from cas.objects.ids import BlobId, Kind, ObjectId, TreeId
from cas.objects.store import ObjectStore
from cas.objects.trees import Blob, Link, LiteralRef, Tree


def picture(root: Path) -> dict[str, object]:
    seen: dict[str, object] = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder, name)
            key = str(path.relative_to(root))
            if path.is_symlink():
                seen[key] = str(path.readlink())
            else:
                mode = path.stat().st_mode & 0o777
                seen[key] = (mode, path.read_bytes() if path.is_file() else None)
    return seen


@pytest.fixture
def directory(tmp_path: Path, noise: Callable[[int, int], bytes]) -> Path:
    root = tmp_path / "source"
    (root / "empty").mkdir(parents=True)
    (root / "deep/er/still").mkdir(parents=True)
    (root / "deep/er/still/file").write_bytes(b"x")
    (root / "deep/er/same").write_bytes(b"x")
    (root / "nothing").write_bytes(b"")
    (root / "large").write_bytes(noise(700_000, 1))
    (root / "run.sh").write_bytes(b"#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "secret").write_bytes(b"s")
    (root / "secret").chmod(0o400)
    (root / "ünï côde").write_bytes(b"u")
    (root / "link").symlink_to("deep/er")
    (root / "dangling").symlink_to("/nowhere/at all")
    (root / "deep").chmod(0o750)
    return root


def test_round_trip(store: ObjectStore, directory: Path, tmp_path: Path) -> None:
    with store.writer() as writer:
        tree, size = writer.put_directory(directory)
    assert size == 700_000 + 2 + 10 + 1 + 1
    store = ObjectStore(store.directory)
    store.export_tree(tree, tmp_path / "out")
    assert picture(tmp_path / "out") == picture(directory)
    with store.writer() as writer:
        assert writer.put_directory(tmp_path / "out") == (tree, size)
    assert len(store.packs) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["objects", "out", "source"]


def test_an_empty_directory(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with store.writer() as writer:
        tree, size = writer.put_directory(tmp_path / "empty")
    assert size == 0
    store.export_tree(tree, tmp_path / "new/out")
    assert list((tmp_path / "new/out").iterdir()) == []


def test_an_existing_target_is_kept(store: ObjectStore, directory: Path, tmp_path: Path) -> None:
    with store.writer() as writer:
        tree, _ = writer.put_directory(directory)
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "link"):
        with pytest.raises(StorageError):
            store.export_tree(tree, tmp_path / name)
    assert list((tmp_path / "there").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def test_names_that_are_not_utf8(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    try:
        (tmp_path / "d" / os.fsdecode(b"bad\xff")).write_bytes(b"")
    except OSError:
        pytest.skip("the file system allows UTF-8 names only")
    with pytest.raises(CodecError, match=r"bad\\xff"):
        store.writer().put_directory(tmp_path / "d")


def test_links_that_are_not_utf8(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/link").symlink_to(os.fsdecode(b"bad\xff"))
    with pytest.raises(CodecError):
        store.writer().put_directory(tmp_path / "d")


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_no_file_is_refused(
    store: ObjectStore, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    monkeypatch.chdir(tmp_path / "d")
    if kind == "pipe":
        os.mkfifo("odd")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("odd")
    with pytest.raises(CodecError, match="odd"):
        store.writer().put_directory(tmp_path / "d")


def test_missing_and_not_a_directory(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store.writer().put_directory(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        store.writer().put_directory(tmp_path / "file")


def test_nothing_is_written_through_a_link(store: ObjectStore, tmp_path: Path) -> None:
    """A tree cannot name a member twice, so a link can never stand where a directory is to be filled."""
    victim = tmp_path / "victim"
    victim.mkdir()
    with store.writer() as writer:
        blob = writer.put_blob(b"evil")
        inner, _ = writer.put_tree({"file": Blob(blob, 4, 0o644)})
        tree, _ = writer.put_tree({"a": Link(str(victim)), "b": Tree(inner, 4, 0o755)})
        twice = writer.put_record(
            Kind.TREE,
            b"\x82\xa1a"
            + canonical.encode(["link", str(victim)])
            + b"\xa1a"
            + canonical.encode(["tree", inner, 4, 0o755]),
        )
        escape = writer.put_record(Kind.TREE, canonical.encode({"../victim/file": ["blob", blob, 4, 0o644]}))
    store.export_tree(tree, tmp_path / "fine")
    assert str((tmp_path / "fine/a").readlink()) == str(victim)
    with pytest.raises(CorruptObject):
        store.export_tree(TreeId(twice), tmp_path / "twice")
    with pytest.raises(PathEscape):
        store.export_tree(TreeId(escape), tmp_path / "escape")
    assert list(victim.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fine", "objects", "victim"]


def test_literals_are_no_files(store: ObjectStore, tmp_path: Path) -> None:
    with store.writer() as writer:
        blob = writer.put_blob(b"1")
        tree, _ = writer.put_tree({"a": LiteralRef(blob, 1, "int", 1)})
    with pytest.raises(TypeMismatch):
        store.export_tree(tree, tmp_path / "out")
    with pytest.raises(TypeMismatch):
        store.export_tree(TreeId(blob), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_size_that_lies_is_found(store: ObjectStore, tmp_path: Path, noise: Callable[[int, int], bytes]) -> None:
    with store.writer() as writer:
        blob = writer.put_blob(noise(200_000, 1))
        tree, _ = writer.put_tree({"a": Blob(blob, 3, 0o644)})
        missing, _ = writer.put_tree({"a": Blob(BlobId(ObjectId(bytes(32))), 3, 0o644)})
    with pytest.raises(CorruptObject):
        store.export_tree(tree, tmp_path / "out")
    from cas.errors import ObjectNotFound

    with pytest.raises(ObjectNotFound):
        store.export_tree(missing, tmp_path / "out")


def test_the_file_that_may_not_be_read_is_named(store, tmp_path, monkeypatch):
    (tmp_path / "dir/sub").mkdir(parents=True)
    (tmp_path / "dir/sub/secret").write_text("x")
    really = os.open

    def refusing(path, *how, **more):
        if str(path).endswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return really(path, *how, **more)

    monkeypatch.setattr(os, "open", refusing)
    with store.writer() as writer, pytest.raises(StorageError, match="dir/sub/secret: Permission denied") as caught:
        writer.put_directory(tmp_path / "dir")
    assert caught.value.hint


@pytest.mark.parametrize("then", ["gone", "a link", "a directory"])
def test_a_member_that_is_no_more_what_was_listed(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("a")
    real = os.open

    def late(path: str, flags: int, *more: int, **options: int) -> int:
        if path == str(source / "a"):
            (source / "a").unlink()
            if then == "a link":
                (source / "a").symlink_to("b")
            elif then == "a directory":
                (source / "a").mkdir()
        return real(path, flags, *more, **options)

    with store.writer() as writer, monkeypatch.context() as patch:
        patch.setattr(os, "open", late)
        with pytest.raises(FileChanged, match="source/a") as changed:
            writer.put_directory(source)
        assert changed.value.hint == "run it again when nobody writes to it"
