import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import RefRollback
from cas.refs import checkpoints
from cas.refs.checkpoints import read, replay, write
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, SpanEntry, VersionEntry
from cas.refs.log import NOTHING, RefLog
from cas.refs.partitions import EMPTY, Granularity, Partition
from cas.refs.stamps import Stamps, WriteIds

NOW = 1795333249000123
A, B = "a" * 64, "0f" * 32


def some_entries(stamps):
    writes = WriteIds()
    parted = Partition.of({"k": "x,\n", "a": "é"}, "2024-05")

    def place():
        return stamps.next(), writes.next()

    return [
        VersionEntry("n", EMPTY, "v1", A, B, None, *place()),
        VersionEntry("n", parted, "v2", B, A, B, *place()),
        AliasEntry("n", parted, "prod", "v1", (), *place()),
        AliasEntry("n", parted, "prod", "v1", ("1" * 32, "2" * 32), *place()),
        DeleteEntry("n", EMPTY, None, None, *place()),
        DeleteEntry("n", EMPTY, "v1", None, *place()),
        DeleteEntry("n", EMPTY, None, "prod", *place()),
        SpanEntry(A, None, "", *place()),
        SpanEntry(A, B, "lé\0", *place()),
        DeclareEntry("n", (), None, None, None, *place()),
        DeclareEntry("n", ("k",), Granularity.DAY, "table", "flights", *place()),
    ]


@pytest.fixture
def log(memory):
    log = RefLog(memory, "shop", "prod")
    previous, stamps = NOTHING, Stamps(0, NOW)
    for number in range(1, 6):
        previous = log.append(number, previous, some_entries(stamps), author="Ann", time=NOW).digest
    return log


def everything(log):
    return tuple(entry for segment in log.after(0) for entry in segment.entries)


def test_a_checkpoint_holds_all_entries_up_to_its_segment(memory, log):
    assert read(memory, log) is None
    assert write(memory, log, 3)
    found = read(memory, log)
    assert (found.number, found.digest) == (3, log.read(3).digest)
    assert found.entries == everything(log)[:33]
    assert replay(memory, log) == (5, log.read(5).digest, everything(log))


def test_the_newest_is_taken_and_built_on(memory, log):
    assert write(memory, log, 2)
    del memory.files[log.path(1)]  # a checkpoint makes it unneeded
    assert write(memory, log, 4)
    assert not write(memory, log, 4)
    assert read(memory, log).number == 4
    assert read(memory, log, 3).number == 2
    assert read(memory, log, 1) is None
    assert replay(memory, log).number == 5


def test_a_damaged_checkpoint_falls_back(memory, log):
    write(memory, log, 2)
    write(memory, log, 4)
    whole = replay(memory, log)
    name = f"{log.directory}{4:020d}.arrow"
    content = memory.files[name]
    for damaged in (b"", content[:-1], content[: len(content) // 2], content[:100] + b"x" + content[101:], b"x" * 1000):
        memory.files[name] = damaged
        assert read(memory, log).number == 2
        assert replay(memory, log) == whole
    memory.files[f"{log.directory}{2:020d}.arrow"] = content
    assert read(memory, log) is None
    assert replay(memory, log) == whole


def test_a_checkpoint_of_another_history_is_caught_by_the_chain(memory, log):
    write(memory, log, 2)
    name = f"{log.directory}{2:020d}.arrow"
    found = read(memory, log)
    memory.files[name] = checkpoints._encode(found._replace(digest=A))
    with pytest.raises(RefRollback):
        replay(memory, log)


def test_a_log_that_is_too_short(memory, log):
    with pytest.raises(RefRollback, match="ends at segment 5"):
        write(memory, log, 6)


@pytest.mark.parametrize(
    "entry",
    [
        VersionEntry("../n", EMPTY, "v1", A, B, None, NOW, "0" * 32),
        VersionEntry("n", Partition((("b", "1"), ("a", "2")), None), "v1", A, B, None, NOW, "0" * 32),
        VersionEntry("n", EMPTY, "v1", A, B, None, -5, "0" * 32),
        VersionEntry(None, EMPTY, "v1", A, B, None, NOW, "0" * 32),
        AliasEntry("n", EMPTY, "abcdef", "v1", (), NOW, "0" * 32),
        DeclareEntry("n", ("time",), None, None, None, NOW, "0" * 32),
    ],
)
def test_hostile_checkpoints_are_passed_over(memory, log, entry):
    name = f"{log.directory}{2:020d}.arrow"
    memory.files[name] = checkpoints._encode(checkpoints.Checkpoint(2, log.read(2).digest, (entry,)))
    assert read(memory, log) is None


@settings(max_examples=50)
@given(st.data())
def test_flipped_bytes_under_a_right_digest_never_escape(memory_store, data):
    store = memory_store()
    log = RefLog(store, "shop", "prod")
    log.append(1, NOTHING, some_entries(Stamps(0, NOW)), author="Ann", time=NOW)
    write(store, log, 1)
    name = f"{log.directory}{1:020d}.arrow"
    stream = bytearray(store.files[name][:-32])
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    store.files[name] = bytes(stream) + checkpoints.blake3(bytes(stream)).digest()
    found = read(store, log)
    assert found is None or found.number == 1


def test_an_empty_log_replays_to_nothing(memory):
    assert replay(memory, RefLog(memory, "shop", "prod")) == (0, NOTHING, ())


def test_what_the_caller_has_is_not_read_again(memory, log):
    tail = list(log.after(2, log.read(2).digest))
    whole = everything(log)
    for number in (3, 4, 5):
        del memory.files[log.path(number)]
    assert write(memory, log, 5, tail)
    assert read(memory, log).entries == whole
    assert read(memory, log).digest == tail[-1].digest


def test_what_the_caller_has_of_another_history_is_read(memory, log):
    tail = [segment._replace(previous=A) for segment in log.after(2, log.read(2).digest)]
    assert write(memory, log, 4, tail)
    assert read(memory, log).entries == everything(log)[:44]
    assert read(memory, log).digest == log.read(4).digest
