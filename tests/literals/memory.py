"""A writer and store in memory with the methods that codecs call."""

from __future__ import annotations

import io
from pathlib import Path

from cas.objects.ids import Kind, blob_id, object_id
from cas.objects.trees import Blob, Link, Tree, decode_tree, encode_tree, tree_size


class Memory:
    def __init__(self):
        self.objects = {}

    @property
    def store(self):
        return self

    def put_blob(self, content):
        key = blob_id(content)
        self.objects[key] = (Kind.BLOB, bytes(content))
        return key

    def put_blobs(self, contents):
        return [self.put_blob(content) for content in contents]

    def put_stream(self, stream):
        content = stream.read()
        return self.put_blob(content), len(content)

    def put_file(self, path):
        with open(path, "rb") as stream:
            return self.put_stream(stream)

    def put_tree(self, entries):
        payload = encode_tree(entries)
        key = object_id(Kind.TREE, payload)
        self.objects[key] = (Kind.TREE, payload)
        return key, tree_size(entries)

    def put_directory(self, path):
        rows = {}
        for child in sorted(Path(path).iterdir()):
            mode = child.lstat().st_mode & 0o777
            if child.is_symlink():
                rows[child.name] = Link(str(child.readlink()))
            elif child.is_dir():
                rows[child.name] = Tree(*self.put_directory(child), mode)
            else:
                rows[child.name] = Blob(*self.put_file(child), mode)
        return self.put_tree(rows)

    def read(self, key, kind=None):
        found, payload = self.objects[key]
        assert kind in (None, found)
        return payload

    def kind(self, key):
        return self.objects[key][0]

    def size(self, key):
        return len(self.objects[key][1])

    def open(self, key):
        return io.BytesIO(self.read(key, Kind.BLOB))

    def stream(self, key):
        yield self.read(key, Kind.BLOB)

    def export(self, key, path, mode=None):
        Path(path).write_bytes(self.read(key, Kind.BLOB))
        if mode is not None:
            Path(path).chmod(mode)

    def export_tree(self, key, path):
        Path(path).mkdir()
        for name, entry in decode_tree(self.read(key, Kind.TREE)).items():
            target = Path(path) / name
            if isinstance(entry, Blob):
                self.export(entry.id, target, entry.mode)
            elif isinstance(entry, Tree):
                self.export_tree(entry.id, target)
            else:
                target.symlink_to(entry.target)
