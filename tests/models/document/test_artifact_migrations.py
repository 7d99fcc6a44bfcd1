"""Usage, Artifact Migrations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

import cas
from cas.aio import ArtifactModel


def test_migrate(example):
    def first():
        @dataclass
        class MyDataModel(ArtifactModel, version=1, name="document.MyDataModel"):
            some_value: int

        return MyDataModel

    def second():
        @dataclass
        class MyDataModel(ArtifactModel, version=2, name="document.MyDataModel"):
            renamed_value: int

            @classmethod
            def migrate(cls, version: int, data: dict[str, Any]) -> MyDataModel:
                if version == 1:
                    return cls(renamed_value=data["some_value"])
                raise ValueError(f"Unknown version: {version}")

        return MyDataModel

    ids = []

    async def main():
        ids.append(await first()(some_value=42).create(label="old"))

    example(main())
    from cas.models import classes

    del classes._BY_NAME[
        "document.MyDataModel"
    ]  # in the document both stand in one module, and the second replaces the first
    new = second()

    async def later():
        assert await new.read(ids[0]) == new(renamed_value=42)
        # a migration script: read the old, save the new, delete the old
        renamed = await new.read("old")
        await renamed.create(label="new")
        cas.delete("old")
        assert await new.read("new") == new(renamed_value=42)
        with pytest.raises(LookupError):
            await new.read("old")

    example(later())


MODELS = """
from dataclasses import dataclass
from typing import Any
from cas.aio import ArtifactModel

@dataclass
class MyDataModel(ArtifactModel, version=1):
    some_value: int

stored = MyDataModel(some_value=42)

@dataclass
class MyDataModel(ArtifactModel, version=2):
    renamed_value: int

    @classmethod
    def migrate(cls, version: int, data: dict[str, Any]) -> "MyDataModel":
        if version == 1:
            return cls(renamed_value=data["some_value"])
        else:
            raise ValueError(f"Unknown version: {version}")
"""


def test_both_classes_in_one_module(example):
    """As the document defines them: one after the other, under one name."""
    import sys
    import types

    module = sys.modules["document_models"] = types.ModuleType("document_models")
    exec(MODELS, module.__dict__)

    async def main():
        artifact_id = await module.stored.create(label="stored")
        assert await module.MyDataModel.read(artifact_id) == module.MyDataModel(renamed_value=42)

    example(main())


def test_an_error_names_the_artifact(example):
    @dataclass
    class Old(cas.ArtifactModel, version=1, name="document.Broken"):
        x: int

    artifact_id = Old(1).create("broken")
    from cas.models import classes

    del classes._BY_NAME["document.Broken"]

    @dataclass
    class New(cas.ArtifactModel, version=3, name="document.Broken"):
        y: int

    for read in (lambda: New.read(artifact_id), lambda: New.read("broken")):
        with pytest.raises(cas.CasError, match=f"{artifact_id[:12]}.*version 1 to version 3"):
            read()
