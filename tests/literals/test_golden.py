"""The ids of a list of values, pinned: what is written today has the same id in every later version, on every machine.

A changed id here means that stored values would be stored a second time. Do not change one: raise the codec's version.
Run this file as a program to print the ids of the values in a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from cas.literals import encode
from cas.objects.store import ObjectStore

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]


def values(folder):
    """Name → value; built anew in each process, so that hash order and layouts differ."""
    (folder / "d" / "sub").mkdir(parents=True)
    (folder / "star").write_bytes(b"*")
    (folder / "d" / "sub" / "x").write_bytes(b"x" * 1000)
    (folder / "d" / "sub" / "x").chmod(0o644)
    (folder / "d" / "sub").chmod(0o755)
    (folder / "d" / "link").symlink_to("sub/x")
    numbers = np.arange(6, dtype="<i8")
    labels = pd.Index(["n", "t", "c"], dtype=object)
    frame = pd.DataFrame(
        {0: numbers / 4, 1: pd.Series(["a", None, "é"] * 2, dtype=object), 2: pd.Categorical(list("xyxyxz"))}
    )
    frame[2] = pd.Categorical.from_codes([0, 1, 0, 1, 0, 2], categories=pd.Index(["x", "y", "z"], dtype=object))
    frame.columns = labels
    zoned = pd.Series(pd.DatetimeIndex(np.array([0, 1], "M8[us]"), tz="UTC").tz_convert("Europe/Berlin"), name="when")
    return {
        "none": None,
        "true": True,
        "42": 42,
        "big": -(2**100),
        "float": 1.5,
        "nan": float("nan"),
        "str": "héllo",
        "bytes": b"*",
        "list": [1, "a", [None, 2.5]],
        "dict": {"b": 1, "a": {"é": [True]}},
        "keys": {1: "x", (2, "y"): None, "z": b""},
        "tuple": (1, (2,)),
        "set": set(WORDS),
        "frozenset": frozenset(map(len, WORDS)),
        "datetime": datetime(2020, 10, 25, 2, 30, 0, 7, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        "utc": datetime(2020, 1, 1, tzinfo=timezone.utc),
        "date": date(1969, 12, 31),
        "time": time(1, 2, 3, 4),
        "timedelta": timedelta(days=-1, microseconds=1),
        "decimal": Decimal("-1.00"),
        "uuid": UUID(int=7),
        "complex": complex(1, -2),
        "bytearray": bytearray(b"ab"),
        "file": folder / "star",
        "directory": folder / "d",
        "holder": {"path": folder / "star", "array": [numbers, (folder / "star",)]},
        "array": numbers.reshape(2, 3).T,
        "record": np.array([(1, 2.0, "x")], [("a", "<i2"), ("b", "<f8"), ("c", "<U3")]),
        "scalar": np.float32(1.5),
        "table": pa.table(
            {
                "i": pa.chunked_array([pa.array([1, None]), pa.array([3])]),
                "s": pa.array(["pad", "a", None, "é"]).slice(1),
                "b": pa.array([True, None, False]),
                "l": pa.array([[1, 2], None, []], pa.list_(pa.int16())),
                "d": pa.array(["q", "q", None]).dictionary_encode(),
                "m": pa.array([{"x": 1}, None, {"x": None}], pa.struct([("x", pa.int8())])),
                "t": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
                "n": pa.array([Decimal("1.5"), None, None], pa.decimal128(5, 1)),
            }
        ),
        "frame": frame,
        "series": zoned,
        "index": pd.MultiIndex.from_arrays([pd.Index(numbers), pd.Index(numbers % 2 == 0)], names=["a", None]),
    }


IDS = {
    "none": "2d295432e8d57dac637c568dd3bd21d0351c3f99f104f98e447dc3f671bad1dd",
    "true": "463157ff84d6ddace74ef33d4263813f58f313cdd1a09891551581ec5e88e660",
    "42": "49f179c2b911a97c8803dbc6fa8884dfd3b28130f59ea032cd71393d4e29f8e6",
    "big": "1304c75652e456218cf8fa943a1d30deaf32e7e5790e1b23a1f2e6bc8e2f71b4",
    "float": "656227d10b38d1e863ed0355001d19c2283bfee6d3890ac8176d2887aafedf12",
    "nan": "87a0a382ebc91b5003605a6f349bbe3511bde15df9075a354396427aaa7498b1",
    "str": "42c9f195aac9abfbafd21c3b4daef4d828ccd04f4c07791eadf4739a6c258833",
    "bytes": "01ce8abcb33b1c626cbe47090320b6bc2d05c71c55e1f4df0c7d5ab99e83f215",
    "list": "615e31a521d9455ffa41509e9ab2c9b7cb921cfd5c6ae9eb6ca7d7c7e9073785",
    "dict": "1a09d26718a734635d75f7069bfde411629f0874774066941fd0c6506e8dde50",
    "keys": "1750102ad1d7716b1b71123c6e298007be4440e138f1b94ab66bc95ad9775ea3",
    "tuple": "dc458a75ac53c0d5d8c461a03166592271cd3b41f145d3c51ddaddf88af2bbf0",
    "set": "73c82bca5f329a4ba6951f2c6bb8315de99de711845cf2392f2e45b8535a7313",
    "frozenset": "6bc7be9fc0a6e52a756f80288ab9304ef6060e5dfbf86450046712c9074f1ddb",
    "datetime": "f8e68358abc589a582276969f12e552b6e674e5a781d0e3635a15c6ba1f6f128",
    "utc": "813cd743e48aad218ededd1b4d2f418efd0dfd1bf688e562f15633acb2526878",
    "date": "6d2f0318dbbde383797747298d213adcd5bbd971a98c251d49da079ff0a8e09c",
    "time": "f890813025c0c91d41b8590a5c328be5b2c235dcf6ed7dd209ed00664df18591",
    "timedelta": "d94489140b9a6fa2f4aaa5b8c458461e13e34be86c28b0f1a2a7621b83a916b9",
    "decimal": "17dff74b71266b739369429b9c82c4b2dda31ab7b8b974135cf67a945703b5bf",
    "uuid": "0a685ad92988e687d6055d93b1e7d5ed5687e23035de6dd89dacca9625b6e704",
    "complex": "f588365acbddda5534014da0a2ebfd8b1b1b7b6d5cfe499cffa049c1e7e373bf",
    "bytearray": "038521aa0eef3adcbb49c6f14c7b97ad6b095a2e4117040d5c7cbb096f99a3c0",
    "file": "6948db9e2a7abd1d28a2b106bc6faaea0e4d39729f4da245c65527fe2dcd232b",
    "directory": "74eb08a7c6e62204c9db25ed72f5a169a74eb13146bb6b70fb7735ac24cc8021",
    "holder": "7e87ac2e5bbfb57b4185dafcc472da866c4e63f40497b3311aee6f9d53e90b89",
    "array": "703ed66c1d963a1d968064a6817b7154d51ab3360bccce5d67882a27fc59511c",
    "record": "a6af3a309a818adc94530bf79aee4c99fb5b72224da389809249e0ad49a390d6",
    "scalar": "91a323fe99eca24995921573b9f85b4f632182f0ba33563e2cb224d6065a5d1d",
    "table": "dec59afd421d938466e97b3ccccd507404d607e1954be1140433830b8c1c16fa",
    "frame": "dc2ac2e765cd05f63ca95b4caab4151872c270be8b94d998e60eb3fcbdf68b34",
    "series": "22f3820104fa3a991177b748627e2fbcdc715521548b5fd6e2d14207d214fae5",
    "index": "19f46410590f1d0aebb095b401cfdcaa8e709856964da7e1aba80a20ae981a06",
}


def ids():
    with tempfile.TemporaryDirectory() as folder:
        writer = ObjectStore(Path(folder) / "objects").writer()
        found = {name: encode(value, writer).id.hex() for name, value in values(Path(folder)).items()}
        writer.abort()
        return found


def test_ids_are_what_they_were():
    assert ids() == IDS


def test_ids_are_the_same_in_processes_with_other_hash_seeds():
    for seed in ("1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        printed = subprocess.run([sys.executable, __file__], env=environment, check=True, capture_output=True).stdout
        assert json.loads(printed) == IDS


if __name__ == "__main__":
    print(json.dumps(ids(), indent=4))
