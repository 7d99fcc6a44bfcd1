"""URLs of remotes: what they mean, what is refused, and that no secret of theirs is ever printed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cas.errors import AuthError, CasError, UnsupportedRemote, UsageError
from cas.remotes.backends import open_readable, open_writable
from cas.remotes.options import OPTIONS, check_options
from cas.remotes.urls import SCHEMES, Location, parse, redact


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("/srv/store", ("file", "", None, None, "/srv/store")),
        ("../store", ("file", "", None, None, "../store")),
        ("./a:b", ("file", "", None, None, "./a:b")),
        ("C:\\store", ("file", "", None, None, "C:\\store")),
        ("file:///srv/my%20store", ("file", "", None, None, "/srv/my store")),
        ("file://localhost/srv", ("file", "", None, None, "/srv")),
        ("memory://x", ("memory", "x", None, None, "")),
        ("s3://bucket", ("s3", "bucket", None, None, "")),
        ("s3://bucket/", ("s3", "bucket", None, None, "")),
        ("S3://bucket/a/b/", ("s3", "bucket", None, None, "a/b")),
        ("s3://bucket/a@b", ("s3", "bucket", None, None, "a@b")),
        ("gs://my_bucket.example/x", ("gs", "my_bucket.example", None, None, "x")),
        ("az://$root/x", ("az", "$root", None, None, "x")),
        ("sftp://host/srv/x", ("sftp", "host", None, None, "/srv/x")),
        ("sftp://ann@host:2222/srv/x%20y", ("sftp", "host", 2222, "ann", "/srv/x y")),
        ("sftp://host/~/x", ("sftp", "host", None, None, "/~/x")),
        ("sftp://[::1]:22/x", ("sftp", "[::1]", 22, None, "/x")),
        ("https://example.org/a/b/", ("https", "example.org", None, None, "/a/b")),
        ("http://example.org:8080", ("http", "example.org", 8080, None, "")),
    ],
)
def test_meaning(text, location):
    found = parse(text)
    assert found == Location(*location)
    assert parse(found.url) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        " s3://bucket",
        "s3://bucket\n",
        "ftp://host/x",
        "hdfs://host/x",
        "github://x",
        "abfs://x/y",
        "simplecache::s3://bucket/x",
        "s3://bucket/x::file:///etc/passwd",
        "zip://a.zip::s3://bucket/x",
        "host:path",
        "user@host:path",
        "s3:/bucket",
        "s3://",
        "s3:///x",
        "s3://key:secret@bucket/x",
        "s3://AKIA:abc/def+ghi@bucket/x",
        "s3://bucket/../x",
        "s3://bucket/a//b",
        "s3://bucket/./b",
        "s3://bucket/%2e%2e/b",
        "s3://bucket/a\\..\\b",
        "s3://bucket/x;AccountKey=secret",
        "https://example.org/token=secret/x",
        "s3://bucket/x#secret",
        "s3://bucket/x?versionId=3",
        "s3://bucket/x#y",
        "gs://token@bucket/x",
        "az://account:key@container/x",
        "https://user:pw@example.org/x",
        "https://token@example.org/x",
        "https://example.org/x?sig=abc",
        "https:///x",
        "https://exa mple.org/x",
        "sftp://ann:hunter2@host/x",
        "sftp://-oProxyCommand=evil/x",
        "sftp://-u@host/x",
        "sftp://host:99999/x",
        "sftp://host:0/x",
        "sftp:///x",
        "file://host/x",
        "file://",
    ],
)
def test_refused(text):
    with pytest.raises(UnsupportedRemote) as caught:
        parse(text)
    assert caught.value.exit_code == 2
    for secret in ("secret", "hunter2", "pw@", "def+ghi", "sig=abc", "token@"):
        assert secret not in f"{caught.value} {caught.value.hint}"
    with pytest.raises(UnsupportedRemote):
        open_readable(text)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["s3", "gs", "az", "sftp", "https", "http", "ftp"]),
    st.text(
        alphabet=st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@"), min_size=8, max_size=40
    ),
)
def test_no_password_is_ever_printed(scheme, secret):
    text = f"{scheme}://user:{secret}@place/x"
    assert secret not in redact(text)
    with pytest.raises(CasError) as caught:
        parse(text)
    assert secret not in str(caught.value)
    assert secret not in str(caught.value.hint)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_location_or_a_typed_error(text):
    for candidate in (text, f"s3://{text}", f"sftp://{text}", f"file:///{text}", f"https://{text}"):
        try:
            location = parse(candidate)
        except UnsupportedRemote:
            continue
        assert location.scheme in SCHEMES
        assert parse(location.url) == location or location.scheme == "file"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("GET https://h/c/b?sv=1&sig=abc%2B= failed", "GET https://h/c/b?*** failed"),
        ("AccountKey=abcd==;BlobEndpoint=x", "AccountKey=***;BlobEndpoint=x"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("aws_secret_access_key = abc/def", "aws_secret_access_key = ***"),
        ("a plain sentence about a key in a bucket", "a plain sentence about a key in a bucket"),
    ],
)
def test_redact(text, kept):
    assert redact(text) == kept


def test_options_are_checked():
    assert check_options("s3", {"endpoint_url": "http://127.0.0.1:9000", "client": "fsspec"})
    for scheme, options in [
        ("s3", {"endpoint": "x"}),
        ("s3", {"endpoint_url": "127.0.0.1"}),
        ("s3", {"endpoint_url": "http://user:pw@host"}),
        ("s3", {"endpoint_url": "http://host/?a=b"}),
        ("s3", {"client": "boto"}),
        ("s3", {"anonymous": "yes"}),
        ("s3", {"timeout": "0"}),
        ("s3", {"timeout": "-1"}),
        ("file", {"timeout": "1"}),
        ("sftp", {"password": "hunter2"}),
        ("az", {"account_key": "hunter2"}),
        ("s3", {"aws_secret_access_key": "hunter2"}),
    ]:
        with pytest.raises(UsageError) as caught:
            check_options(scheme, options)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(UsageError, match="credential"):
        check_options("s3", {"aws_secret_access_key": "hunter2"})


def test_every_protocol_has_options():
    assert set(OPTIONS) == set(SCHEMES)


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UnsupportedRemote, match="s3fs") as caught:
        open_writable("s3://bucket/x", {"client": "fsspec"})
    assert caught.value.hint == "pip install 'cas-store[s3]'"


@pytest.mark.parametrize(
    ("url", "options", "environment"),
    [
        ("az://c/x", {"client": "obstore", "account_name": "a"}, {"AZURE_STORAGE_ACCOUNT_KEY": "hush, not base64"}),
        ("az://c/x", {"client": "fsspec"}, {"AZURE_STORAGE_CONNECTION_STRING": "AccountKey=hush;Nonsense"}),
        ("gs://b/x", {"client": "obstore"}, {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere"}),
        ("s3://b/x", {"profile": "nobody"}, {"AWS_CONFIG_FILE": "/nowhere"}),
    ],
)
def test_credentials_that_cannot_be_used(url, options, environment, monkeypatch):
    for name in ("obstore", "adlfs", "s3fs"):
        pytest.importorskip(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AuthError) as caught:
        open_readable(url, options).read("config.toml")
    assert "hush" not in str(caught.value)
