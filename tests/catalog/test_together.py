"""One catalog under threads that read, processes that write, and threads that fork meanwhile."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

import cas

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@pytest.fixture
def repo(tmp_path: Path):
    repository = cas.init(tmp_path)
    repository.put_many([(number, f"n{number}") for number in range(3000)])
    repository.resolve("n0")
    yield repository
    repository.close()


def test_a_write_goes_on_while_a_thread_reads_what_another_process_has_changed(repo, tmp_path):
    database = repo.catalog.database
    before = database.connection
    half_read = iter(database.connection.execute("SELECT name FROM name"))
    first = next(half_read)
    other = cas.open(tmp_path)
    other.put(1, "theirs")
    assert other.get("theirs") == 1  # which writes to the file
    other.close()
    repo.put(2, "ours")
    assert (repo.get("theirs"), repo.get("ours")) == (1, 2)
    assert database.connection is not before
    assert database.connection.execute("PRAGMA database_list").fetchone()[2]  # the file still, not the memory
    assert len([first, *half_read]) == 3000  # as it was when the reading began


def test_who_reads_while_the_catalog_is_made_anew_reads_to_the_end(repo):
    half_read = iter(repo.catalog.database.connection.execute("SELECT name FROM name"))
    first = next(half_read)
    repo.catalog.database.renew(in_memory=True)
    assert len([first, *half_read]) == 3000


@needs_fork
def test_a_fork_waits_for_the_write_of_another_thread(repo):
    """The child would find the file locked for ever, by a thread that it does not have."""
    writing, ended = threading.Event(), []

    def write() -> None:
        with repo.catalog.database.writing() as connection:
            connection.execute("SELECT 1").fetchall()
            writing.set()
            time.sleep(0.3)
            ended.append(time.monotonic())

    thread = threading.Thread(target=write)
    thread.start()
    writing.wait()
    child = os.fork()
    if not child:
        try:
            repo.put("child", "n1")
            done = repo.get("n1") == "child" and repo.catalog.database._path is not None
        except BaseException:
            done = False
        os._exit(0 if done else 1)
    forked = time.monotonic()
    thread.join()
    assert ended[0] <= forked
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert repo.get("n1") == "child"


@needs_fork
def test_threads_that_write_and_fork_lose_nothing(repo):
    kept: list[tuple[str, object]] = []

    def work(seed: int) -> None:
        for turn in range(60):
            version = repo.put((seed, turn), f"shared@k={turn % 3}")
            kept.append((version.ref, (seed, turn)))
            repo.alias(f"shared@k={turn % 3}", f"best-{seed}")
            repo.find("shared")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    children = []
    for number in range(6):
        child = os.fork()
        if not child:
            try:
                for turn in range(20):
                    repo.put((number, turn), f"child-{number}@k={turn}")
                done = len(repo.find(f"child-{number}")) == 20
            except BaseException:
                done = False
            os._exit(0 if done else 1)
        children.append(child)
    for thread in threads:
        thread.join()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
    assert [repo.get(ref) for ref, _ in kept] == [value for _, value in kept]
    assert repo.get("child-5@k=19") == (5, 19)
    assert not repo.fsck().problems
