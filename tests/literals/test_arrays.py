"""numpy arrays and scalars come back with dtype and shape, writable."""

import numpy as np
import pytest

from cas.errors import CodecError
from cas.literals import decode, encode
from cas.literals.arrays import array_of, build_dtype, describe_dtype

ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.arange(20)[::3],
    np.array(5),
    np.zeros((0, 3)),
    np.array(["a", "éé"]),
    np.array([b"a"]),
    np.array(["2020-01-01", "NaT"], "M8[D]"),
    np.array([1, 2], "m8[ns]"),
    np.array([True, False]),
    np.array([1.5, -0.0, np.inf], ">f8"),
    np.array([1 + 2j], "c8"),
    np.zeros(3, "f2"),
    np.zeros(2, "V3"),
    np.zeros(3, "U0"),
    np.array([(1, 2.0, "x")], [("a", "i1"), ("b", "f8"), ("c", "U3")]),
    np.zeros(2, np.dtype([("a", "i1"), ("b", "f8"), ("n", [("x", "i1"), ("y", "i4")])], align=True)),
    np.zeros(2, [("a", "i4", (2, 2))]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}-{array.shape}")
def test_comes_back_with_dtype_and_shape(writer, array):
    literal = encode(array, writer)
    found = decode(literal, writer.store)
    assert type(found) is np.ndarray
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert np.array_equal(found, array, equal_nan=array.dtype.kind in "mM")
    assert encode(found, writer) == literal


def test_layout_and_padding_do_not_matter(writer):
    array = np.arange(12).reshape(3, 4)
    assert encode(np.asfortranarray(array), writer) == encode(array, writer)
    assert encode(np.arange(24).reshape(3, 8)[:, ::2] // 2, writer) == encode(array, writer)
    assert encode(array.astype("i4"), writer) != encode(array, writer)
    dtype = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    dirty = np.frombuffer(b"\xff" * dtype.itemsize, dtype).copy()
    dirty["a"], dirty["b"] = 0, 0.0
    assert encode(dirty, writer) == encode(np.zeros(1, dtype), writer)


@pytest.mark.parametrize(
    "scalar",
    [
        np.float64(1.5),
        np.int8(3),
        np.bool_(True),
        np.str_("x"),
        np.bytes_(b"x"),
        np.datetime64("2020-01-01T00"),
        np.complex64(1j),
        np.array([(1, 2.0)], [("a", "i1"), ("b", "f8")])[0],
    ],
    ids=repr,
)
def test_scalars_keep_their_type(writer, scalar):
    found = decode(encode(scalar, writer), writer.store)
    assert type(found) is type(scalar)
    assert found == scalar
    assert found.dtype == scalar.dtype


def test_what_cannot_be_stored_says_how_it_can(writer):
    with pytest.raises(CodecError, match="weights has dtype object") as raised:
        encode(np.array([object()]), writer, name="weights")
    assert "tolist" in raised.value.hint
    with pytest.raises(CodecError, match="differs between machines"):
        encode(np.zeros(2, np.longdouble), writer)


@pytest.mark.parametrize(
    "form", ["O", "|O", "f8", "<f8,<f8", "<g16", "no", 5, ["record", [["a"]], 8, False], ["array", "<f8", [-1]], ["x"]]
)
def test_dtypes_in_no_known_form_are_refused(form):
    with pytest.raises(CodecError):
        build_dtype(form)


def test_bytes_that_are_no_value_are_refused():
    for content, dtype, shape in [
        (b"\x02", "?", [1]),
        (b"\0\0\x11\0", "<U1", [1]),
        (b"\0", "<i8", [1]),
        (b"", "<i8", [2**62, 2**62]),
        (b"", "<i8", [0, 2**63]),
    ]:
        with pytest.raises(CodecError):
            array_of(content, np.dtype(dtype), shape)
    assert describe_dtype(np.dtype("f8")) == "<f8"
