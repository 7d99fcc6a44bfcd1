"""Whoever shows how far a long call is learns of every byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cas.objects.moved import telling
from cas.objects.store import ObjectStore


def test_storing_and_writing_tell_their_bytes(
    store: ObjectStore, tmp_path: Path, noise: Callable[[int, int], bytes]
) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "big").write_bytes(noise(3_000_000, 1))
    (source / "sub/small").write_bytes(b"x" * 1000)
    moved: list[int] = []
    with store.writer() as writer, telling(moved.append):
        tree, size = writer.put_directory(source)
    assert sum(moved) == size == 3_001_000
    moved.clear()
    with telling(moved.append):
        store.export_tree(tree, tmp_path / "out")
    assert sum(moved) == 3_000_000  # what lies in one piece is written at once
    with store.writer() as writer:
        writer.put_directory(source)
    assert sum(moved) == 3_000_000
