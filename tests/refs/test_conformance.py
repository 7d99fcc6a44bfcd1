"""Random runs of several writers on one log, against a plain dict that is told what was acknowledged."""

import tempfile

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from cas.errors import VersionConflict
from cas.refs import checkpoints
from cas.refs.entries import AliasEntry, DeleteEntry, VersionEntry
from cas.refs.history import History, choose_version
from cas.refs.log import NOTHING, RefLog
from cas.refs.partitions import EMPTY, Partition
from cas.refs.stamps import Stamps, WriteIds
from cas.storage.local import LocalStore

LITERALS = ["a" * 64, "b" * 64, "c" * 64]
REFS = [("n", EMPTY), ("n", Partition.of({"k": "x,é"}, "2024-05")), ('odd"]', EMPTY)]

refs = st.sampled_from(REFS)
literals = st.sampled_from(LITERALS)
versions = st.sampled_from(["v1", "v2"])
aliases = st.sampled_from(["prod", "dev"])
writers = st.integers(0, 1)


class Writer:
    """One process's view: the log as far as it was read, and a clock that may run slow."""

    def __init__(self, store, slow):
        self.log = RefLog(store, "shop", "prod")
        self.slow = slow
        self.number, self.previous, self.entries = 0, NOTHING, []

    def catch_up(self):
        for segment in self.log.after(self.number, self.previous):
            self.number, self.previous = segment.number, segment.digest
            self.entries.extend(segment.entries)

    def history(self, ref):
        return History(entry for entry in self.entries if (entry.name, entry.partition) == ref)

    def publish(self, make, now):
        """One attempt on what was last read; False where another writer was faster."""
        stamps = Stamps(max((entry.stamp for entry in self.entries), default=0), now - self.slow)
        entry = make(stamps.next(), WriteIds().next())
        segment = self.log.append(self.number + 1, self.previous, [entry], author="Ann", time=now)
        return segment is not None


class Writers(RuleBasedStateMachine):
    def __init__(self, make_store):
        super().__init__()
        self.make_store = make_store

    @initialize()
    def begin(self):
        self.store = self.make_store()
        self.writers = [Writer(self.store, 0), Writer(self.store, 3_600_000_000)]
        self.now = 1795333249000000
        self.acknowledged = 0
        self.published = {ref: [] for ref in REFS}  # (version, literal), oldest first
        self.pointers = {ref: {} for ref in REFS}
        self.meanings = {ref: {} for ref in REFS}

    def commit(self, number, make, apply):
        """Publish as a program does: read, try, and where the race is lost read again."""
        self.now += 1
        writer = self.writers[number]
        if not writer.publish(lambda *place: make(writer, *place), self.now):
            writer.catch_up()
            assert writer.publish(lambda *place: make(writer, *place), self.now)
        self.acknowledged += 1
        apply()

    @rule(number=writers, ref=refs, literal=literals, version=st.none() | versions)
    def put(self, number, ref, literal, version):
        self.writers[number].catch_up()
        expected = self.expected_version(ref, literal, version)
        if expected is None:
            with pytest.raises(VersionConflict):
                choose_version(self.writers[number].history(ref), literal, version)
            return
        chosen = choose_version(self.writers[number].history(ref), literal, version)
        assert chosen == expected

        def apply():
            self.published[ref].append((chosen, literal))
            self.meanings[ref].setdefault(chosen, literal)

        self.commit(number, lambda _, *place: VersionEntry(*ref, chosen, literal, literal, None, *place), apply)

    def expected_version(self, ref, literal, version):
        if version is None:
            tip = self.published[ref][-1:]
            return tip[0][0] if tip and tip[0][1] == literal else literal[:12]
        return version if self.meanings[ref].get(version, literal) == literal else None

    @rule(number=writers, ref=refs, alias=aliases, version=versions)
    def point(self, number, ref, alias, version):
        def make(writer, *place):
            replaces = tuple(head.write for head in writer.history(ref).heads(alias))
            return AliasEntry(*ref, alias, version, replaces, *place)

        self.commit(number, make, lambda: self.pointers[ref].update({alias: version}))

    @rule(number=writers, ref=refs, version=versions)
    def delete_version(self, number, ref, version):
        def apply():
            self.published[ref] = [one for one in self.published[ref] if one[0] != version]

        self.commit(number, lambda _, *place: DeleteEntry(*ref, version, None, *place), apply)

    @rule(number=writers, ref=refs, alias=aliases)
    def delete_alias(self, number, ref, alias):
        self.commit(
            number,
            lambda _, *place: DeleteEntry(*ref, None, alias, *place),
            lambda: self.pointers[ref].pop(alias, None),
        )

    @rule(number=writers, ref=refs)
    def delete_ref(self, number, ref):
        def apply():
            self.published[ref] = []
            self.pointers[ref] = {}

        self.commit(number, lambda _, *place: DeleteEntry(*ref, None, None, *place), apply)

    @rule(number=writers)
    def reopen_from_a_checkpoint(self, number):
        writer = self.writers[number]
        writer.catch_up()
        if writer.number:
            checkpoints.write(self.store, writer.log, writer.number)
        opened = self.writers[number] = Writer(self.store, writer.slow)
        opened.number, opened.previous, entries = checkpoints.replay(self.store, opened.log)
        opened.entries = list(entries)
        assert (opened.number, opened.previous) == (writer.number, writer.previous)
        assert sorted(entry.write for entry in opened.entries) == sorted(entry.write for entry in writer.entries)

    @invariant()
    def every_reader_sees_what_was_acknowledged(self):
        reader = Writer(self.store, 0)
        reader.catch_up()
        assert reader.number == self.acknowledged == reader.log.newest()
        for ref in REFS:
            history = reader.history(ref)
            assert [(entry.version, entry.literal) for entry in history.live] == self.published[ref]
            found = {alias: history.alias(alias) for alias in history.aliases}
            assert {alias: entry.version for alias, entry in found.items()} == self.pointers[ref]
            for version, _ in self.published[ref]:
                assert history.version(version).literal == self.meanings[ref][version]


@pytest.mark.parametrize(("place", "examples"), [("memory", 40), ("directory", 8)])
def test_writers_agree_with_a_dict(place, examples, memory_store, tmp_path):
    def make_store():
        return memory_store() if place == "memory" else LocalStore(tempfile.mkdtemp(dir=tmp_path))

    run_state_machine_as_test(
        lambda: Writers(make_store), settings=settings(max_examples=examples, stateful_step_count=25, deadline=None)
    )
