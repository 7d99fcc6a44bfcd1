import multiprocessing
import re

import pytest

from cas.errors import CasError, InvalidRefName, RefRollback, RefSyntax
from cas.refs.entries import VersionEntry
from cas.refs.log import NOTHING, RefLog, list_logs
from cas.refs.partitions import EMPTY
from cas.refs.segments import render
from cas.refs.stamps import Stamps, WriteIds
from cas.storage.local import LocalStore

NOW = 1795333249000123
A = "a" * 64


def version(text, stamps, writes):
    return VersionEntry("flights", EMPTY, text, A, A, None, stamps.next(), writes.next())


def publish(log, number, previous, text="v1"):
    return log.append(number, previous, [version(text, Stamps(0, NOW), WriteIds())], author="Ann", time=NOW)


@pytest.fixture(params=["memory", "directory"])
def store(request, tmp_path, memory):
    return memory if request.param == "memory" else LocalStore(tmp_path)


@pytest.fixture
def log(store):
    return RefLog(store, "shop", "prod")


def test_what_is_appended_is_read(log):
    assert not log.has(1)
    assert log.newest() == 0
    first = publish(log, 1, NOTHING)
    second = publish(log, 2, first.digest)
    assert log.read(1) == first
    assert list(log.after(0)) == [first, second]
    assert list(log.after(1, first.digest)) == [second]
    assert list(log.after(2, second.digest)) == []
    assert [log.has(1), log.has(2), log.has(3), log.newest()] == [True, True, False, 2]


def test_the_loser_of_a_race_is_told(log):
    first = publish(log, 1, NOTHING)
    assert publish(log, 1, NOTHING) is None
    assert list(log.after(0)) == [first]


def test_a_lost_response_is_no_conflict(memory):
    class Forgetful(type(memory)):
        def create(self, name, content):
            return super().create(name, content) and False

    log = RefLog(Forgetful(memory.files), "shop", "prod")
    segment = publish(log, 1, NOTHING)
    assert segment is not None
    assert publish(log, 1, NOTHING) is None
    assert log.read(1) == segment


def test_a_missing_segment_is_a_missing_file(log):
    with pytest.raises(FileNotFoundError):
        log.read(1)


@pytest.mark.parametrize("last", [1, 2, 3, 7, 8, 9])
def test_the_newest_segment_is_found_by_probing(memory, last):
    log = RefLog(memory, "shop", "prod")
    for number in range(1, last + 1):
        memory.create(log.path(number), b"")
    assert log.newest() == last


def test_a_chain_that_does_not_hold_is_refused(memory):
    log = RefLog(memory, "shop", "prod")
    first = publish(log, 1, NOTHING)
    publish(log, 2, A)
    with pytest.raises(RefRollback, match="segment 2"):
        list(log.after(0))
    with pytest.raises(RefRollback):
        list(log.after(1, first.digest))
    assert len(list(log.after(1, A))) == 1


def test_a_segment_under_another_number_is_refused(memory):
    log = RefLog(memory, "shop", "prod")
    memory.create(log.path(1), render(2, NOW, "Ann", NOTHING, []))
    with pytest.raises(RefRollback, match="segment 2"):
        log.read(1)


def test_a_damaged_segment_is_named(memory):
    log = RefLog(memory, "shop", "prod")
    memory.create(log.path(1), b"cas = 1\nsegment = ")
    with pytest.raises(RefSyntax, match=re.escape("refs/shop/prod/00000000000000000001.toml")) as caught:
        log.read(1)
    assert "fsck" in caught.value.hint
    assert str(caught.value) == caught.value.message


def test_logs_are_listed_and_strangers_passed_over(store):
    for project, domain in [("shop", "prod"), ("default", "main"), ("shop", "dev")]:
        publish(RefLog(store, project, domain), 1, NOTHING)
    publish(RefLog(store, "shop", "far", prefix="refs/remotes/origin"), 1, NOTHING)
    for name in ("refs/a/b/notes.txt", f"refs/CON/b/{1:020d}.toml", f"refs/a/b/{1:020d}.arrow", f"x/a/b/{1:020d}.toml"):
        store.create(name, b"")
    assert list_logs(store) == [("default", "main"), ("shop", "dev"), ("shop", "prod")]
    assert list_logs(store, prefix="refs/remotes/origin") == [("shop", "far")]


def test_hostile_projects_never_become_paths(memory):
    for project, domain in [("..", "a"), ("a", ".."), ("remotes", "a"), ("a/b", "c"), ("a", "")]:
        with pytest.raises(InvalidRefName):
            RefLog(memory, project, domain)


WRITERS, PUBLICATIONS = 8, 50


def race(root, writer, results):
    """Publish again and again, each time after all that is there; report what was acknowledged."""
    log = RefLog(LocalStore(root), "shop", "prod")
    number, previous, after = 0, NOTHING, 0
    acknowledged = []
    while len(acknowledged) < PUBLICATIONS:
        for segment in log.after(number, previous):
            number, previous, after = segment.number, segment.digest, segment.entries[-1].stamp
        entry = version(f"w{writer}-{len(acknowledged)}", Stamps(after, NOW), WriteIds())
        segment = log.append(number + 1, previous, [entry], author=f"writer {writer}", time=NOW)
        if segment is not None:
            acknowledged.append(entry)
    results.put(acknowledged)


def test_racing_writers_lose_nothing(tmp_path):
    spawning = multiprocessing.get_context("spawn")
    results = spawning.Queue()
    writers = [spawning.Process(target=race, args=(tmp_path, writer, results)) for writer in range(WRITERS)]
    for process in writers:
        process.start()
    acknowledged = [entry for _ in writers for entry in results.get(timeout=300)]
    for process in writers:
        process.join()
        assert process.exitcode == 0
    segments = list(RefLog(LocalStore(tmp_path), "shop", "prod").after(0))
    published = [entry for segment in segments for entry in segment.entries]
    assert [segment.number for segment in segments] == list(range(1, WRITERS * PUBLICATIONS + 1))
    assert sorted(published) == sorted(acknowledged)
    assert len(set(acknowledged)) == WRITERS * PUBLICATIONS
    stamps = [entry.stamp for entry in published]
    assert stamps == sorted(set(stamps))


def test_every_refusal_is_typed(memory):
    log = RefLog(memory, "shop", "prod")
    entry = version("a/b", Stamps(0, NOW), WriteIds())
    with pytest.raises(CasError):
        log.append(1, NOTHING, [entry], author="Ann", time=NOW)
    assert memory.files == {}
