"""The house stands as docs/design.md says: its top level, its doors, its floors, and what start-up loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = {"pyproject.toml", "README.md", "cas", "refs", "cli", "tests", "docs", "LICENSE", "CHANGELOG.md"}
HEAVY = {"pandas", "pyarrow", "numpy", "fsspec", "gcsfs", "polars"}


def python(code: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_top_level_is_exactly_the_house(root: Path) -> None:
    found = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    assert found - {"build", "dist"} == TOP


@pytest.mark.parametrize("door", ["refs", "cli"])
def test_doors_are_relative_links(root: Path, door: str) -> None:
    assert (root / door).is_symlink()
    assert (root / door).readlink() == Path("cas") / door


def test_tests_are_no_package(root: Path) -> None:
    assert not list((root / "tests").rglob("__init__.py"))


def test_every_room_is_a_package(root: Path) -> None:
    rooms = {path.parent for path in (root / "cas").rglob("*.py")}
    assert [str(room) for room in rooms if not (room / "__init__.py").exists()] == []


def test_files_are_small(root: Path) -> None:
    long = {
        str(path.relative_to(root)): count
        for path in (root / "cas").rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 480
    }
    assert long == {}


def test_names_of_modules_say_what_they_hold(root: Path) -> None:
    vague = ("manager", "helper", "util", "core", "handler")
    found = [str(path) for path in (root / "cas").rglob("*.py") if any(word in path.stem for word in vague)]
    assert found == []


def test_works_beside_modules_of_the_same_names(tmp_path: Path) -> None:
    for name in ("cli", "refs"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
    environment = {**os.environ, "PYTHONPATH": "."}
    python("import cas; cas.init('.').close()", tmp_path, PYTHONPATH=".")
    listed = subprocess.run(
        [sys.executable, "-m", "cas.cli", "ls", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (listed.returncode, listed.stdout) == (0, "[]\n"), listed.stderr


def test_a_star_import_leaves_builtins_alone(tmp_path: Path) -> None:
    assert python(
        "import builtins, cas\nfrom cas import *\nprint(open is builtins.open, put is cas.put)", tmp_path
    ) == ("True True\n")
    assert python("import cas; print('open' in dir(cas), cas.open)", tmp_path).startswith("True <function")


def test_import_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = set(python("import sys, cas; print(*sys.modules)", tmp_path).split())
    assert not loaded & (HEAVY | {"click", "sqlite3", "msgspec", "zstandard"})
