"""A second checkout in another home clones, works and pushes back, through every store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import cas
from cas.errors import (
    NoRepository,
    NotFound,
    ObjectNotFound,
    PartialFailure,
    RefNotFound,
    UnsupportedRemote,
    UsageError,
)
from cas.repository.exchange import clone, list_there

STORES = [
    "directory",
    "file",
    "memory",
    "s3-moto-obstore",
    "s3-moto-s3fs",
    "s3-ministack-obstore",
    "gs-obstore",
    "gs-gcsfs",
    "az-obstore",
    "az-adlfs",
    "sftp",
]


@pytest.mark.parametrize("remote", STORES, indirect=True)
def test_clone_work_push_back(remote, tmp_path: Path, monkeypatch) -> None:
    ann = cas.init(tmp_path / "ann", author="Ann")
    big = os.urandom(400_000)
    with ann.span("train", metadata={"rate": 0.1}) as span:
        ann.put(big, "model@kind=tree", version="1.0")
        span.log({"loss": 0.5}, label="report")
    ann.put({"a": [1, 2]}, "settings")
    ann.alias("model", "prod")
    ann.remotes.add("origin", remote.url, remote.options)
    first = ann.push()
    assert first.entries == 5
    assert (first.packs, first.conflicts, first.missing) == (1, (), ())
    again = ann.push()
    assert (again.entries, again.objects, again.bytes, again.packs) == (0, 0, 0, 0)

    (tmp_path / "other home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "other home"))
    ben, brought = clone(remote.url, tmp_path / "ben", options=remote.options, author="Ben")
    assert brought.entries == 5
    assert ben.get("model#prod") == big
    assert ben.get("settings") == {"a": [1, 2]}
    maker = ben.producer("model")
    assert maker is not None
    assert (maker.label, maker.metadata, maker.status) == ("train", {"rate": 0.1}, "ok")
    assert ben.fsck().ok
    ben.put({"a": [3]}, "settings")
    back = ben.push()
    assert back.entries == 1
    assert back.bytes < 1000

    assert ann.get("settings") == {"a": [1, 2]}
    ann.fetch()
    assert ann.get("settings") == {"a": [1, 2]}
    assert ann.resolve("origin:settings").ref == f"origin:settings#{ben.resolve('settings').version}"
    assert ann.pull().entries == 1
    assert ann.get("settings") == {"a": [3]}
    assert ann.get("settings~1") == {"a": [1, 2]}
    there = {ref: ident for ident, ref in list_there(ann, None)}
    assert there["settings"] == ann.resolve("settings").id
    assert there["model@kind=tree#prod"] == ann.resolve("model").id
    for one in (ann, ben):
        assert one.fsck().ok
        one.close()


def test_three_meet_through_one(tmp_path: Path) -> None:
    people = [cas.init(tmp_path / name) for name in ("ann", "ben", "cat")]
    for number, one in enumerate(people):
        one.remotes.add("hub", str(tmp_path / "hub"))
        one.put(number, "latest")
        one.put(number, f"own{number}")
        one.push()
    for one in [*people, *people]:
        one.pull()
        one.push()
    assert {one.get("latest") for one in people} == {2}
    assert {tuple(info.name for info in one.names()) for one in people} == {("latest", "own0", "own1", "own2")}
    logs = [
        {entry.write for segment in one.log_of("default", "main").after(0) for entry in segment.entries}
        for one in people
    ]
    assert logs[0] == logs[1] == logs[2]


def test_a_working_directory_is_a_remote(tmp_path: Path) -> None:
    """Also what its writer has not sealed yet arrives."""
    ann = cas.init(tmp_path / "ann")
    ann.put("first", "note")
    ben, _ = clone(str(tmp_path / "ann"), tmp_path / "ben")
    assert ben.get("note") == "first"
    ben.put("second", "note")
    ben.push()
    assert ann.get("note") == "second"
    assert ann.fsck().ok
    with pytest.raises(UnsupportedRemote):
        ann.remotes.add("me", str(tmp_path / "ann"), probe=False)
        ann.push("me")


def test_push_and_pull_by_pattern(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    for name in ("ride_a", "ride_b", "secret"):
        ann.put(name, f"{name}@day=1")
    ann.put("old", "ride_a@day=2")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    assert ann.push(patterns=["ride_*@day=1"]).entries == 4  # with the declarations
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben", filter="ride_a")
    assert [one.ref.partition("#")[0] for one in ben.log()] == ["ride_a@day=1"]
    assert ben.pull(patterns=["ride_b"]).entries == 2
    assert [info.name for info in ben.names()] == ["ride_a", "ride_b"]
    assert ann.push().entries == 3
    assert ben.pull().entries == 1
    assert [info.name for info in ben.names()] == ["ride_a", "ride_b"]


def test_lineage_goes_along_when_asked(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.put(1, "raw")
    ann.put(0, "unrelated")
    with ann.span("clean"):
        ann.put(ann.get("raw") + 1, "tidy")
    with ann.span("train"):
        ann.put(ann.get("tidy") + 1, "model")
    ann.remotes.add("few", str(tmp_path / "few"))
    ann.remotes.add("all", str(tmp_path / "all"))
    ann.push("few", ["model"])
    ann.push("all", ["model"], lineage=True)
    few, _ = clone(str(tmp_path / "few"), tmp_path / "ben")
    assert [info.name for info in few.names()] == ["model"]
    assert few.producer("model").label == "train"
    whole, _ = clone(str(tmp_path / "all"), tmp_path / "cat")
    assert sorted(info.name for info in whole.names()) == ["model", "raw", "tidy"]
    assert whole.get("model^1^1") == 1


def test_clone_without_objects(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    big, folder = os.urandom(1_000_000), tmp_path / "folder"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.txt").write_text(str(number) * 100)
    ann.put(big, "big")
    ann.put(folder, "folder")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.push()
    ben, brought = clone(str(tmp_path / "hub"), tmp_path / "ben", objects=False)
    assert brought.bytes < 2000
    assert [(one.name, one.size) for one in ben.log()] == [("folder", ann.resolve("folder").size), ("big", 1_000_000)]
    assert ben.get("big") == big
    assert ben.get("folder//7.txt").read_text() == "7" * 100
    cat, _ = clone(str(tmp_path / "hub"), tmp_path / "cat", objects=False)
    for text in ("nothing", "not*", "big@k=*"):
        with pytest.raises(RefNotFound):
            cat.fetch(objects=[text])
    assert cat.fetch(objects=["origin:b*"]).bytes > 1_000_000
    assert cat.fetch(objects=["b*"]).bytes == 0
    (tmp_path / "hub").rename(tmp_path / "gone")
    assert cat.get("big") == big
    with pytest.raises(NoRepository, match="what is not here yet comes from origin"):
        cat.get("folder")
    # What is neither here nor there is said, and all else goes on.
    cat.put("mine", "note")
    cat.remotes.add("other", str(tmp_path / "other"))
    with pytest.raises(PartialFailure) as told:
        cat.push("other")
    assert told.value.missing == (ann.resolve("folder").ref,)
    assert {ref for _, ref in list_there(cat, "other")} == {"big", "note"}


def test_clone_since_and_depth(tmp_path: Path) -> None:
    times = iter(range(1_700_000_000_000_000, 1_800_000_000_000_000, 10**12))
    ann = cas.init(tmp_path / "ann", now=lambda: next(times))
    for number in range(5):
        ann.put(number, "count")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.push()
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben", depth=2)
    assert [one.get() for one in ben.log("count")] == [4, 3]
    moment = ann.log("count")[2].created.isoformat()[:19]
    cat, _ = clone(str(tmp_path / "hub"), tmp_path / "cat", since=moment)
    assert [one.get() for one in cat.log("count")] == [4, 3, 2]
    with pytest.raises(UsageError):
        clone(str(tmp_path / "hub"), tmp_path / "dan", since="yesterday")
    assert not (tmp_path / "dan").exists()


def test_dry_runs_count_and_move_nothing(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.put(os.urandom(500_000), "big")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    dry = ann.push(dry_run=True)
    assert dry.dry
    assert not (tmp_path / "hub" / "refs").exists()
    assert dry.bytes == ann.push().bytes > 500_000
    ben = cas.init(tmp_path / "ben")
    ben.remotes.add("origin", str(tmp_path / "hub"))
    dry = ben.pull(dry_run=True)
    assert ben.names() == []
    assert dry.bytes > 500_000
    assert ben.pull().entries == dry.entries == 1


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.put(os.urandom(3_000_000), "big")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    seen: list[tuple[int, int]] = []
    pushed = ann.push(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (pushed.bytes, pushed.bytes)
    seen.clear()
    ben = cas.init(tmp_path / "ben")
    ben.remotes.add("origin", str(tmp_path / "hub"))
    pulled = ben.pull(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == pulled.bytes
    assert all(done <= total for done, total in seen)


def test_deletions_travel_and_spare_bytes(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.put(os.urandom(1000), "thing", version="1")
    ann.put("kept", "thing", version="2")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.delete("thing#1")
    assert ann.push().bytes < 800
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben")
    assert [one.version for one in ben.log("thing")] == ["2"]
    ben.delete("thing")
    ben.push()
    ann.pull()
    with pytest.raises(RefNotFound):
        ann.resolve("thing")


def test_remotes_are_remembered_and_forgotten(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.put(1, "one")
    ann.push()
    with pytest.raises(UsageError):
        ann.remotes.add("origin", str(tmp_path / "other"))
    for url in ("s3://key:secret@bucket/x", "ftp://host/x", "simplecache::s3://bucket/x"):
        with pytest.raises(UnsupportedRemote):
            ann.remotes.add("bad", url)
    with pytest.raises(NotFound):
        ann.push("nowhere")
    again = cas.open(tmp_path / "ann")
    assert [(one.name, one.url) for one in again.remotes.list()] == [("origin", str(tmp_path / "hub"))]
    again.remotes.set_url("origin", str(tmp_path / "moved"))
    (tmp_path / "hub").rename(tmp_path / "moved2")
    again.remotes.set_url("origin", str(tmp_path / "moved2"))
    assert again.push().entries == 0
    again.remotes.remove("origin")
    assert again.remotes.list() == []
    assert not (tmp_path / "ann/.cas/refs/remotes/origin").exists()
    with pytest.raises(NoRepository):
        clone(str(tmp_path / "nowhere"), tmp_path / "ben")
    assert not (tmp_path / "ben").exists()


def test_a_read_only_web_server(tmp_path: Path, request) -> None:
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    ann = cas.init(tmp_path / "ann")
    for number in range(3):
        ann.put(number, "count")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.push()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "hub")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    request.addfinalizer(server.server_close)
    request.addfinalizer(server.shutdown)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    ben = cas.init(tmp_path / "ben")
    ben.remotes.add("web", url)
    assert ben.fetch().entries == 3
    with pytest.raises(UnsupportedRemote):
        ben.push()
    assert ben.pull("web").entries == 3
    assert [one.get() for one in ben.log("count")] == [2, 1, 0]
    ben.close()
    carl, done = clone(url, tmp_path / "carl", objects=False)
    assert done.entries == 3
    assert carl.get("count~1") == 1
    carl.close()


def test_lineage_follows_what_was_pushed_without_it(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    with ann.span("import"):
        ann.put([1, 2], "raw")
    with ann.span("train"):
        ann.put({"m": ann.get("raw")}, "model")
    ann.put(1, "other")
    assert ann.push(patterns=["model"]).entries == 2
    carl, _ = clone(str(tmp_path / "hub"), tmp_path / "carl")
    steps = []
    node = carl.lineage("model")
    while node.children:
        node = node.children[0]
        steps.append((node.kind, node.title))
    assert [steps[0], steps[-1]] == [("span", "train"), ("span", "(not here)")]
    assert len(steps) == 3
    assert ann.push(patterns=["model"], lineage=True, dry_run=True).entries == 2
    assert ann.push(patterns=["model"], lineage=True).entries == 2
    assert ann.push(patterns=["model"], lineage=True).entries == 0
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben")
    assert ben.get("model^1") == [1, 2]
    assert [one.name for one in ben.names()] == ["model", "raw"]


def test_what_was_fetched_is_asked_offline(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.put(0, "count")
    ann.push()
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben")
    with ann.span("made") as span:
        ann.put(1, "count", metadata={"why": "test"})
        ann.put("x" * 100, "text@k=v")
    ann.push()
    ben.pull(patterns=["other*"])  # takes in the history without a record of it
    ben.fetch()
    (tmp_path / "hub").rename(tmp_path / "gone")
    newest = ben.log("origin:count")[0]
    assert (newest.type, newest.size, newest.metadata) == ("int", 1, {"why": "test"})
    assert newest.id == ann.resolve("count").id
    assert [one.type for one in ben.find("origin:*")] == ["str", "int"]
    with pytest.raises(ObjectNotFound, match="was not fetched") as caught:
        ben.get("origin:count")
    assert caught.value.hint == f"bring it: cas fetch origin --objects '{newest.ref}'"
    assert newest.span == span.id
    (tmp_path / "gone").rename(tmp_path / "hub")
    assert ben.fetch().objects == 0
    assert ben.fetch(objects=["origin:count"]).objects > 0
    assert ben.get("origin:count") == 1


def test_the_face_of_a_clone(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    version = ann.put(1, "model")
    ann.alias("model", "prod")
    ann.push()
    with cas.clone(str(tmp_path / "hub"), tmp_path / "ben", filter="mod*") as ben:
        assert cas.current() is ben
        assert cas.get("model") == 1
        assert (
            ben.ls_remote()
            == ann.ls_remote(str(tmp_path / "hub"))
            == [(version.id, "model"), (version.id, "model#prod")]
        )
    with pytest.raises(NoRepository):
        cas.clone(str(tmp_path / "nowhere"), tmp_path / "carl")


def test_a_name_that_nobody_has(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.remotes.add("origin", str(tmp_path / "hub"))
    ann.put(1, "model")
    with pytest.raises(RefNotFound, match="no artifact 'modle'") as slip:
        ann.push(patterns=["modle"])
    assert slip.value.suggestions == ("model",)
    assert ann.push(patterns=["modle*"]).entries == 0
    assert ann.push(patterns=["model"]).entries == 1
    ben, _ = clone(str(tmp_path / "hub"), tmp_path / "ben")
    with pytest.raises(RefNotFound, match="no artifact 'modle' at origin"):
        ben.pull(patterns=["modle"])
    assert ben.pull(patterns=["model"]).entries == 0


def test_a_relative_path_counts_from_where_it_was_written(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    ann = cas.init("ann")
    ann.put(1, "one")
    ann.remotes.add("origin", "store")
    ann.push()
    ben, _ = clone("store", "ben")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert ann.push().entries == ben.pull().entries == 0
    assert {one.url for side in (ann, ben) for one in side.remotes.list()} == {str(tmp_path / "store")}


def test_a_directory_is_kept_without_its_way_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = cas.init(tmp_path / "ann")
    monkeypatch.chdir(tmp_path / "ann")
    ann.remotes.add("origin", "../hub")
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far/away")
    ann.remotes.add("linked", str(tmp_path / "link/../hub"))
    urls = {one.name: one.url for one in ann.remotes.list()}
    assert urls == {"origin": str(tmp_path / "hub"), "linked": str(tmp_path / "link/../hub")}


def test_nothing_was_ever_pushed(tmp_path: Path, shell) -> None:
    assert shell("init", "ann").returncode == 0
    assert shell("-C", "ann", "remote", "add", "origin", str(tmp_path / "typo"), "--no-probe").returncode == 0
    for verb in ("fetch", "pull"):
        said = shell("-C", "ann", verb)
        assert said.returncode == 0
        assert f"nothing was ever pushed to {tmp_path / 'typo'}" in said.stderr.decode()
    assert shell("-C", "ann", "put", "--value", "1", "one").returncode == 0
    assert shell("-C", "ann", "push").returncode == 0
    assert shell("-C", "ann", "pull").stderr == b""


def test_a_remote_moves_to_another_kind_of_store(tmp_path: Path) -> None:
    ann = cas.init(tmp_path / "ann")
    ann.remotes.add("origin", "s3://bucket/x", {"region": "us-east-1"}, probe=False)
    ann.remotes.set_url("origin", str(tmp_path / "hub"))
    assert [(one.url, dict(one.options)) for one in ann.remotes.list()] == [(str(tmp_path / "hub"), {})]
    ann.put(1, "one")
    assert ann.push().entries == 1
