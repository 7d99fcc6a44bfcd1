"""The catalog's tables. All of it is derived from the ref logs and the records; deleting the file loses nothing."""

from __future__ import annotations

__all__ = ["SCHEMA", "SCHEMA_VERSION"]

# Any change here gets a new number: a catalog of another number is built anew.
SCHEMA_VERSION = 8

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;

-- how far each ref log has been read
CREATE TABLE log (
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, domain TEXT NOT NULL,
    number INTEGER NOT NULL, digest TEXT NOT NULL, stamp INTEGER NOT NULL,
    UNIQUE (project, domain)
);

CREATE TABLE name (
    id INTEGER PRIMARY KEY, log INTEGER NOT NULL, name TEXT NOT NULL, collision TEXT NOT NULL,
    keys TEXT, granularity TEXT, type TEXT, description TEXT, declared INTEGER,
    UNIQUE (log, name)
);
CREATE INDEX name_collision ON name (log, collision);

-- every declaration there was, name holds the last one
CREATE TABLE declaration (
    name INTEGER NOT NULL, keys TEXT NOT NULL, granularity TEXT, type TEXT, description TEXT,
    stamp INTEGER NOT NULL, writing TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE INDEX declaration_name ON declaration (name, stamp);

-- one row per exact name@partition, tip is its latest version, NULL where all are deleted
CREATE TABLE ref (
    id INTEGER PRIMARY KEY, name INTEGER NOT NULL, partition TEXT NOT NULL, tip INTEGER, stamp INTEGER,
    UNIQUE (name, partition)
);
CREATE INDEX ref_latest ON ref (name, stamp);

-- partition keys of refs that have a tip, for containment, stamp is the tip's
CREATE TABLE part (
    name INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, stamp INTEGER NOT NULL, ref INTEGER NOT NULL,
    PRIMARY KEY (name, key, value, stamp, ref)
) WITHOUT ROWID;

CREATE TABLE version (
    id INTEGER PRIMARY KEY, ref INTEGER NOT NULL, version TEXT NOT NULL, literal BLOB NOT NULL, artifact BLOB NOT NULL,
    span BLOB, stamp INTEGER NOT NULL, writing TEXT NOT NULL UNIQUE
);
CREATE INDEX version_ref ON version (ref, stamp, writing);
CREATE INDEX version_version ON version (version);
CREATE INDEX version_name ON version (ref, version);
CREATE INDEX version_literal ON version (literal);
CREATE INDEX version_artifact ON version (artifact);

CREATE TABLE alias (
    id INTEGER PRIMARY KEY, ref INTEGER NOT NULL, alias TEXT NOT NULL, version TEXT NOT NULL, replaces TEXT NOT NULL,
    stamp INTEGER NOT NULL, writing TEXT NOT NULL UNIQUE
);
CREATE INDEX alias_ref ON alias (ref, alias);
CREATE INDEX alias_alias ON alias (alias);

CREATE TABLE tomb (
    id INTEGER PRIMARY KEY, ref INTEGER NOT NULL, version TEXT, alias TEXT,
    stamp INTEGER NOT NULL, writing TEXT NOT NULL UNIQUE
);
CREATE INDEX tomb_ref ON tomb (ref);

-- the write ids of the entries that have no table of their own: spans and declarations
CREATE TABLE written (writing TEXT PRIMARY KEY) WITHOUT ROWID;

-- spans that the log names, their records are read in when a question needs them
CREATE TABLE pending (log INTEGER NOT NULL, open BLOB NOT NULL, close BLOB, PRIMARY KEY (open, close));

-- row is all of it, packed (rows.py), the other columns are what questions compare
-- up is the number of the parent, lead the first six bytes of the id: which of two opened at one time comes first
CREATE TABLE span (
    seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, up INTEGER, lead INTEGER NOT NULL, label TEXT NOT NULL,
    kind TEXT NOT NULL, status TEXT NOT NULL, opened INTEGER NOT NULL, closed INTEGER,
    meta TEXT NOT NULL, fields TEXT NOT NULL, row BLOB NOT NULL
);
CREATE INDEX span_up ON span (up, opened, lead);
CREATE INDEX span_label ON span (label, opened);
CREATE INDEX span_opened ON span (opened);
-- numbers of spans that others name as their parent and whose own records are not here yet
CREATE TABLE expected (id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE input (
    span BLOB NOT NULL, pos INTEGER NOT NULL, artifact BLOB, literal BLOB, asked TEXT, name TEXT,
    PRIMARY KEY (span, pos)
) WITHOUT ROWID;
CREATE INDEX input_artifact ON input (artifact);
CREATE TABLE output (
    span BLOB NOT NULL, pos INTEGER NOT NULL, artifact BLOB NOT NULL, label TEXT, asked TEXT, PRIMARY KEY (span, pos)
) WITHOUT ROWID;
CREATE INDEX output_artifact ON output (artifact);
-- closing records that later ones of their spans follow, the last one is in the span's row
CREATE TABLE closing (id BLOB PRIMARY KEY) WITHOUT ROWID;
"""
