"""Files and directories as values: ``File`` and ``Tree``, read-only views that fetch only what is asked of them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Union

from cas.errors import CodecError, LimitExceeded, NotFound, PathEscape, TypeMismatch
from cas.literals.codec import Codec, Content, Decoding, Encoding
from cas.literals.literal import Literal
from cas.literals.ports import Store
from cas.objects.ids import BlobId, Kind, ObjectId, TreeId
from cas.objects.trees import Blob, Link, LiteralRef, TreeEntry, decode_tree
from cas.objects.trees import Tree as TreeRow

__all__ = ["DIRECTORY", "FILE", "File", "Tree"]

_MAX_LINKS = 40


class File(PathLike[str]):
    """A stored file: its ``id`` (the BLAKE3 of its bytes, as hex), ``size`` in bytes and permission bits ``mode``.

    Equal when the bytes are. Usable as a path: ``open(file)`` reads a copy in a temporary directory, which lives as
    long as this object does.
    """

    def __init__(self, store: Store, blob: BlobId, size: int, mode: int = 0, name: str = "file") -> None:
        self._store = store
        self._blob = blob
        self._copy: Path | None = None
        self.size = size
        self.mode = mode
        self.name = name

    @property
    def id(self) -> str:
        """The blob's id, 64 hex digits."""
        return self._blob.hex()

    def open(self) -> BinaryIO:
        """A seekable binary file, opened for reading."""
        return self._store.open(self._blob)

    def read_bytes(self) -> bytes:
        """The whole content."""
        return self._store.read(self._blob, Kind.BLOB)

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The whole content as text. Raises UnicodeDecodeError as pathlib does."""
        return self.read_bytes().decode(encoding, errors)

    def export(self, path: str | PathLike[str]) -> Path:
        """Write the content to a file of that path; gives the path."""
        self._store.export(self._blob, Path(path), self.mode or None)
        return Path(path)

    def __fspath__(self) -> str:
        if self._copy is None:
            self._copy = self.export(_temporary(self) / self.name)
        return str(self._copy)

    def __eq__(self, other: object) -> bool:
        return self._blob == other._blob if isinstance(other, File) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._blob)

    def __repr__(self) -> str:
        return f"<cas.File {self.id[:12]} {self.size} bytes>"


class Tree(Mapping[str, Union[File, "Tree"]], PathLike[str]):
    """A stored directory: a mapping of names to ``File`` and ``Tree``; ``tree["a/b"]`` goes down, and follows links.

    Equal when all below is, names and modes included. Usable as a path, as ``File`` is.
    """

    def __init__(self, store: Store, tree: TreeId, size: int, name: str = "directory") -> None:
        self._store = store
        self._tree = tree
        self._rows: dict[str, TreeEntry] | None = None
        self._copy: Path | None = None
        self.size = size
        self.name = name

    @property
    def id(self) -> str:
        """The tree's id, 64 hex digits."""
        return self._tree.hex()

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, path: str) -> File | Tree:
        """The file or directory at a path below. Raises NotFound, a LookupError; PathEscape for links that lead out."""
        trail: list[Tree] = [self]
        steps = [part for part in path.split("/") if part]
        links = 0
        found: File | Tree = self
        while steps:
            step = steps.pop(0)
            if step == "..":
                trail.pop()
                if not trail:
                    raise PathEscape(
                        f"{path} leads out of the directory {self.id[:12]}",
                        hint="what it leads to was not stored; the link itself comes with the directory: cas get",
                    )
                found = trail[-1]
                continue
            if step == ".":
                continue
            if not isinstance(found, Tree):
                raise NotFound(f"{path}: {found.name} is a file in the directory {self.id[:12]}")
            entry = found._members.get(step)
            if entry is None:
                raise NotFound(f"no {path} in the directory {self.id[:12]}")
            if isinstance(entry, Link):
                links += 1
                if links > _MAX_LINKS:
                    raise LimitExceeded(f"{path} goes through more than {_MAX_LINKS} symbolic links")
                if entry.target.startswith("/"):
                    raise PathEscape(
                        f"{path} is a link to {entry.target}, outside the directory {self.id[:12]}",
                        hint="what it leads to was not stored; the link itself comes with the directory: cas get",
                    )
                steps[:0] = [part for part in entry.target.split("/") if part]
                continue
            found = self._view(step, entry)
            if isinstance(found, Tree):
                trail.append(found)
        return found

    def __contains__(self, path: object) -> bool:
        try:
            return isinstance(path, str) and self[path] is not None
        except (NotFound, PathEscape, LimitExceeded):
            return False

    def link(self, path: str) -> str | None:
        """The target of the symbolic link at a path, or None where it is none."""
        parent, _, name = path.rpartition("/")
        tree = self[parent] if parent else self
        entry = tree._members.get(name) if isinstance(tree, Tree) else None
        return entry.target if isinstance(entry, Link) else None

    def open(self, path: str) -> BinaryIO:
        """A seekable binary file of the content at a path."""
        return self._file(path).open()

    def read_bytes(self, path: str) -> bytes:
        """The whole content of the file at a path."""
        return self._file(path).read_bytes()

    def read_text(self, path: str, encoding: str = "utf-8") -> str:
        """The whole content of the file at a path, as text."""
        return self._file(path).read_text(encoding)

    def walk(self) -> Iterator[str]:
        """The paths of all files and links below, sorted within each directory."""
        pending = [("", self)]
        while pending:
            prefix, tree = pending.pop()
            for name, entry in tree._members.items():
                if isinstance(entry, TreeRow):
                    pending.append((f"{prefix}{name}/", Tree(self._store, entry.id, entry.size, name)))
                else:
                    yield prefix + name

    def export(self, path: str | PathLike[str]) -> Path:
        """Write everything below a directory of that path, which is made; gives the path."""
        self._store.export_tree(self._tree, Path(path))
        return Path(path)

    def __fspath__(self) -> str:
        if self._copy is None:
            self._copy = self.export(_temporary(self) / self.name)
        return str(self._copy)

    def __eq__(self, other: object) -> bool:
        return self._tree == other._tree if isinstance(other, Tree) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._tree)

    def __repr__(self) -> str:
        return f"<cas.Tree {self.id[:12]} {len(self)} members, {self.size} bytes>"

    @property
    def _members(self) -> dict[str, TreeEntry]:
        if self._rows is None:
            self._rows = decode_tree(self._store.read(self._tree, Kind.TREE))
        return self._rows

    def _view(self, name: str, entry: TreeEntry) -> File | Tree:
        if isinstance(entry, Blob):
            return File(self._store, entry.id, entry.size, entry.mode, name)
        if isinstance(entry, TreeRow):
            return Tree(self._store, entry.id, entry.size, name)
        raise CodecError(f"{name} in the directory {self.id[:12]} is neither a file nor a directory")

    def _file(self, path: str) -> File:
        found = self[path]
        if isinstance(found, Tree):
            raise NotFound(f"{path} in {self.id[:12]} is a directory, not a file")
        return found


