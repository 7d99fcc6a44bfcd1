from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import CasError, CodecError, CorruptObject, PathEscape
from cas.objects import canonical
from cas.objects.ids import BlobId, ObjectId, TreeId
from cas.objects.trees import Blob, Link, LiteralRef, Tree, TreeEntry, decode_tree, encode_tree, tree_size

ids = st.binary(min_size=32, max_size=32).map(ObjectId)
sizes = st.integers(0, 2**64 - 1)
modes = st.integers(0, 0o777)
words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1)
names = words.filter(lambda name: "/" not in name and name not in {".", ".."})
entries: st.SearchStrategy[TreeEntry] = st.one_of(
    st.builds(lambda ident, size, mode: Blob(BlobId(ident), size, mode), ids, sizes, modes),
    st.builds(lambda ident, size, mode: Tree(TreeId(ident), size, mode), ids, sizes, modes),
    st.builds(Link, words),
    st.builds(LiteralRef, ids, sizes, words, st.integers(0, 99)),
)


@given(st.dictionaries(names, entries, max_size=8))
@settings(max_examples=60)
def test_round_trip(members: dict[str, TreeEntry]) -> None:
    payload = encode_tree(members)
    assert decode_tree(payload) == members
    assert encode_tree(dict(reversed(members.items()))) == payload


@given(st.binary(max_size=60))
@settings(max_examples=60)
def test_other_bytes_give_typed_errors(payload: bytes) -> None:
    try:
        members = decode_tree(payload)
    except CasError:
        return
    assert encode_tree(members) == payload


def test_size_is_the_sum() -> None:
    ident = ObjectId(bytes(32))
    assert tree_size({"a": Blob(BlobId(ident), 3), "b": Tree(TreeId(ident), 4), "c": Link("x")}) == 7


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0", "../x"])
def test_names_that_escape(name: str) -> None:
    with pytest.raises(PathEscape):
        encode_tree({name: Link("x")})
    with pytest.raises(PathEscape):
        decode_tree(canonical.encode({name: ["link", "x"]}))


@pytest.mark.parametrize(
    "plain",
    [
        [],
        None,
        {"a": []},
        {"a": "blob"},
        {"a": [["blob"]]},
        {"a": ["block", bytes(32), 1, 0]},
        {"a": ["blob", bytes(31), 1, 0]},
        {"a": ["blob", "0" * 32, 1, 0]},
        {"a": ["blob", bytes(32), -1, 0]},
        {"a": ["blob", bytes(32), 1.0, 0]},
        {"a": ["blob", bytes(32), True, 0]},
        {"a": ["blob", bytes(32), 1]},
        {"a": ["blob", bytes(32), 1, 0o1000]},
        {"a": ["tree", bytes(32), 1, -1]},
        {"a": ["link", ""]},
        {"a": ["link", "a\0b"]},
        {"a": ["link", b"x"]},
        {"a": ["literal", bytes(32), 1, "", 1]},
        {"a": ["literal", bytes(32), 1, "int", -1]},
    ],
)
def test_malformed_payloads(plain: object) -> None:
    with pytest.raises(CorruptObject):
        decode_tree(canonical.encode(plain))


def test_malformed_entries() -> None:
    with pytest.raises(CodecError):
        encode_tree({"a": ("blob", b"", 1, 0)})
    with pytest.raises(CodecError):
        encode_tree({"a": Blob(BlobId(ObjectId(b"short")), 1)})
    with pytest.raises(CodecError):
        encode_tree({3: Link("x")})
