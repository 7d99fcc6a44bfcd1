"""mypy and pyright understand declarations, tasks and their results."""

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
SAMPLE = Path(__file__).with_name("typing_sample.py")
WANTED = [n for n, line in enumerate(SAMPLE.read_text().splitlines(), 1) if line.endswith("# error")]


def test_mypy():
    told = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--no-pretty",
        "--config-file=",
        str(SAMPLE),
    ]
    result = subprocess.run(told, capture_output=True, text=True, check=False, cwd=SAMPLE.parents[2])
    errors = [line for line in result.stdout.splitlines() if ": error: " in line and line.startswith("tests/")]
    assert [int(line.split(":")[1]) for line in errors] == WANTED, result.stdout + result.stderr


def test_pyright():
    found = shutil.which("pyright") or (str(PYRIGHT) if PYRIGHT.exists() else None)
    if found is None:
        pytest.skip("pyright is not installed: run tests/flows/install_pyright.sh")
    told = [found, "--outputjson", "--pythonpath", sys.executable, str(SAMPLE)]
    result = subprocess.run(told, capture_output=True, text=True, check=False)
    errors = [one for one in json.loads(result.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    assert [one["range"]["start"]["line"] + 1 for one in errors] == WANTED, result.stdout
