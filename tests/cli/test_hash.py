from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from blake3 import blake3

from cas.cli.entry import run
from cas.cli.hash import BLOCK, PARALLEL, hash_file, hash_stream
from cas.cli.progress import Progress
from cas.errors import NotFound, StorageError

EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


@pytest.mark.parametrize("size", [0, 1, 65_537, PARALLEL, 9 * BLOCK + 1])
def test_files_of_any_size_hash_as_b3sum_does(tmp_path: Path, size: int) -> None:
    content = bytes(index % 251 for index in range(1000)) * (size // 1000 + 1)
    (tmp_path / "a").write_bytes(content[:size])
    assert hash_file(str(tmp_path / "a")) == (blake3(content[:size]).hexdigest(), size)
    with Progress("x") as progress:
        assert hash_stream(io.BytesIO(content[:size]), progress) == (blake3(content[:size]).hexdigest(), size)


def test_one_file_prints_the_id_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").touch()
    assert run(["hash", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out == f"{EMPTY}\n"


def test_several_files_print_as_b3sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b c"):
        (tmp_path / name).touch()
    assert run(["hash", "a", "b c"]) == 0
    assert capsys.readouterr().out == f"{EMPTY}  a\n{EMPTY}  b c\n"
    assert run(["hash", "--json", "a"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"id": EMPTY, "name": "a", "size": 0}]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        hash_file(str(tmp_path / "missing"))
    with pytest.raises(StorageError, match="is a directory") as refused:
        hash_file(str(tmp_path))
    assert refused.value.hint == f"hash its files: cas hash {tmp_path}/*"
