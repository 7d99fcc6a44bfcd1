"""Artifacts by ref, address, query and declaration."""

import pytest

import cas
from cas.errors import RefNotFound, RefSyntax, UsageError
from cas.flows import Artifact, Inputs, format_uri, get_artifact, list_names
from cas.refs.names import Name

RIDES = Artifact(name="rides", partition_keys=["region"])


def test_whatever_names_it(repo):
    version = repo.put(1, "rides@region=ZRH", version="v1")
    repo.put(2, "rides@region=BSL")
    address = format_uri(Name("default", "main", "rides"), version.partition, "v1")
    assert address == "flyte://av0.1/default/main/rides@v1?region=ZRH"
    for what in (version, "rides@region=ZRH", address, RIDES.query(region="ZRH"), RIDES(region="ZRH")):
        assert get_artifact(what) == version
        assert cas.get(what) == 1
    assert get_artifact(RIDES).get() == 2
    assert get_artifact(RIDES, repo).get() == 2


def test_what_is_not_there(repo):
    with pytest.raises(RefNotFound, match=r"no artifact matches rides\.query\(\)"):
        get_artifact(RIDES)
    with pytest.raises(RefSyntax):
        get_artifact("flyte://av0.1/x")
    with pytest.raises(UsageError, match="5 names no artifact"):
        get_artifact(5)
    with pytest.raises(UsageError):
        get_artifact(RIDES.query(region=Inputs.x))
    for what in (5, None, {"region": "ZRH"}):
        with pytest.raises(UsageError, match="names no artifact"):
            cas.get(what)
        with pytest.raises(RefSyntax, match="a ref is text"):
            cas.resolve(what)


def test_names(repo):
    for name in ("b", "a", "c"):
        repo.put(1, name)
    assert list_names() == ["a", "b", "c"]
    assert list_names("[ab]", limit=1) == ["a"]
    assert list_names(limit=1, after="a") == ["b"]
    assert list_names(after="c") == []


@pytest.mark.parametrize("ask", [list_names, RIDES.latest_per_partition, "spans", "search", "find", "log"])
def test_limits_are_counts(repo, ask):
    ask = getattr(repo, ask) if isinstance(ask, str) else ask
    with pytest.raises(UsageError, match="a limit is 0 or more, not -1"):
        ask(limit=-1)


def test_a_query_that_is_read_is_an_input(repo):
    version = repo.put(1, "rides@region=ZRH")
    with repo.span("reader") as span:
        assert repo.get(RIDES.query(region="ZRH")) == 1
    assert [link.artifact for link in repo.inputs(span.id)] == [version.id]
