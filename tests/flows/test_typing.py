"""mypy and pyright understand declarations, tasks and their results, models and spans."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Where install_pyright.sh puts it; read before any test replaces HOME.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cas-tests"
PYRIGHT = CACHE / "pyright/node_modules/.bin/pyright"
TESTS = Path(__file__).parents[1]
SAMPLES = [TESTS / "flows/typing_sample.py", TESTS / "models/typing_sample.py"]


def wanted(sample: Path) -> list[int]:
    return [n for n, line in enumerate(sample.read_text().splitlines(), 1) if line.endswith("# error")]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.parent.name)
def test_mypy(sample):
    told = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--no-pretty",
        "--config-file=",
        str(sample),
    ]
    result = subprocess.run(told, capture_output=True, text=True, check=False, cwd=TESTS.parent)
    errors = [line for line in result.stdout.splitlines() if ": error: " in line and line.startswith("tests/")]
    assert [int(line.split(":")[1]) for line in errors] == wanted(sample), result.stdout + result.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.parent.name)
def test_pyright(sample):
    found = shutil.which("pyright") or (str(PYRIGHT) if PYRIGHT.exists() else None)
    if found is None:
        pytest.skip("pyright is not installed: run tests/flows/install_pyright.sh")
    told = [found, "--outputjson", "--pythonpath", sys.executable, str(sample)]
    result = subprocess.run(told, capture_output=True, text=True, check=False)
    errors = [one for one in json.loads(result.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    assert [one["range"]["start"]["line"] + 1 for one in errors] == wanted(sample), result.stdout
