"""Many refs at once are read as each by itself."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from cas.errors import RefSyntax
from cas.refs import grammar
from cas.refs.batches import parse_many

TEXT = st.text("aB1_-.@=,:# é\n%", min_size=1, max_size=12)
PLAIN = st.from_regex(
    r"[a-c1_]{1,3}([.-][a-c1]{1,2}){0,2}(@(k|time|j)=[a-c0-9]{1,4}(,(k|j)=[a-c]{1,2})?)?", fullmatch=True
)


@given(st.lists(TEXT | PLAIN, min_size=1, max_size=5))
@example(["a-b", "-c"])
@example(["a.", "b"])
@example(["a", "", "b"])
@example(["con"])
def test_what_a_batch_reads_each_ref_reads(texts: list[str]) -> None:
    found = parse_many(texts)
    if found is None:
        return
    for text, name, partition in zip(texts, *found, strict=True):
        one = grammar.parse(text)
        assert (one.name, one.partition) == (name, partition)
        assert (one.project, one.selector, one.mods, one.path, one.remote) == (None, None, (), None, None)


@given(st.lists(PLAIN, min_size=1, max_size=5))
def test_plain_refs_are_read_as_a_batch(texts: list[str]) -> None:
    def reads(text: str) -> bool:
        try:
            return grammar.parse(text) is not None
        except RefSyntax:
            return False

    assert (parse_many(texts) is not None) == all(map(reads, texts))
