import string
import time
from itertools import count

import pytest
import tomli
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from cas.clock import to_iso
from cas.errors import CasError, InvalidRefName, LimitExceeded, RefSyntax, UnsupportedFormat
from cas.refs import reading, segments
from cas.refs.entries import AliasEntry, DeclareEntry, DeleteEntry, SpanEntry, VersionEntry, order
from cas.refs.log import NOTHING
from cas.refs.names import RESERVED_KEYS, looks_like_id
from cas.refs.partitions import EMPTY, Granularity, Partition
from cas.refs.segments import parse, render

NOW = 1795333249000123
A, B, C = "a" * 64, "b" * 64, "c" * 64

scalars = st.characters(exclude_categories=["Cs"])
texts = st.text(scalars, max_size=10)
names = st.text(string.ascii_letters + '_é"]}<|$', min_size=1, max_size=6).filter(
    lambda name: name.lower() not in ("con", "prn", "aux", "nul") and not looks_like_id(name)
)
keys = names.filter(lambda key: key not in RESERVED_KEYS)
ids = st.text("0123456789abcdef", min_size=64, max_size=64)
stamps = st.integers(0, 253402300799999999)
partitions = st.builds(
    Partition.of,
    st.dictionaries(keys, st.text(scalars, min_size=1, max_size=6), max_size=3),
    st.none() | st.sampled_from(["2024-05", "2024-05-01T13:45"]),
)
writes = st.integers(0, 16**32 - 1).map(lambda number: f"{number:032x}")
optional = st.none() | texts
entry = st.one_of(
    st.builds(VersionEntry, names, partitions, names, ids, ids, st.none() | ids, stamps, writes),
    st.builds(AliasEntry, names, partitions, names, names, st.lists(writes, max_size=2).map(tuple), stamps, writes),
    st.builds(DeleteEntry, names, partitions, st.none() | names, st.none(), stamps, writes),
    st.builds(DeleteEntry, names, partitions, st.none(), names, stamps, writes),
    st.builds(SpanEntry, ids, st.none() | ids, texts, stamps, writes),
    st.builds(
        DeclareEntry,
        names,
        st.lists(keys, max_size=3, unique=True).map(tuple),
        st.none() | st.sampled_from(Granularity),
        optional,
        optional,
        stamps,
        writes,
    ),
)
entry_lists = st.lists(entry, max_size=6, unique_by=lambda one: one.write)


def version(number=0, **changes):
    made = VersionEntry("flights", EMPTY, "v1", A, B, C, NOW + number, f"{number:032x}")
    return made._replace(**changes)


@given(entry_lists, stamps, texts)
def test_parse_undoes_render(entries, time, author):
    content = render(7, time, author, A, entries)
    segment = parse(content)
    assert segment == (7, time, author, A, tuple(sorted(entries, key=order)), blake3(content).hexdigest())


@given(entry_lists, texts)
def test_what_is_rendered_is_plain_toml(entries, author):
    table = tomli.loads(render(1, NOW, author, NOTHING, entries).decode())
    assert (table["cas"], table["segment"], table["author"], table["time"]) == (1, 1, author, to_iso(NOW))
    assert sum(len(blocks) for blocks in table.values() if isinstance(blocks, list)) == len(entries)


def outcome(read, content):
    try:
        number, time, author, previous, entries = read(content, content.decode())
        reading.check_entries(entries)
        return number, time, author, previous, sorted(entries, key=order)
    except RefSyntax:
        return "refused"


def read_canonical(_, text):
    return reading._read_canonical(text)


@given(entry_lists, st.data())
def test_the_quick_reader_agrees_with_tomli(entries, data):
    content = render(1, NOW, "Ann", NOTHING, entries)
    place = data.draw(st.integers(0, len(content)))
    cut = data.draw(st.integers(0, 3))
    other = data.draw(
        st.sampled_from(["", "\n", '"', "\\", " ", "x", "#", "é", "\r\n", "= ", "[[span]]\n", "time = 1\n", "0"])
    )
    changed = (
        content[:place].decode(errors="ignore") + other + content[place + cut :].decode(errors="ignore")
    ).encode()
    for candidate in (content, changed):
        try:
            quick = outcome(read_canonical, candidate)
        except reading._Unusual:
            continue
        slow = outcome(reading._read_toml, candidate)
        assert quick in (slow, "refused")


