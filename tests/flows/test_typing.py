"""mypy and pyright understand declarations, tasks and their results."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not installed (npm install -g pyright)")
def test_pyright():
    told = ["pyright", "--outputjson", "--pythonpath", sys.executable, str(SAMPLE)]
    result = subprocess.run(told, capture_output=True, text=True, check=False)
    found = [one for one in json.loads(result.stdout)["generalDiagnostics"] if one["severity"] == "error"]
    assert [one["range"]["start"]["line"] + 1 for one in found] == WANTED, result.stdout
