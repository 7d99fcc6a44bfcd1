"""``cas launch``, ``cas trigger``, ``cas lock`` and cards, on a module in the working directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cas
from cas.cli.entry import run

MODULE = """
from datetime import datetime
from typing import Annotated
import pandas as pd
from cas import Artifact, DataCard, Inputs, LaunchPlan, ModelCard, OnArtifact, task, workflow

RIDES = Artifact(name="rides", partition_keys=["region"])
MODEL = Artifact(name="model", partition_keys=["region"])

@task
def train(
    region: str, kickoff: datetime | None = None, data: int = RIDES.query(region=Inputs.region)
) -> Annotated[int, MODEL(region=Inputs.region)]:
    if data < 0:
        raise ValueError("negative")
    return MODEL(10 * data, ModelCard("# A model\\n\\nof rides"), metadata={"loss": 0.1})

@task
def rows(data: pd.DataFrame) -> int:
    return len(data)

INPUTS = {"region": RIDES.partitions.region, "data": RIDES}
PLAN = LaunchPlan.create("train_daily", train, trigger=OnArtifact(RIDES, inputs=INPUTS))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module with plans, in the working directory, which is a repository."""
    name = f"flows_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    repo = cas.init(tmp_path)
    repo.put(7, "rides@region=ZRH")
    repo.close()
    return name


def shown(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert run(list(arguments)) == code, capfd.readouterr()
    said = capfd.readouterr()
    return said.out, said.err


def test_launch(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    out, err = shown(capfd, "launch", f"{home}:train", "region=ZRH", "kickoff=2024-05-01")
    assert out == "70\n"
    assert err.startswith("span %")
    assert "made model@region=ZRH#" in err
    found = json.loads(shown(capfd, "launch", f"{home}:PLAN", "region=ZRH", "data:=8", "--json")[0])
    assert found["result"] == 80
    assert cas.open(".").span_info(found["span"]).label == "train_daily"
    assert json.loads(shown(capfd, "launch", home, "region=ZRH", "data@=rides", "--json")[0])["result"] == 70


def test_a_table_is_a_ref(home: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    shown(capfd, "put", "a.csv", "table", "--as", "csv")
    assert shown(capfd, "launch", f"{home}:rows", "data=table")[0] == "2\n"


def test_launch_says_what_is_wrong(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    for place, code, said in (
        ("nowhere:plan", 14, "no module 'nowhere'"),
        (f"{home}:nothing", 14, "there are: train, rows, PLAN"),
        (f"{home}:RIDES", 2, "is a Artifact, not a plan"),
        (":x", 2, "is no place of a plan"),
        ("mypkg/flows.py:train", 2, "write it as mypkg.flows:train"),
        (f"{home}.train", 14, f"is written {home}:train"),
    ):
        assert said in shown(capfd, "launch", place, code=code)[1]
    for argument, said in (
        ("colour=red", "has no input 'colour'"),
        ("region", "is not name=value"),
        ("kickoff=soon", "'soon' is none"),
        ("data=many", "is a int"),
        ("data:={", "is not JSON"),
    ):
        assert said in shown(capfd, "launch", f"{home}:train", argument, code=2)[1]
    assert "no artifact matches" in shown(capfd, "launch", f"{home}:train", "region=BSL", code=14)[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("1 / 0", "ZeroDivisionError"),
        ("from cas import Artifact\nArtifact()", "DeclarationError: an artifact needs a name"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported(home: str, capfd: pytest.CaptureFixture[str], text: str, said: str) -> None:
    place = f"{home}_broken"
    Path(f"{place}.py").write_text(f"\n{text}\n")
    for words in (["launch", f"{place}:x"], ["trigger", "list", place], ["trigger", "run", place]):
        err = shown(capfd, *words, code=1)[1]
        assert f"error: module '{place}' cannot be imported: {said}" in err
        assert f'{place}.py", line ' in err
        assert "bug" not in err
        assert "importlib" not in err


def test_what_a_launched_function_prints_is_apart_from_json(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    with Path(f"{home}.py").open("a") as module:
        module.write("""
print("imported")

@task
def loud(data: int = 1) -> int:
    print("working")
    return data

LOUD = LaunchPlan.create("loud", loud, trigger=OnArtifact(RIDES, inputs={"data": RIDES}))
""")
    out, err = shown(capfd, "launch", f"{home}:loud", "--json")
    assert json.loads(out)["result"] == 1
    assert err == "imported\nworking\n"
    out, err = shown(capfd, "trigger", "run", f"{home}:LOUD", "--json")
    assert [one["result"] for one in json.loads(out)] == [7]
    assert "working" in err
    assert shown(capfd, "launch", f"{home}:loud")[0] == "working\n1\n"


def test_a_launch_tells_its_own_run_and_all_that_was_made_in_it(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    with Path(f"{home}.py").open("a") as module:
        module.write("""
