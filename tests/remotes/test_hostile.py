"""What a remote may not do: each case a typed error, and nothing of it visible here."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

import cas
from cas.errors import (
    CasError,
    CorruptObject,
    HashMismatch,
    LimitExceeded,
    NoRepository,
    PackCorrupt,
    PartialFailure,
    RefConflict,
    RefRollback,
    RefSyntax,
    RemoteProtocol,
    UnsupportedFormat,
)
from cas.objects.footers import TRAILER_SIZE, Footer, footer_start
from cas.objects.ids import Kind, object_id
from cas.objects.packs import ENTRY, MAGIC, footer
from cas.objects.raw import mapped_size
from cas.repository.exchange import clone


@pytest.fixture
def pair(tmp_path: Path):
    """A repository that pushed to a hub, and another that knows the hub."""
    ann = cas.init(tmp_path / "ann", author="Ann")
    ann.put(os.urandom(300_000), "big")
    ann.put({"a": 1}, "small")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.push()
    ben = cas.init(tmp_path / "ben")
    ben.remotes.add("origin", str(tmp_path / "hub"))
    return ann, ben, tmp_path / "hub"


def rejected(ben: cas.Repository, *kinds: type[CasError]) -> None:
    with pytest.raises(kinds) as told:
        ben.pull()
    assert not isinstance(told.value, (KeyError, OSError))
    assert ben.names() == []
    assert list((ben.root / "objects").glob("*")) == []
    assert list((ben.root / "refs").rglob("default/main/*.toml")) == list(
        (ben.root / "refs/remotes").rglob("default/main/*.toml")
    )


def forget_footers(ben: cas.Repository) -> None:
    """A footer once verified is not read again."""
    ben.remotes.close()
    for kept in (ben.root / "remotes/origin/footers").glob("*"):
        kept.unlink()


def overwrite(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def the_pack(hub: Path) -> Path:
    (pack,) = hub.glob("objects/*.pack")
    return pack


def test_every_bad_byte_is_found(pair, tmp_path: Path) -> None:
    _, ben, hub = pair
    pack = the_pack(hub)
    good = pack.read_bytes()
    step = max(1, len(good) // 40)
    for place in [*range(len(MAGIC), len(good), step), len(good) - 1, len(good) - 70]:
        bad = bytearray(good)
        bad[place] ^= 0x10
        overwrite(pack, bytes(bad))
        rejected(ben, CorruptObject, PartialFailure)
        forget_footers(ben)
    overwrite(pack, good)
    assert ben.pull().entries == 2
    assert ben.fsck().ok


@pytest.mark.parametrize("length", [0, 7, 60, 1000, -1, -61])
def test_truncated_packs(pair, length: int) -> None:
    _, ben, hub = pair
    pack = the_pack(hub)
    overwrite(pack, pack.read_bytes()[:length])
    rejected(ben, PackCorrupt)


def test_forged_indexes(pair) -> None:
    """Counts and offsets out of range, overlapping and repeated; each with a right hash."""
    _, ben, hub = pair
    pack = the_pack(hub)
    good = pack.read_bytes()
    start = footer_start("x", good[-TRAILER_SIZE:], len(good))
    entries = good[len(MAGIC) : start]
    keys = {}
    at = len(MAGIC)
    while at < start:
        number, length, ident = ENTRY.unpack_from(good, at)
        keys[good[at + 37 : at + 69] if number == Kind.MAP else ident] = at
        at += 37 + length
    for forged in (
        dict.fromkeys(keys, len(MAGIC)),
        {key: place + 1 for key, place in keys.items()},
        dict.fromkeys(keys, 2**39),
        dict(zip(keys, reversed(list(keys.values())), strict=True)),
    ):
        overwrite(pack, MAGIC + entries + footer(start, forged, (), ()))
        rejected(ben, CorruptObject, PartialFailure)
        forget_footers(ben)
    for count in (2**32 - 1, 2**31):
        trailer = bytearray(good)
        struct.pack_into("<I", trailer, len(good) - TRAILER_SIZE + 8, count)
        overwrite(pack, bytes(trailer))
        rejected(ben, PackCorrupt)


def test_a_map_of_other_chunks(pair, tmp_path: Path) -> None:
    """Every entry is its own id, but the chunks do not make the blob."""
    ann, ben, hub = pair
    pack = the_pack(hub)
    good = pack.read_bytes()
    start = footer_start("x", good[-TRAILER_SIZE:], len(good))
    body, places, mapped = bytearray(MAGIC), {}, set()
    at = len(MAGIC)
    while at < start:
        number, length, ident = ENTRY.unpack_from(good, at)
        stored = good[at + 37 : at + 37 + length]
        key = ident
        if number == Kind.MAP:
            key = stored[:32]
            rows = [stored[row : row + 36] for row in range(41, len(stored), 36)]
            stored = stored[:41] + b"".join([rows[1], rows[0], *rows[2:]])
            ident = object_id(Kind.MAP, stored)
            mapped.add(mapped_size(stored))
        places[key] = len(body)
        body += ENTRY.pack(number, len(stored), ident) + stored
        at += 37 + length
    overwrite(pack, bytes(body) + footer(len(body), places, (), mapped))
    rejected(ben, HashMismatch)
    assert ann.fsck().ok


def test_rollbacks_gaps_and_forks(pair, tmp_path: Path) -> None:
    ann, ben, hub = pair
    for number in range(3):
        ann.put(number, "small")
        ann.push()
    ben.fetch()
    log = hub / "refs/default/main"
    kept = {path.name: path.read_bytes() for path in log.glob("*.toml")}
    assert len(kept) == 4
    last = log / f"{4:020d}.toml"
    last.unlink()
    for verb in (ben.fetch, ben.pull, ben.push):
        with pytest.raises(RefRollback):
            verb()
    overwrite_or_new(last, kept[last.name].replace(b"Ann", b"Eve"))
    with pytest.raises(RefRollback):
        ben.fetch()
    overwrite(last, kept[last.name])
    assert ben.fetch().segments == 0
    second = log / f"{2:020d}.toml"
    second.unlink()
    with pytest.raises(RefRollback):
        ben.fetch()
    cat = cas.init(tmp_path / "cat")
    cat.remotes.add("origin", str(hub))
    rejected(cat, RefRollback)
    overwrite_or_new(second, kept[second.name].replace(b"Ann", b"Eve"))
    rejected(cat, RefRollback)
    overwrite(second, kept[second.name])
    assert ben.pull().entries == 5
    (hub / "refs").rename(hub / "gone")
    with pytest.raises(RefRollback):
        ben.fetch()
    hub.rename(tmp_path / "unmounted")
    for verb in (ben.fetch, ben.pull, ben.push):
        with pytest.raises(NoRepository, match="any more"):
            verb()
    assert not hub.exists()


def overwrite_or_new(path: Path, content: bytes) -> None:
    if path.exists():
        path.chmod(0o644)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda text: b"", RefSyntax),
        (lambda text: text[: len(text) // 2], RefSyntax),
        (lambda text: text.replace(b"segment = 1", b"segment = 2"), RefRollback),
        (lambda text: text.replace(b'name = "small"', b'name = "../small"'), RefSyntax),
        (lambda text: text.replace(b"cas = 1", b"cas = 1\n" + b"a." * 10_000 + b"b = 1"), RefSyntax),
        (lambda text: text.replace(b'stamp = "2026', b'stamp = "2036'), RefConflict),
        (lambda text: text + b"\xff", RefSyntax),
    ],
)
def test_segments_that_are_none(pair, change, kind: type[CasError]) -> None:
    _, ben, hub = pair
    segment = hub / f"refs/default/main/{1:020d}.toml"
    overwrite(segment, change(segment.read_bytes()))
    rejected(ben, kind)


def test_sizes_are_capped_before_reading(pair) -> None:
    _, ben, hub = pair
    segment = hub / f"refs/default/main/{1:020d}.toml"
    segment.chmod(0o644)
    with segment.open("r+b") as file:
        file.truncate(1 << 40)  # sparse
    rejected(ben, LimitExceeded)


def test_configs(pair, tmp_path: Path) -> None:
    _, _, hub = pair
    config = hub / "config.toml"
    for text, kind in (
        ("format = 2", UnsupportedFormat),
        ('format = 1\nfeatures = ["quantum"]', UnsupportedFormat),
        ("defaults = 7\nformat = 1", UnsupportedFormat),
        ("format = [", UnsupportedFormat),
        ("x" * 100_000, LimitExceeded),
    ):
        overwrite(config, text.encode())
        with pytest.raises(kind):
            clone(str(hub), tmp_path / "cat")
        assert not (tmp_path / "cat").exists()
    config.unlink()
    with pytest.raises(NoRepository):
        clone(str(hub), tmp_path / "cat")


def test_what_is_no_file(pair, tmp_path: Path) -> None:
    """A pipe that nobody writes to would never answer."""
    _, ben, hub = pair
    segment = hub / "refs/default/main" / f"{1:020d}.toml"
    content = segment.read_bytes()
    segment.unlink()
    os.mkfifo(segment)
    assert ben.pull().entries == 0  # it is not listed
    segment.unlink()
    segment.write_bytes(content)
    assert ben.pull().entries == 2
    (hub / "config.toml").unlink()
    os.mkfifo(hub / "config.toml")
    with pytest.raises(RemoteProtocol, match="is not a file"):
        clone(str(hub), tmp_path / "cat")


def test_urls_in_a_remotes_config_mean_nothing(pair, tmp_path: Path) -> None:
    _, _, hub = pair
    config = hub / "config.toml"
    overwrite(
        config, config.read_bytes() + b'\n[remote.origin]\nurl = "s3://evil/x"\n[serializers]\nallow_pickle = true\n'
    )
    cat, _ = clone(str(hub), tmp_path / "cat")
    assert [one.url for one in cat.remotes.list()] == [str(hub)]
    assert not cat.config.allow_pickle


def test_what_is_missing_there_is_said(pair) -> None:
    ann, ben, hub = pair
    the_pack(hub).unlink()
    ann.put("later", "note")
    ann.push()
    with pytest.raises(PartialFailure) as told:
        ben.pull()
    assert {ref.partition("#")[0] for ref in told.value.missing} == {"big", "small"}
    assert [info.name for info in ben.names()] == ["note"]
    assert ben.get("note") == "later"
    assert ben.fsck().ok


def test_a_damaged_object_here_is_not_sent(pair, tmp_path: Path) -> None:
    ann, _, _ = pair
    ann.close()
    for pack in (tmp_path / "ann/.cas/objects").glob("*"):
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 1
        overwrite(pack, bytes(content))
    ann = cas.open(tmp_path / "ann")
    ann.remotes.add("other", str(tmp_path / "other"))
    with pytest.raises(CorruptObject):
        ann.push("other")
    assert not (tmp_path / "other/refs").exists()


def test_footers_are_checked_alone(pair) -> None:
    _, _, hub = pair
    good = the_pack(hub).read_bytes()
    start = footer_start("x", good[-TRAILER_SIZE:], len(good))
    found = Footer("x", len(good), good[start:])
    assert len(found) == len(found.prefixes())
    for place in range(len(good) - start):
        bad = bytearray(good[start:])
        bad[place] ^= 1
        with pytest.raises(PackCorrupt):
            Footer("x", len(good), bytes(bad))
