"""Spans and lineage on the command line: trees, logs, filters, graphs, deletion."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import cas
from cas.cli.entry import run


class Output(NamedTuple):
    code: int
    out: str
    err: str


Cas = Callable[..., Output]


@dataclass
class Report(cas.ArtifactModel, version=1, name="cli.report"):
    score: float


class Training(cas.Span):
    polymorphic_identity = "cli.training"
    learning_rate: float | None = None


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[cas.Repository]:
    with cas.init(tmp_path) as repository:
        yield repository
    repository.close()


@pytest.fixture
def cas_(repo: cas.Repository, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Cas:
    monkeypatch.chdir(repo.root.parent)

    def call(*arguments: str) -> Output:
        capfdbinary.readouterr()
        code = run(arguments)
        shown = capfdbinary.readouterr()
        return Output(code, shown.out.decode(), shown.err.decode())

    return call


@pytest.fixture
def tree(repo: cas.Repository) -> cas.Span:
    """A run with two others inside, the first of which failed, and something it published."""
    with cas.span_context(Training(learning_rate=0.1), metadata={"team": "a", "rows": 3}) as root:
        root.link(Report(0.9), label="report")
        with pytest.raises(ValueError, match="bad rows"), cas.span_context(label="load"):
            cas.create_span_artifact("current", label="rows", data=[1, 2])
            raise ValueError("bad rows")
        with cas.span_context(label="evaluate"):
            cas.read_span_artifact(root, label="report")
            cas.create_span_artifact("current", label="loss", data=0.5)
            repo.put(1.5, "score")
    return root


def test_the_tree_of_a_span(cas_: Cas, tree: cas.Span) -> None:
    code, out, err = cas_("span", "tree", f"%{tree.node_id[:10]}")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.partition("  //")[0] if line.startswith("│") else line.split("  ")[0] for line in lines[:3]] == [
        "Training",
        "├─ //report",
        "├─ load",
    ]
    assert lines[3].startswith("│  └─ //rows  list")
    assert lines[4].startswith("└─ evaluate  ok")
    assert lines[5].startswith("   ├─ //loss  float")
    assert lines[6].startswith("   └─ score#")
    assert len(lines) == 7
    assert "failed" in lines[2]
    assert lines[2].endswith("bad rows")
    assert lines[1].startswith("├─ //report  report  ")
    assert f"%{tree.node_id[:12]}" in lines[0]


def test_what_a_failed_run_would_have_published(cas_: Cas, repo: cas.Repository) -> None:
    repo.put(1, "one")
    with pytest.raises(ValueError, match="no"), repo.span("fails") as span:
        repo.put(repo.get("one") + 1, "two")
        raise ValueError("no")
    assert cas_("span", "tree", span.id).out.splitlines()[1].endswith("  not published")
    assert "not published (" in cas_("lineage", "one", "--down").out


def test_the_tree_for_programs(cas_: Cas, tree: cas.Span) -> None:
    found = json.loads(cas_("span", "tree", tree.node_id, "--json").out)
    assert [(one["label"], one["depth"], one["status"]) for one in found] == [
        ("Training", 0, "ok"),
        ("load", 1, "failed"),
        ("evaluate", 1, "ok"),
    ]
    assert [item["label"] for one in found for item in one["made"]] == ["report", "rows", "loss", None]
    assert [one["label"] for one in json.loads(cas_("span", "tree", "--depth", "0", "--json").out)] == ["Training"]
    assert json.loads(cas_("span", "tree", "-n", "0", "--json").out) == []


def test_the_tree_of_an_open_run(cas_: Cas, repo: cas.Repository) -> None:
    with cas.span_context(label="run") as outer:
        with cas.span_context(label="step"):
            cas.create_span_artifact("current", label="a", data=1)
        repo.session.writer().flush()
        found = json.loads(cas_("span", "tree", outer.node_id, "--json").out)
    assert [(one["label"], one["status"], len(one["made"])) for one in found] == [("run", "open", 0), ("step", "ok", 1)]


def test_the_log_of_a_label(cas_: Cas, repo: cas.Repository) -> None:
    for number in range(3):
        with cas.span_context(Training("train", learning_rate=number / 10), metadata={"n": number}):
            pass
    lines = cas_("span", "log", "train").out.splitlines()
    assert [line.split("  ")[-1].strip() for line in lines] == [
        f"learning_rate={number / 10} n={number}" for number in (2, 1, 0)
    ]
    assert [one["fields"] for one in json.loads(cas_("span", "log", "tr*", "-n", "1", "--json").out)] == [
        {"learning_rate": 0.2}
    ]
    assert cas_("span", "log", "nothing") == Output(0, "", "")


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (["--label", "l*"], ["load"]),
        (["--status", "failed"], ["load"]),
        (["--since", "2020-01-01"], ["evaluate", "load", "Training"]),
        (["--since", "9000-01"], []),
        (["--until", "2020-01-01"], []),
        (["-m", "team=a"], ["Training"]),
        (["-m", "rows=3"], ["Training"]),
        (["-m", "rows:=3"], ["Training"]),
        (["-m", "rows:=4"], []),
        (["--field", "learning_rate=0.1"], ["Training"]),
        (["--field", "learning_rate=0.1", "--status", "failed"], []),
        (["--label", "[le]*", "--until", "9000-01-01T10:00", "-n", "1"], ["evaluate"]),
    ],
    ids=" ".join,
)
def test_filters(cas_: Cas, tree: cas.Span, options: list[str], labels: list[str]) -> None:
    assert [one["label"] for one in json.loads(cas_("span", "list", *options, "--json").out)] == labels


def test_a_date_that_is_none(cas_: Cas) -> None:
    code, _, err = cas_("span", "list", "--since", "yesterday")
    assert code == 2
    assert "write 2026-05-01" in err


@pytest.fixture
def diamond(repo: cas.Repository) -> cas.Repository:
    """raw → (left, right) → joined"""
    repo.put([1, 2], "raw")
    for side in ("left", "right"):
        with repo.span(f"make {side}"):
            repo.put([*repo.get("raw"), side], side)
    with repo.span("join"):
        repo.put([*repo.get("left"), *repo.get("right")], "joined")
    return repo


def names(text: str) -> list[str]:
    return [line.split("  ")[1].partition("#")[0] for line in text.splitlines() if "  " in line.strip()]


def test_lineage_as_a_graph(cas_: Cas, diamond: cas.Repository) -> None:
    out = cas_("lineage", "joined", "--graph").out
    assert [line.partition("  ")[0] for line in out.splitlines()] == [
        "*",
        "o",
        "|\\",
        "* |",
        "| *",
        "o |",
        "| o",
        "|/",
        "*",
    ]
    assert names(out) == ["joined", "join", "left", "right", "make left", "make right", "raw"]
    down = cas_("lineage", "raw", "--down", "--graph").out
    assert names(down) == ["raw", "make left", "make right", "left", "right", "join", "joined"]


def test_lineage_for_other_programs(cas_: Cas, diamond: cas.Repository) -> None:
    form: Any = json.loads(cas_("lineage", "joined", "--graph", "--format", "json").out)
    assert form == json.loads(cas_("lineage", "joined", "--graph", "--json").out)
    title = {node["id"]: node["label"].partition("#")[0] for node in form["nodes"]}
    edges = {(title[edge["source"]], title[edge["target"]]) for edge in form["edges"]}
    assert edges == {
        ("raw", "make left"),
        ("raw", "make right"),
        ("make left", "left"),
        ("make right", "right"),
        ("left", "join"),
        ("right", "join"),
        ("join", "joined"),
    }
    down = json.loads(cas_("lineage", "raw", "--down", "--format", "json").out)
    assert {(edge["source"], edge["target"]) for edge in down["edges"]} == {
        (edge["source"], edge["target"]) for edge in form["edges"]
    }
    mermaid = cas_("lineage", "joined", "--format", "mermaid").out
    assert mermaid.startswith("graph LR\n")
    assert mermaid.count("-->") == 7
    dot = cas_("lineage", "joined", "--format", "dot").out
    assert dot.startswith("digraph")
    assert dot.count("->") == 7


def test_rm_says_who_reads_it(cas_: Cas, diamond: cas.Repository) -> None:
    code, out, err = cas_("rm", "left")
    assert code == 1
    assert [line.split("  ")[0] for line in out.splitlines()] == ["read by", "would delete"]
    assert out.splitlines()[0].endswith("  join")
    assert "nothing was deleted" in err
    plan = json.loads(cas_("rm", "left", "--json").out)
    assert [one["label"] for one in plan["dependents"]] == ["join"]
    assert plan["what"] == ["left"]


def test_rm_of_a_labelled_artifact(cas_: Cas, repo: cas.Repository, tree: cas.Span) -> None:
    ref = f"%{tree.node_id[:12]}//report"
    code, out, _ = cas_("rm", ref)
    assert code == 1
    assert out.splitlines()[0].startswith("read by")
    assert out.splitlines()[0].endswith("evaluate")
    assert out.splitlines()[1:] == [f"would delete  {ref}"]
    assert cas.read_span_artifacts(tree) == {"report": Report(0.9)}
    assert cas_("rm", ref, "--yes").code == 0
    assert cas.read_span_artifacts(tree) == {}
    assert cas_("rm", ref, "--yes").code == 14


def test_rm_of_a_span(cas_: Cas, repo: cas.Repository, tree: cas.Span) -> None:
    code, out, _ = cas_("rm", f"%{tree.node_id[:12]}")
    assert code == 1
    assert [line.split("  ")[-1] for line in out.splitlines()][:3] == ["Training", "load", "evaluate"]
    assert [line.rpartition("//")[2] for line in out.splitlines()][3:] == ["report", "rows", "loss"]
    assert cas_("rm", f"%{tree.node_id}", "--yes").code == 0
    assert repo.spans() == []
    assert repo.get("score") == 1.5
    assert cas_("rm", f"%{tree.node_id}").code == 14
