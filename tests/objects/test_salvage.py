from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cas.errors import ObjectNotFound
from cas.objects import canonical
from cas.objects.appending import AppendFile
from cas.objects.ids import Kind, ObjectId, blob_id
from cas.objects.store import ObjectStore

WRITER = """
import os, sys
from cas.objects import canonical
from cas.objects.ids import Kind
from cas.objects.store import ObjectStore
writer = ObjectStore(sys.argv[1]).writer()
turn = 0
while True:
    writer.put_blob(b"payload %d" % turn)
    writer.put_record(Kind.SPAN, canonical.encode(turn))
    if turn % 10 == 0:
        writer.flush()
        print(turn, flush=True)
    turn += 1
"""


def told(store: ObjectStore) -> list[tuple[Kind, ObjectId, bytes]]:
    records: list[tuple[Kind, ObjectId, bytes]] = []
    store.salvage(records.extend)
    return records


def test_a_pack_stays_open_until_what_it_tells_is_settled(store: ObjectStore) -> None:
    writer = store.writer()
    ident = writer.put_record(Kind.SPAN, b"x")
    writer.flush()
    (path,) = store.directory.glob("*.open")
    content = path.read_bytes()
    writer.abort()
    path.write_bytes(content + b"torn")

    def fail(_: object) -> None:
        raise ValueError

    with pytest.raises(ValueError):
        store.salvage(fail)
    assert path.exists()
    assert told(store) == [(Kind.SPAN, ident, b"x")]
    assert not path.exists()


def test_what_was_flushed_survives_a_kill(store: ObjectStore) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(store.directory)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 300:
            break
    assert told(store) == []
    assert [payload for _, payload in store.live(Kind.SPAN)][:301] == [canonical.encode(turn) for turn in range(301)]
    assert store.read(blob_id(b"payload 300")) == b"payload 300"
    with pytest.raises(ObjectNotFound):
        store.read(blob_id(b"payload x"))
    process.send_signal(signal.SIGKILL)
    acknowledged = [300, *map(int, process.stdout)]
    process.wait()
    process.stdout.close()
    records = told(store)
    assert [payload for _, _, payload in records][: acknowledged[-1] + 1] == [
        canonical.encode(turn) for turn in range(acknowledged[-1] + 1)
    ]
    assert told(store) == []
    fresh = ObjectStore(store.directory)
    assert not fresh.missing(blob_id(b"payload %d" % turn) for turn in range(acknowledged[-1] + 1))
    assert not list(fresh.check())


def test_a_live_writer_is_left_alone(store: ObjectStore) -> None:
    writer = store.writer()
    ident = writer.put_record(Kind.SPAN, b"x")
    assert list(store.live(Kind.SPAN)) == [(ident, b"x")]
    assert told(ObjectStore(store.directory)) == []
    assert ObjectStore(store.directory).read(ident) == b"x"
    writer.seal()
    assert list(store.live(Kind.SPAN)) == []


def test_empty_and_torn_scraps_go(store: ObjectStore) -> None:
    store.directory.mkdir()
    for number, content in enumerate([b"", b"CASPA", b"CASPACK1", b"CASPACK1\x01\xff\xff", b"nonsense" * 9]):
        (store.directory / (f"{number:032x}.open")).write_bytes(content)
    assert told(store) == []
    assert list(store.directory.iterdir()) == []


def test_a_salvager_between_create_and_lock_takes_the_file_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    flock = fcntl.flock
    store = ObjectStore(tmp_path)
    stolen = 0

    def steal(descriptor: int, operation: int) -> None:
        nonlocal stolen
        if not stolen:
            stolen += 1
            monkeypatch.setattr(fcntl, "flock", flock)
            store.salvage()
            assert list(tmp_path.iterdir()) == []
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", steal)
    file = AppendFile(tmp_path)
    assert stolen == 1
    assert [path.name for path in tmp_path.iterdir()] == [file.path.name]
    assert file.path.stat().st_ino == os.fstat(file.descriptor).st_ino
    file.drop()


def test_a_lock_that_somebody_holds_makes_the_writer_start_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    flock = fcntl.flock
    refused: list[int] = []

    def refuse(descriptor: int, operation: int) -> None:
        if not refused:
            refused.append(descriptor)
            raise BlockingIOError
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", refuse)
    file = AppendFile(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    file.drop()
