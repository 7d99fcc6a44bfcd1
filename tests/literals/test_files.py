"""Files and directories come back as views that read what is asked of them."""

import gc
from pathlib import Path

import pytest

from cas.errors import NotFound, PathEscape
from cas.literals import File, Tree, decode, encode
from cas.objects.ids import blob_id
from cas.objects.store import ObjectStore


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "folder"
    (root / "a" / "deep").mkdir(parents=True)
    (root / "a" / "b.txt").write_text("bee")
    (root / "a" / "deep" / "c.bin").write_bytes(bytes(200_000))
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("a/b.txt")
    (root / "out").symlink_to("../../etc")
    return root


def test_a_file_is_read_in_part_and_as_a_whole(writer, tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"hello " * 50_000)
    literal = encode(path, writer)
    assert (literal.type, literal.size, literal.content) == ("file", 300_000, blob_id(path.read_bytes()))
    file = decode(literal, writer.store)
    assert type(file) is File
    assert file.size == 300_000
    assert file.id == literal.content.hex()
    assert file.read_text().startswith("hello hello")
    with file.open() as stream:
        stream.seek(299_994)
        assert stream.read() == b"hello "
    assert file.export(tmp_path / "copy").read_bytes() == path.read_bytes()


def test_a_file_is_a_path_while_it_lives(writer, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"bytes")
    file = decode(encode(path, writer), writer.store)
    with open(file, "rb") as stream:
        assert stream.read() == b"bytes"
    copy = Path(file)
    assert copy.exists()
    assert Path(file) == copy
    del file
    gc.collect()
    assert not copy.exists()


def test_files_are_equal_by_content_and_are_put_again_for_nothing(writer, tmp_path):
    for name in "xy":
        (tmp_path / name).write_bytes(b"same")
    first, second = (decode(encode(tmp_path / name, writer), writer.store) for name in "xy")
    assert first == second
    assert len({first, second}) == 1
    assert encode(first, writer) == encode(tmp_path / "x", writer)
    other = ObjectStore(tmp_path / "other").writer()
    assert encode(first, other) == encode(first, writer)
    assert decode(encode(first, other), other.store).read_bytes() == b"same"
    other.abort()


def test_a_directory_is_a_mapping(writer, folder, tmp_path):
    literal = encode(folder, writer)
    assert literal.type == "directory"
    tree = decode(literal, writer.store)
    assert type(tree) is Tree
    assert list(tree) == ["a", "link", "out", "run.sh"]
    assert tree["a/b.txt"].read_text() == "bee"
    assert tree["a"]["deep/c.bin"].size == 200_000
    assert tree["link"].read_text() == "bee"
    assert tree["a/deep/../b.txt"] == tree["link"]
    assert tree.link("link") == "a/b.txt"
    assert tree.link("run.sh") is None
    assert tree["run.sh"].mode == 0o755
    assert "a/deep" in tree
    assert "a/none" not in tree
    assert sorted(tree.walk()) == ["a/b.txt", "a/deep/c.bin", "link", "out", "run.sh"]
    with tree.open("a/b.txt") as stream:
        assert stream.read() == b"bee"
    with pytest.raises(PathEscape):
        tree["out"]
    with pytest.raises(NotFound, match="no a/none in"):
        tree["a/none"]
    with pytest.raises(NotFound, match=r"b\.txt is a file"):
        tree["a/b.txt/c"]
    with pytest.raises(NotFound, match="is a directory"):
        tree.read_bytes("a")


def test_a_directory_comes_back_whole(writer, folder, tmp_path):
    (folder / "out").unlink()
    literal = encode(folder, writer)
    tree = decode(literal, writer.store)
    copy = tree.export(tmp_path / "copy")
    assert encode(copy, writer) == literal
    assert encode(tree, writer) == literal
    assert (Path(tree) / "a" / "b.txt").read_text() == "bee"
    other = ObjectStore(tmp_path / "other").writer()
    assert encode(tree, other) == literal
    assert decode(literal, other.store)["a/deep/c.bin"].read_bytes() == bytes(200_000)
    other.abort()


def test_links_in_a_ring_end(writer, tmp_path):
    root = tmp_path / "ring"
    root.mkdir()
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    tree = decode(encode(root, writer), writer.store)
    assert "a" not in tree


def test_a_path_to_nothing_is_named(writer, tmp_path):
    with pytest.raises(NotFound, match=r"model\['weights'\] is the path .*none, where there is nothing"):
        encode({"weights": tmp_path / "none"}, writer, name="model")


def test_containers_hold_files(writer, folder):
    value = {"tree": folder, "pair": (folder / "a" / "b.txt", 1), "again": [folder / "a" / "b.txt"]}
    literal = encode(value, writer)
    found = decode(literal, writer.store)
    assert literal.type == "dict"
    assert found["pair"][0].read_text() == "bee"
    assert found["again"][0] == found["pair"][0]
    assert found["tree"]["a/b.txt"] == found["pair"][0]
    assert encode(found, writer) == literal
    assert encode(dict(reversed(value.items())), writer) == literal
