"""The store against a plain dict, with reopening, crashes, salvage and merges as rules."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cas.objects import canonical
from cas.objects.ids import Kind
from cas.objects.limits import Limits
from cas.objects.store import ObjectStore

blobs = st.binary(max_size=50) | st.integers(1, 5).map(lambda number: b"long" * 20_000 * number + bytes([number]))
kinds = st.sampled_from([Kind.ARTIFACT, Kind.SPAN])


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.sealed: dict[bytes, bytes] = {}
        self.flushed: dict[bytes, bytes] = {}
        self.fresh: dict[bytes, bytes] = {}
        self.open()

    def open(self) -> None:
        self.store = ObjectStore(self.root, Limits(crowd=4, part=2, stretch=1 << 18))
        self.writer = self.store.writer()

    @rule(payloads=st.lists(blobs, max_size=4))
    def put_blobs(self, payloads: list[bytes]) -> None:
        self.fresh.update(zip(self.writer.put_blobs(payloads), payloads, strict=True))

    @rule(kind=kinds, plain=st.dictionaries(st.just("a"), st.binary(max_size=40)))
    def put_record(self, kind: Kind, plain: dict[str, bytes]) -> None:
        payload = canonical.encode(plain)
        self.fresh[self.writer.put_record(kind, payload)] = payload

    @rule()
    def flush(self) -> None:
        self.writer.flush()
        self.flushed |= self.fresh
        self.fresh = {}

    @rule()
    def seal(self) -> None:
        self.writer.seal()
        self.sealed |= self.flushed | self.fresh
        self.flushed, self.fresh = {}, {}

    @rule()
    def abort(self) -> None:
        self.writer.abort()
        self.flushed, self.fresh = {}, {}

    @rule()
    def merge(self) -> None:
        self.store.merge()

    @rule()
    def reopen(self) -> None:
        self.seal()
        self.open()

    @rule(torn=st.binary(max_size=60))
    def crash_and_salvage(self, torn: bytes) -> None:
        """The process dies: what was flushed is on disk, then some torn bytes; what was not may be lost."""
        copies = {path.name: path.read_bytes() for path in self.root.glob("*.open")}
        self.writer.abort()
        for name, content in copies.items():
            (self.root / name).write_bytes(content + torn)
        self.open()
        self.store.salvage()
        self.sealed |= self.flushed
        self.flushed, self.fresh = {}, {}

    @invariant()
    def everything_reads_back(self) -> None:
        held = self.sealed | self.flushed | self.fresh
        assert self.store.read_many(held) == list(held.values())
        assert not self.store.missing(held)
        other = ObjectStore(self.root)
        assert other.read_many(self.sealed) == list(self.sealed.values())

    def teardown(self) -> None:
        self.writer.seal()
        assert not list(self.store.check())
        assert not [name for name in os.listdir(self.root) if name.endswith(".open")]
        shutil.rmtree(self.root)


StoreMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestStore = StoreMachine.TestCase