@given(entry_lists, st.data())
def test_damaged_segments_give_typed_errors(entries, data):
    content = bytearray(render(1, NOW, "Ann", NOTHING, entries))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(content))
    except CasError as fault:
        assert fault.kind in ("ref_syntax", "invalid_ref_name", "unsupported_format")


@given(st.binary(max_size=60) | st.text("cas=1\n[]{}.\"'#\\version 0_-", max_size=60).map(str.encode))
def test_any_bytes_give_typed_errors(content):
    with pytest.raises((RefSyntax, UnsupportedFormat)):
        parse(content)


HEAD = render(1, NOW, "Ann", NOTHING, []).decode()
BLOCK = render(1, NOW, "Ann", NOTHING, [version()]).decode()[len(HEAD) :]


def test_the_writers_form_is_pinned():
    entries = [version(), version(1, name="b", partition=Partition.of({"k": 'x"y'}, "2024-05"), span=None)]
    assert render(2, NOW, "Ann <a@b>", A, entries).decode() == (
        f'cas = 1\nsegment = 2\ntime = "2026-11-22T07:40:49.000123Z"\nauthor = "Ann <a@b>"\nprevious = "{A}"\n'
        f'\n[[version]]\nname = "flights"\nversion = "v1"\nliteral = "{A}"\nartifact = "{B}"\nspan = "{C}"\n'
        f'stamp = "2026-11-22T07:40:49.000123Z"\nwrite = "{0:032x}"\n'
        f'\n[[version]]\nname = "b"\npartitions = {{k = "x\\"y"}}\ntime = "2024-05"\nversion = "v1"\n'
        f'literal = "{A}"\nartifact = "{B}"\nstamp = "2026-11-22T07:40:49.000124Z"\nwrite = "{1:032x}"\n'
    )


def test_any_layout_of_the_same_toml_reads_the_same():
    loose = (
        '# a note with a "quote\n'
        + HEAD.replace(" = ", "=")
        + BLOCK.replace('"flights"', "'flights'").replace("\n", "\r\n")
    )
    assert parse(loose.encode()).entries == parse((HEAD + BLOCK).encode()).entries == (version(),)


@pytest.mark.parametrize(
    "content",
    [
        HEAD.replace("cas = 1\n", ""),
        HEAD.replace("segment = 1", "segment = 0"),
        HEAD.replace("segment = 1", "segment = true"),
        HEAD.replace("segment = 1", 'segment = "1"'),
        HEAD.replace('"Ann"', "3"),
        HEAD.replace("49.000123Z", "49Z"),
        HEAD.replace("2026-11-22", "2026-02-30"),
        HEAD.replace("0000\"", "000G\""),
        HEAD + "extra = 1\n",
        HEAD + "version = 3\n",
        HEAD + "version = [1]\n",
        HEAD + BLOCK.replace('"v1"', "1"),
        HEAD + BLOCK.replace("name = ", "title = "),
        HEAD + BLOCK.replace("[[version]]", "[[publication]]"),
        HEAD + BLOCK.replace(A, "a" * 63),
        HEAD + BLOCK.replace(A, "A" * 64),
        HEAD + BLOCK.replace('"flights"', '"../flights"'),
        HEAD + BLOCK.replace('"flights"', '"CON"'),
        HEAD + BLOCK.replace("version = ", 'time = "2024"\nversion = '),
        HEAD + BLOCK.replace("version = ", "partitions = {k = 1}\nversion = "),
        HEAD + BLOCK.replace("version = ", 'partitions = {k = ""}\nversion = '),
        HEAD + BLOCK.replace("version = ", 'partitions = {time = "2024-05"}\nversion = '),
        HEAD + BLOCK.replace("version = ", 'partitions = {k = "1", k = "2"}\nversion = '),
        HEAD + BLOCK.replace("version = ", 'partitions = ["k"]\nversion = '),
        HEAD + BLOCK + BLOCK,
        HEAD + BLOCK + 'more = "x"\n',
        HEAD + '\n[[alias]]\nname = "a"\nalias = "abcdef"\nversion = "v"\nreplaces = []\n' + BLOCK[-90:],
        HEAD + '\n[[declare]]\nname = "a"\nkeys = ["time"]\n' + BLOCK[-90:],
        HEAD + '\n[[declare]]\nname = "a"\nkeys = "time"\n' + BLOCK[-90:],
        HEAD + '\n[[declare]]\nname = "a"\nkeys = []\ngranularity = "week"\n' + BLOCK[-90:],
        HEAD + '\n[[delete]]\nname = "a"\nversion = "v"\nalias = "x"\n' + BLOCK[-90:],
    ],
)  # fmt: skip
def test_wrong_shapes_are_refused(content):
    with pytest.raises(RefSyntax):
        parse(content.encode())


