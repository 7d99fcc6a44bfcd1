"""The store contract, on every backend against a real server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cas import clock
from cas.errors import StorageError
from cas.remotes.probe import probe

KINDS = (
    "directory",
    "file",
    "memory",
    "s3-moto-obstore",
    "s3-moto-s3fs",
    "s3-ministack-obstore",
    "s3-ministack-s3fs",
    "gs-obstore",
    "gs-gcsfs",
    "az-obstore",
    "az-adlfs",
    "sftp",
)
LOCAL = {"directory", "file"}

pytestmark = [
    pytest.mark.parametrize("remote", KINDS, indirect=True),
    # aiohttp says so of what gcsfs sends; the loop it speaks of is of its own thread here.
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
]


@pytest.fixture
def store(remote) -> Iterator[object]:
    opened = remote.open()
    yield opened
    opened.close()


def test_create_read_exists_delete(store):
    assert not store.exists("refs/a/1.toml")
    assert store.create("refs/a/1.toml", b"first")
    assert store.exists("refs/a/1.toml")
    assert store.read("refs/a/1.toml") == b"first"
    store.delete("refs/a/1.toml")
    store.delete("refs/a/1.toml")
    assert not store.exists("refs/a/1.toml")
    assert store.create("refs/a/1.toml", b"second")
    assert store.read("refs/a/1.toml") == b"second"


def test_missing_files(store):
    for read in (
        lambda: store.read("objects/none.pack"),
        lambda: store.read("objects/none.pack", 3, 5),
        lambda: store.read("objects/none.pack", 3),
    ):
        with pytest.raises(FileNotFoundError, match=r"none\.pack"):
            read()
    assert list(store.list("objects/")) == []
    assert list(store.list("")) == []


def test_a_name_is_created_once(remote, store):
    assert store.create("name", b"first")
    assert not store.create("name", b"other")
    assert not store.create("name", b"fir")
    assert not store.create("name", b"firsT")
    assert store.read("name") == b"first"
    if remote.kind not in LOCAL:
        assert store.create("name", b"first"), "the very bytes count as ours"


def test_ranges(store):
    content = bytes(range(256)) * 4
    store.create("objects/pack", content)
    size = len(content)
    for offset, length in [(0, 1), (0, size), (10, 20), (size - 1, 1), (size - 5, 50), (0, size + 1), (size, 5)]:
        assert store.read("objects/pack", offset, length) == content[offset : offset + length], (offset, length)
    assert store.read("objects/pack", size + 100, 5) == b""
    assert store.read("objects/pack", 7) == content[7:]
    assert store.read("objects/pack", size) == b""
    assert store.read("objects/pack", 0, 0) == b""


def test_empty_file(store):
    assert store.create("empty", b"")
    assert store.read("empty") == b""
    assert store.read("empty", 0, 10) == b""
    assert not store.create("empty", b"x")


def test_list(remote, store):
    names = [
        "config.toml",
        "objects/aa.pack",
        "objects/ab.pack",
        "refs/p/d/1.toml",
        "refs/p/d/2.toml",
        "refs/p/d2/1.toml",
    ]
    for number, name in enumerate(reversed(names)):
        assert store.create(name, b"x" * number)
    sizes = {name: len(names) - 1 - index for index, name in enumerate(names)}
    found = list(store.list(""))
    assert [info.name for info in found] == names
    assert {info.name: info.size for info in found} == sizes
    assert [info.name for info in store.list("refs/p/d")] == names[3:]
    assert [info.name for info in store.list("refs/p/d/")] == names[3:5]
    assert [info.name for info in store.list("objects/a")] == names[1:3]
    assert [info.name for info in store.list("objects/ab.pack")] == ["objects/ab.pack"]
    assert list(store.list("objects/c")) == []
    assert list(store.list("ref/")) == []
    now = clock.now()
    assert all(abs(info.modified - now) < 120_000_000 for info in found)


def test_listings_are_never_stale(remote, store):
    assert [info.name for info in store.list("refs/")] == []
    other = remote.open()
    assert other.create("refs/1", b"x")
    assert [info.name for info in store.list("refs/")] == ["refs/1"]
    other.delete("refs/1")
    other.close()
    assert [info.name for info in store.list("refs/")] == []
    assert not store.exists("refs/1")


def test_names_with_other_characters(store):
    names = ["refs/a b/ü.toml", "refs/100%/x", "refs/%41/x", "refs/a+b=c,d/x", "refs/it's (1)/x!", "refs/日本/x"]
    for name in names:
        assert store.create(name, name.encode()), name
    for name in names:
        assert store.read(name) == name.encode()
        assert store.read(name, 1, 3) == name.encode()[1:4]
        assert store.exists(name)
    assert [info.name for info in store.list("refs/")] == sorted(names)
    for name in names:
        store.delete(name)
    assert list(store.list("refs/")) == []


def test_create_from_file(store, tmp_path):
    content = os.urandom((3 << 20) + 17)
    source = tmp_path / "source"
    source.write_bytes(content)
    (tmp_path / "none").write_bytes(b"")
    assert store.create_from_file("objects/big.pack", source)
    assert store.read("objects/big.pack") == content
    assert store.read("objects/big.pack", 1 << 20, 100) == content[1 << 20 : (1 << 20) + 100]
    source.write_bytes(content[:-1] + b"!")
    assert not store.create_from_file("objects/big.pack", source) or content[-1:] == b"!"
    assert store.read("objects/big.pack") == content
    assert store.create_from_file("objects/none.pack", tmp_path / "none")
    assert store.read("objects/none.pack") == b""
    with pytest.raises((StorageError, FileNotFoundError)):
        store.create_from_file("objects/x.pack", tmp_path / "absent")


def test_a_file_of_many_parts(remote, store, tmp_path):
    """Beyond what s3fs (100 MiB) and gcsfs (50 MiB) send at once; their last request carries the condition."""
    size = {"s3-moto-s3fs": 101, "gs-gcsfs": 51}.get(remote.kind, 9) << 20
    source = tmp_path / "source"
    source.write_bytes(os.urandom(1 << 20) * (size >> 20) + b"end")
    assert store.create_from_file("objects/big.pack", source)
    assert [info.size for info in store.list("objects/")] == [size + 3]
    assert store.read("objects/big.pack", size - 5, 100) == source.read_bytes()[size - 5 :]
    source.write_bytes(b"other")
    assert not store.create_from_file("objects/big.pack", source)
    source.write_bytes(os.urandom(1 << 20) * (size >> 20) + b"END")
    assert not store.create_from_file("objects/big.pack", source)
    assert store.read("objects/big.pack", size) == b"end"


def test_many_threads(store):
    content = os.urandom(100_000)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda n: store.create(f"objects/{n}", content[n * 1000 :]), range(24)))
        spans = [(n % 24, n * 500) for n in range(48)]
        found = pool.map(lambda span: store.read(f"objects/{span[0]}", span[1], 700), spans)
        expected = [content[n * 1000 :][start : start + 700] for n, start in spans]
        assert list(found) == expected


def test_threads_race_for_one_name(store):
    for turn in range(5):
        with ThreadPoolExecutor(6) as pool:
            won = list(pool.map(lambda n: store.create(f"refs/{turn}", b"%d" % n), range(6)))  # noqa: B023 - all are done before the next turn
        assert won.count(True) == 1
        assert store.read(f"refs/{turn}") == b"%d" % won.index(True)


def test_probe_is_content_and_leaves_nothing(store):
    probe(store)
    assert [info.name for info in store.list("tmp/") if "probe" in info.name] == []


def test_url_opens_the_same_place(remote, store):
    from cas.remotes.backends import open_readable

    store.create("x", b"1")
    again = open_readable(store.url, remote.options)
    assert again.read("x") == b"1"
    again.close()


def test_modified_is_in_microseconds(store):
    store.create("x", b"1")
    (info,) = store.list("x")
    assert abs(info.modified / 1e6 - time.time()) < 120