class FileCodec(Codec):
    """A pathlib.Path of a file, or a File; the content is the file's bytes."""

    type = "file"
    types = (File,)

    def choose(self, value: Any) -> Codec:
        return DIRECTORY if isinstance(value, Path) and value.is_dir() else self

    def write(self, value: Any, encoding: Encoding) -> Content:
        if isinstance(value, File):
            if value._store is getattr(encoding.writer, "store", None):
                return Content(value._blob, value.size)
            with value.open() as stream:
                return Content(*encoding.writer.put_stream(stream))
        if not value.is_file():
            there = "no file or directory" if value.exists() else "nothing"
            raise NotFound(f"{encoding.name} is the path {value}, where there is {there}")
        return Content(*encoding.writer.put_file(value))

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        _expect(decoding.store, literal.content, Kind.BLOB, literal.type)
        return File(decoding.store, BlobId(literal.content), literal.size)


class DirectoryCodec(Codec):
    """A pathlib.Path of a directory, or a Tree; the content is a tree with modes and symbolic links."""

    type = "directory"
    types = (Tree,)

    def write(self, value: Any, encoding: Encoding) -> Content:
        if isinstance(value, Tree) and value._store is getattr(encoding.writer, "store", None):
            return Content(value._tree, value.size)
        if isinstance(value, Tree):
            return Content(*_copy_tree(value, encoding))
        return Content(*encoding.writer.put_directory(value))

    def read(self, literal: Literal, decoding: Decoding) -> Any:
        _expect(decoding.store, literal.content, Kind.TREE, literal.type)
        return Tree(decoding.store, TreeId(literal.content), literal.size)


FILE = FileCodec()
DIRECTORY = DirectoryCodec()


def _copy_tree(tree: Tree, encoding: Encoding) -> tuple[TreeId, int]:
    """Write a directory of another store."""
    rows: dict[str, TreeEntry] = {}
    for name, entry in tree._members.items():
        if isinstance(entry, (Link, LiteralRef)):
            rows[name] = entry
            continue
        view = tree._view(name, entry)
        if isinstance(view, Tree):
            rows[name] = TreeRow(*_copy_tree(view, encoding), entry.mode)
        else:
            with view.open() as stream:
                rows[name] = Blob(*encoding.writer.put_stream(stream), entry.mode)
    return encoding.writer.put_tree(rows)


def _expect(store: Store, content: ObjectId, kind: Kind, tag: str) -> None:
    if store.kind(content) is not kind:
        raise TypeMismatch(f"content of a {tag} is not a {kind.name.lower()}")


def _temporary(owner: object) -> Path:
    """A temporary directory that goes when ``owner`` does."""
    import shutil  # neither is needed to store a file, and both take a while to load
    import tempfile

    path = tempfile.mkdtemp(prefix="cas-")
    weakref.finalize(owner, shutil.rmtree, path, ignore_errors=True)
    return Path(path)
