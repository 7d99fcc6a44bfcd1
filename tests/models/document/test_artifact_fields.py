"""Usage, Artifact Fields."""

from __future__ import annotations

from dataclasses import dataclass

import fsspec
import pandas as pd

import cas
from cas.aio import ArtifactModel, S3Storage, artifact_field, dataframe_serializer

s3_storage = S3Storage("my-bucket", filesystem=fsspec.filesystem("memory"))


@dataclass
class MyDataModel(ArtifactModel, version=1):
    dataframe: pd.DataFrame = artifact_field(
        serializer=dataframe_serializer,
        storage=s3_storage,
    )


def test_a_dataframe_in_s3(example):
    frame = pd.DataFrame({"a": range(1000)})

    async def main():
        artifact_id = await MyDataModel(frame).create(label="framed")
        pd.testing.assert_frame_equal((await MyDataModel.read(artifact_id)).dataframe, frame)

    example(main())
    (key,) = fsspec.filesystem("memory").ls("my-bucket", detail=False)
    assert len(key.rpartition("/")[2]) == 64
    # the record here, the object there
    assert cas.resolve("framed").size < 1000


def test_without_storage_it_is_in_the_repository(example):
    @dataclass
    class Here(ArtifactModel, version=1):
        dataframe: pd.DataFrame = artifact_field(serializer=dataframe_serializer)
        inferred: pd.DataFrame | None = None

    frame = pd.DataFrame({"a": range(1000)})

    async def main():
        artifact_id = await Here(frame, frame).create(label="framed")
        back = await Here.read(artifact_id)
        pd.testing.assert_frame_equal(back.dataframe, frame)
        pd.testing.assert_frame_equal(back.inferred, frame)

    example(main())
    assert cas.resolve("framed").size > 8000


def test_names_are_exported_by_both_faces():
    from cas import aio

    for name in aio.__all__:
        assert getattr(aio, name) is not None
        assert getattr(cas, name) is not None
