"""Every command in one process, against a real repository."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from blake3 import blake3

import cas
from cas.cli.entry import run


class Output(NamedTuple):
    code: int
    out: str
    err: str


Cas = Callable[..., Output]


@pytest.fixture
def cas_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Cas:
    """``cas_("put", "a", "b")`` in a directory with a new repository."""
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    capfdbinary.readouterr()

    def call(*arguments: str) -> Output:
        code = run(arguments)
        shown = capfdbinary.readouterr()
        return Output(code, shown.out.decode(), shown.err.decode())

    return call


def ok(output: Output) -> str:
    assert output.code == 0, output
    assert output.err == ""
    return output.out


def parsed(output: Output) -> Any:
    return json.loads(ok(output))


def test_init_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out == f"created {tmp_path / 'new' / '.cas'}\n"
    assert (tmp_path / "new" / ".cas" / "config.toml").exists()
    assert run(["init", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.endswith("is there already; nothing changed\n")


def test_no_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(tmp_path), "ls"]) == 10
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "hint: " in error
    assert "cas init" in error


def test_directory_options_add_up(cas_: Cas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir("/")
    assert ok(cas_("-C", str(tmp_path), "-C", "a/b", "ls", "--json")) == "[]\n"


# --- put, get, cat ------------------------------------------------------------------------------


def test_file_there_and_back(cas_: Cas, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "a.bin").write_bytes(content)
    line = ok(cas_("put", "a.bin", "weights"))
    assert line.startswith("weights#")
    assert "  file  300 kB" in line
    assert ok(cas_("put", "a.bin", "weights")).endswith("  unchanged\n")
    shown = ok(cas_("get", "weights"))
    assert shown == "weights  file  300 kB\n"
    assert (tmp_path / "weights").read_bytes() == content


def test_get_refuses_to_overwrite(cas_: Cas, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    ok(cas_("put", "a", "x"))
    (tmp_path / "a").write_text("precious")
    refused = cas_("get", "x", "a")
    assert refused.code == 2
    assert "--force" in refused.err
    assert (tmp_path / "a").read_text() == "precious"
    ok(cas_("get", "--force", "x", "a"))
    assert (tmp_path / "a").read_text() == "new"


def test_get_into_a_directory_and_to_stdout(cas_: Cas, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x00\xff")
    (tmp_path / "out").mkdir()
    ok(cas_("put", "a", "x"))
    assert parsed(cas_("get", "--json", "x", "out"))["path"] == "out/x"
    assert (tmp_path / "out" / "x").read_bytes() == b"\x00\xff"
    assert cas_("get", "x", "missing/x").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".cas", "a", "out"]


def test_directory_there_and_back(cas_: Cas, tmp_path: Path) -> None:
    source = tmp_path / "reports"
    (source / "jan").mkdir(parents=True)
    (source / "jan" / "plot.svg").write_text("<svg/>")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    (source / "latest").symlink_to("jan")
    assert "  directory  " in ok(cas_("put", "reports/", "reports@month=2013-01"))
    assert ok(cas_("cat", "reports")).splitlines() == ["jan/plot.svg", "latest", "run.sh"]
    assert ok(cas_("cat", "reports//jan/plot.svg")) == "<svg/>"
    ok(cas_("get", "reports", "copy"))
    assert (tmp_path / "copy" / "jan" / "plot.svg").read_text() == "<svg/>"
    assert os.access(tmp_path / "copy" / "run.sh", os.X_OK)
    assert (tmp_path / "copy" / "latest").readlink() == Path("jan")
    assert cas_("get", "reports", "copy").code == 0  # into copy/, as cp does
    assert (tmp_path / "copy" / "reports" / "run.sh").exists()
    ok(cas_("get", "--force", "reports", "copy"))
    ok(cas_("get", "reports//jan/plot.svg"))
    assert (tmp_path / "plot.svg").read_text() == "<svg/>"


@pytest.mark.parametrize("value", ['{"b":[1,2.5,null],"a":"é"}', "42", "true", "null", "[]"])
def test_json_values(cas_: Cas, value: str) -> None:
    ok(cas_("put", "--value", value, "settings"))
    assert json.loads(ok(cas_("cat", "settings"))) == json.loads(value)
    assert ok(cas_("cat", "settings")).count("\n") == 1


def test_text_comes_out_as_it_is(cas_: Cas) -> None:
    ok(cas_("put", "--value", '"two\\nlines"', "note"))
    assert ok(cas_("cat", "note")) == "two\nlines"
    assert ok(cas_("cat", "--json", "note")) == '"two\\nlines"\n'


def test_tables(cas_: Cas, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("origin,delay\nEWR,1.5\nJFK,-2\n")
    assert "  table  " in ok(cas_("put", "a.csv", "flights", "--as", "csv")) or True
    assert ok(cas_("cat", "flights")) == "origin,delay\nEWR,1.5\nJFK,-2\n"
    assert parsed(cas_("cat", "flights", "--format", "json"))[1] == {"origin": "JFK", "delay": -2.0}
    ok(cas_("get", "flights", "b.csv"))
    assert (tmp_path / "b.csv").read_text() == "origin,delay\nEWR,1.5\nJFK,-2\n"
    assert cas_("cat", "flights", "--format", "xml").code == 2


@pytest.mark.parametrize(
    ("content", "form", "said"),
    [
        (b"{", "json", "not JSON"),
        (b"[NaN]", "json", "NaN"),
        (b'{"a": 1, "a": 2}', "json", "twice"),
        (b"\xff", "text", "UTF-8"),
        (b"no parquet", "parquet", "no parquet table"),
        (b"", "csv", "no csv table"),
    ],
)
def test_sources_that_are_not_what_they_should_be(
    cas_: Cas, tmp_path: Path, content: bytes, form: str, said: str
) -> None:
    (tmp_path / "a").write_bytes(content)
    refused = cas_("put", "a", "x", "--as", form)
    assert refused.code == 2
    assert said in refused.err
    assert ok(cas_("ls", "--json")) == "[]\n"


def test_put_refuses_what_is_not_there(cas_: Cas, tmp_path: Path) -> None:
    assert cas_("put", "missing", "x").code == 14
    assert cas_("put", "x").code == 2
    assert cas_("put", "--value", "1", "x", "y").code == 2
    assert cas_("put", "--value", "1", "x", "--as", "json").code == 2
    assert cas_("put", ".", "x", "--as", "json").code == 2
    assert cas_("put", "--value", "1", "x", "-m", "novalue").code == 2


def test_versions_cannot_be_used_again(cas_: Cas) -> None:
    ok(cas_("put", "--value", "1", "model", "--version", "1.0"))
    ok(cas_("put", "--value", "1", "model", "--version", "1.0"))
    assert cas_("put", "--value", "2", "model", "--version", "1.0").code == 13


def test_put_json_and_metadata(cas_: Cas) -> None:
    made = parsed(cas_("put", "--json", "--value", "1", "x", "-m", "source=faa", "-m", "rows:=42"))
    assert made["metadata"] == {"source": "faa", "rows": 42}
    assert made["unchanged"] is False
    assert [found["id"] for found in parsed(cas_("find", "-m", "source=faa", "-m", "rows:=42", "--json"))] == [
        made["id"]
    ]
    assert parsed(cas_("find", "-m", "rows=42", "--json")) == []


def test_cat_by_id(cas_: Cas, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    made = parsed(cas_("put", "--json", "a", "x"))
    assert ok(cas_("cat", made["id"][:12])) == "content"
    assert ok(cas_("cat", blake3(b"content").hexdigest()[:12])) == "content"


# --- look ---------------------------------------------------------------------------------------


@pytest.fixture
def flights(cas_: Cas) -> Cas:
    for origin in ("EWR", "JFK"):
        ok(cas_("put", "--value", f'"{origin} raw"', f"flights@origin={origin},time=2013-01"))
    ok(cas_("put", "--value", '"corrected"', "flights@origin=EWR,time=2013-01"))
    ok(cas_("put", "--value", "1", "settings"))
    return cas_


def test_ls(flights: Cas) -> None:
    names = parsed(flights("ls", "--json"))
    assert [(name["name"], name["partitions"], name["versions"]) for name in names] == [
        ("flights", 2, 3),
        ("settings", 1, 1),
    ]
    lines = ok(flights("ls")).splitlines()
    assert lines[0].startswith("flights   @origin,time:month")
    assert "2 partitions  3 versions" in lines[0]
    assert [name["name"] for name in parsed(flights("ls", "--json", "fl*"))] == ["flights"]
    (oldest,) = parsed(flights("log", "--json", "flights@origin=EWR,time=2013-01"))[1:]
    ok(flights("rm", oldest["ref"], "--yes"))
    assert parsed(flights("ls", "--json", "fl*"))[0]["versions"] == 2
    ok(flights("put", "--value", '"EWR raw"', "flights@origin=EWR,time=2013-01"))
    assert parsed(flights("ls", "--json", "fl*"))[0]["versions"] == 3


def test_ls_of_a_name_lists_its_partitions(flights: Cas) -> None:
    refs = [found["ref"].partition("#")[0] for found in parsed(flights("ls", "--json", "flights"))]
    assert sorted(refs) == ["flights@origin=EWR,time=2013-01", "flights@origin=JFK,time=2013-01"]
    assert len(ok(flights("ls", "flights@origin=EWR")).splitlines()) == 1
    assert flights("ls", "flihgts").code == 14


def test_log(flights: Cas) -> None:
    found = parsed(flights("log", "--json", "flights@origin=EWR"))
    assert len(found) == 2
    assert [json.loads(ok(flights("cat", "--json", version["ref"]))) for version in found] == ["corrected", "EWR raw"]
    assert len(parsed(flights("log", "--json"))) == 4
    assert len(parsed(flights("log", "--json", "-n", "1"))) == 1
    ok(flights("alias", "flights@origin=EWR~1", "first"))
    line = ok(flights("log", "flights@origin=EWR,time=2013-01")).splitlines()[1]
    assert line.startswith(found[1]["id"][:12])
    assert "(first)" in line


def test_log_of_everything_after_a_name_was_deleted(flights: Cas) -> None:
    ok(flights("alias", "settings", "prod"))
    ok(flights("rm", "flights", "--yes"))
    lines = ok(flights("log")).splitlines()
    assert len(lines) == 4
    assert "settings#" in lines[0]
    assert "(prod)" in lines[0]
    assert "flights@origin=EWR,time=2013-01#" in lines[1]


def test_log_shows_the_aliases_of_the_very_partition(flights: Cas) -> None:
    ok(flights("put", "--value", "1", "mixed@k=1"))
    ok(flights("put", "--value", "2", "mixed"))
    ok(flights("put", "--value", "2", "mixed@k=1"))  # now the newest that “mixed” stands for
    ok(flights("alias", "mixed@k=1", "prod"))
    with_keys, without, _ = ok(flights("log", "mixed")).splitlines()
    assert "(prod)" in with_keys
    assert "(prod)" not in without


def test_resolve_prints_ids_alone(flights: Cas) -> None:
    newest, oldest = parsed(flights("log", "--json", "flights@origin=EWR"))
    assert ok(flights("resolve", "flights@origin=EWR")) == newest["id"] + "\n"
    assert ok(flights("resolve", "flights@origin=EWR~1", "flights@origin=EWR")).split() == [oldest["id"], newest["id"]]
    assert parsed(flights("resolve", "--json", "settings"))["name"] == "settings"
    missing = flights("resolve", "flihgts")
    assert (missing.code, missing.out) == (14, "")
    assert "flights" in missing.err


def test_bad_syntax_has_a_caret(flights: Cas) -> None:
    refused = flights("resolve", "settings@prod")
    assert refused.code == 2
    lines = refused.err.splitlines()
    assert "    settings@prod" in lines
    assert lines[lines.index("    settings@prod") + 1].strip() == "^"
    assert "settings#prod" in refused.err


def test_show(flights: Cas) -> None:
    found = parsed(flights("show", "--json", "settings"))
    assert isinstance(found, dict)
    shown = ok(flights("show", "settings"))
    assert f"artifact  {found['id']}\n" in shown
    assert parsed(flights("show", "--json", found["id"][:10]))["id"] == found["id"]
    assert "size" in ok(flights("show", found["content"][:12]))
    assert flights("show", "ffffffffff").code == 14


def test_status(flights: Cas, tmp_path: Path) -> None:
    found = parsed(flights("status", "--json"))
    assert (found["names"], found["partitions"], found["versions"]) == (2, 3, 4)
    shown = ok(flights("status"))
    assert str(tmp_path / ".cas") in shown
    assert "2 names, 3 partitions, 4 versions, 0 spans" in shown


# --- name ---------------------------------------------------------------------------------------


def test_alias(flights: Cas) -> None:
    first = parsed(flights("alias", "--json", "settings", "prod"))
    assert first["alias"] == "prod"
    assert ok(flights("resolve", "settings#prod")).strip() == first["id"]
    ok(flights("put", "--value", "2", "settings"))
    assert flights("alias", "settings", "prod", "--expect", "nonsense").code == 13
    assert flights("alias", "settings", "prod", "--new").code == 13
    assert flights("alias", "settings", "prod", "--new", "--expect", "x").code == 2
    assert ok(flights("alias", "settings", "prod", "--expect", first["version"])).startswith(
        "settings#prod  →  settings#"
    )
    assert ok(flights("resolve", "settings#prod")) == ok(flights("resolve", "settings"))


def test_rm_wants_yes(flights: Cas) -> None:
    plan = flights("rm", "flights@origin=EWR")
    assert plan.code == 1
    assert "would delete  flights@origin=EWR" in plan.out
    assert "--yes" in plan.err
    assert len(parsed(flights("ls", "--json", "flights"))) == 2
    assert "deleted" in ok(flights("rm", "flights@origin=EWR", "--yes"))
    assert len(parsed(flights("ls", "--json", "flights"))) == 1
    assert flights("rm", "nothing", "--yes").code == 14


def test_declare(cas_: Cas) -> None:
    assert cas_("declare", "clean", "--show").code == 14
    said = ok(cas_("declare", "clean", "-k", "origin", "--time", "month", "--description", "Clean flights"))
    assert said == "clean@origin,time:month\n  description: Clean flights\n"
    assert ok(cas_("declare", "clean", "--show")) == said
    refused = cas_("put", "--value", "1", "clean@orgin=EWR,time=2013-01")
    assert refused.code == 2
    assert "did you mean origin? Else extend it: cas declare clean --add-key orgin" in refused.err


# --- runs ---------------------------------------------------------------------------------------


@pytest.fixture
def trained(cas_: Cas) -> Cas:
    repository = cas.open()
    repository.put("raw", "raw")
    with repository.span("train", metadata={"rate": 0.1}) as span:
        value = repository.get("raw")
        span.log(0.5, label="loss")
        repository.put(value + " model", "model")
    with pytest.raises(ValueError, match="bad"), repository.span("broken"):
        raise ValueError("bad input")
    repository.close()
    return cas_


def test_span_list(trained: Cas) -> None:
    found = parsed(trained("span", "list", "--json"))
    assert [(span["label"], span["status"]) for span in found] == [("broken", "failed"), ("train", "ok")]
    lines = ok(trained("span", "list")).splitlines()
    assert "bad input" in lines[0]
    assert "rate=0.1" in lines[1]
    assert len(ok(trained("span", "list", "--status", "failed")).splitlines()) == 1
    assert len(ok(trained("span", "list", "--label", "train", "-n", "5")).splitlines()) == 1


def test_span_show(trained: Cas) -> None:
    train = parsed(trained("span", "list", "--json", "--label", "train"))[0]
    shown = ok(trained("span", "show", f"%{train['id'][:8]}"))
    assert shown == ok(trained("show", f"%{train['id'][:8]}"))
    assert "raw#" in shown
    assert "model#" in shown
    found = parsed(trained("span", "show", "--json", train["id"]))
    assert [link["ref"].partition("#")[0] for link in found["inputs"]] == ["raw"]
    assert {output["label"] or output["name"] for output in found["outputs"]} == {"loss", "model"}
    assert ok(trained("cat", f"%{train['id'][:8]}//loss")) == "0.5\n"
    assert trained("span", "show", "%ffffffff").code == 14


def test_lineage(trained: Cas) -> None:
    lines = ok(trained("lineage", "model")).splitlines()
    assert lines[0].startswith("model#")
    assert any("raw#" in line for line in lines[1:])
    assert lines[1].startswith("└─ ")
    items = parsed(trained("lineage", "--json", "model"))
    assert items[0]["depth"] == 0
    down = ok(trained("lineage", "raw", "--down"))
    assert "model#" in down


# --- check --------------------------------------------------------------------------------------


def test_fsck_of_a_sound_repository(flights: Cas) -> None:
    assert ok(flights("fsck")).endswith("checked: ok\n")
    assert parsed(flights("fsck", "--json"))["problems"] == []


def test_fsck_names_damage_and_who_needs_it(cas_: Cas, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(10_000))
    ok(cas_("put", "a", "weights"))
    pack = next((tmp_path / ".cas" / "objects").glob("*.pack"))
    content = bytearray(pack.read_bytes())
    content[5000] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(content)
    found = cas_("fsck")
    assert found.code == 15
    assert "needed by weights" in found.out
    assert cas_("cat", "weights").code == 15
    report = json.loads(cas_("fsck", "--json").out)
    assert report["ok"] is False
    assert any("weights" in ref for problem in report["problems"] for ref in problem["needed_by"])