def test_hostile_names_are_refused_by_their_kind():
    with pytest.raises(InvalidRefName):
        parse((HEAD + BLOCK.replace('"flights"', '"a/../b"')).encode())


@pytest.mark.parametrize(
    "content",
    [
        b"a" + b".a" * 500_000 + b" = 1\n",
        b"[" + b"a." * 500_000 + b"a]\n",
        b"x = " + b"[" * 500_000,
        b"x = " + b"[" * 500_000 + b"]" * 500_000,
        b"x = " + b"{a=" * 300_000,
        b"x = " + b"1" * 1_000_000 + b"\n",
        b"x = " + b"1_" * 500_000 + b"1\n",
        b"[[version]]\n" * 80_000,
        b'x = """' + b"\n" * 1_000_000 + b'"""\n',
        b'x = "' + b'\\"' * 500_000,
        b'"' * 1_000_001,
        b"x = '" * 200_000,
        b"#" * 1_000_000 + b"\nx = [[[[[1]]]]]",
    ],
)
def test_what_would_stall_a_toml_reader_is_refused_at_once(content):
    started = time.process_time()
    with pytest.raises(RefSyntax):
        parse(HEAD.encode() + content)
    assert time.process_time() - started < 1


def test_sizes_and_formats_from_elsewhere(monkeypatch):
    with pytest.raises(UnsupportedFormat):
        parse(HEAD.replace("cas = 1", "cas = 2").encode())
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    with pytest.raises(LimitExceeded):
        parse((HEAD + BLOCK).encode())
    monkeypatch.setattr(segments, "MAX_BYTES", 100)
    with pytest.raises(RefSyntax, match="at most 100"):
        render(1, NOW, "Ann", NOTHING, [version()])


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a/b"}, {"name": 3}, {"name": ["a"]}, {"version": ""}, {"literal": "a"}, {"literal": None},
        {"span": A[:-1] + "é"},
        {"artifact": A.upper()}, {"stamp": -1}, {"stamp": 253402300800000000}, {"stamp": True}, {"write": "x"},
        {"partition": None}, {"partition": Partition((("b", "1"), ("a", "2")), None)},
        {"partition": Partition((), "2024")},
    ],
)  # fmt: skip
def test_nothing_is_written_that_no_reader_would_take(changes):
    with pytest.raises(RefSyntax):
        render(1, NOW, "Ann", NOTHING, [version(**changes)])


def test_bad_heads_are_not_written():
    for number, author, previous in [(0, "a", NOTHING), (1, None, NOTHING), (1, "a", ""), (1, "\ud800", NOTHING)]:
        with pytest.raises(RefSyntax):
            render(number, NOW, author, previous, [version()])
    with pytest.raises(RefSyntax, match="same write id"):
        render(1, NOW, "a", NOTHING, [version(), version()])
    with pytest.raises(RefSyntax, match="not an entry"):
        render(1, NOW, "a", NOTHING, [Odd()])


class Odd(tuple):
    stamp, write = NOW, "0" * 32


@settings(max_examples=5)
@given(st.integers(1, 300))
def test_every_entry_of_a_batch_comes_back(size):
    numbers = count()
    entries = [version(next(numbers), version=f"v{index}") for index in range(size)]
    assert parse(render(1, NOW, "Ann", NOTHING, reversed(entries))).entries == tuple(entries)