import subprocess, sys

@task
def busy() -> None:  # while it runs, another process has a run of the same name
    other = "import cas\\nwith cas.span('busy'): pass"
    subprocess.run([sys.executable, "-c", other], check=True)
""")
    _, err = shown(capfd, "launch", f"{home}:PLAN", "region=ZRH")
    assert " made model@region=ZRH#" in err
    told = json.loads(shown(capfd, "launch", f"{home}:busy", "--json")[0])["span"]
    runs = json.loads(shown(capfd, "span", "list", "--label", "busy", "--json")[0])
    assert len(runs) == 2
    assert [run["metadata"].get("kind") for run in runs if run["id"] == told] == ["task"]


def test_a_launch_that_fails(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    _, err = shown(capfd, "launch", f"{home}:train", "region=ZRH", "data:=-1", code=1)
    assert 'raise ValueError("negative")' in err
    assert "error: train failed: ValueError: negative" in err
    assert "cas span show %" in err
    assert "/cas/flows/" not in err


def test_lock_and_launch_again(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = json.loads(shown(capfd, "launch", f"{home}:PLAN", "region=ZRH", "--json")[0])
    for name in ("lock.json", "lock.toml"):
        shown(capfd, "lock", f"%{found['span'][:12]}", "-o", name)
    assert json.loads(shown(capfd, "lock", f"%{found['span']}")[0]) == json.loads(Path("lock.json").read_text())
    assert "cas-lock = 1" in shown(capfd, "lock", f"%{found['span']}", "--toml")[0]
    shown(capfd, "put", "--value", "9", "rides@region=ZRH")
    assert shown(capfd, "launch", f"{home}:PLAN", "region=ZRH")[0] == "90\n"
    for name in ("lock.json", "lock.toml"):
        assert shown(capfd, "launch", f"{home}:PLAN", "region=ZRH", "--lock", name)[0] == "70\n"


def test_triggers(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    (before,) = json.loads(shown(capfd, "trigger", "list", home, "--json")[0])
    assert (before["plan"], before["launched"], len(before["pending"])) == ("train_daily", 0, 1)
    assert shown(capfd, "trigger", "run", home)[0].split()[:2] == ["ok", "train_daily"]
    assert shown(capfd, "trigger", "run", f"{home}:PLAN", "--json")[0] == "[]\n"
    shown(capfd, "put", "--value", "-1", "rides@region=ZRH")
    assert "failed  train_daily" in shown(capfd, "trigger", "run", home, code=1)[0]
    assert shown(capfd, "trigger", "list", home)[0].split("  ") == [
        "train_daily", "on rides.query()", "2 launched (1 failed)", "0 waiting\n",
    ]  # fmt: skip
    assert "no plan with a trigger" in shown(capfd, "trigger", "list", f"{home}:train", code=2)[1]
    assert "no plan with a trigger" in shown(capfd, "trigger", "list", "json", code=14)[1]


def test_watch_until_interrupted(home: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "cas.cli", "trigger", "watch", home, "--every", "0.05", "--json"]
    watcher = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    assert json.loads(watcher.stdout.readline())["result"] == 70
    repo = cas.open(tmp_path)
    repo.put(8, "rides@region=BSL")
    assert json.loads(watcher.stdout.readline())["trigger"].startswith("rides@region=BSL#")
    os.kill(watcher.pid, signal.SIGINT)
    assert watcher.wait(timeout=30) == 130
    watcher.stdout.close()
    repo.close()


def test_cards_are_shown(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    shown(capfd, "launch", f"{home}:train", "region=ZRH")
    out, _ = shown(capfd, "show", "model")
    assert "text/markdown, 19 B" in " ".join(out.split())
    assert out.endswith("card model\n# A model\n\nof rides\n")
    assert json.loads(shown(capfd, "show", "model", "--json")[0])["cards"] == {"model": "text/markdown"}
    (listed,) = (line.split() for line in out.splitlines() if "text/markdown" in line)
    assert shown(capfd, "cat", listed[1])[0] == "# A model\n\nof rides"


def test_keys_are_added_as_the_hint_says(home: str, capfd: pytest.CaptureFixture[str]) -> None:
    shown(capfd, "declare", "rides", "--add-key", "kind")
    assert json.loads(shown(capfd, "declare", "rides", "--show", "--json")[0])["keys"] == ["region", "kind"]
