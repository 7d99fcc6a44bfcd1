"""Artifacts by ref, address, query and declaration."""

import pytest

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


def test_names(repo):
    for name in ("b", "a", "c"):
        repo.put(1, name)
    assert list_names() == ["a", "b", "c"]
    assert list_names("[ab]", limit=1) == ["a"]
