"""Real servers for the remotes' tests, started on first use and stopped at the end; a missing one skips, saying why."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

HERE = Path(__file__).parent
# Where install_servers.sh puts things; read before any test replaces HOME.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cas-tests"
# The account that Azurite's documentation names.
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
# The port here of an S3 server that runs already; it has a bucket called bucket and takes the key testing, testing.
S3_PORT = os.environ.get("CAS_TESTS_S3_PORT")
HIDDEN = ("AWS_", "AZURE_", "GOOGLE_", "GCSFS_", "STORAGE_EMULATOR_HOST", "SSH_AUTH_SOCK", "GCE_")


class Remote(NamedTuple):
    """A place for one test: its URL, its options, and the environment that its library reads."""

    kind: str
    url: str
    options: Mapping[str, str]
    environment: Mapping[str, str]

    def open(self):
        from cas.remotes.backends import open_writable

        return open_writable(self.url, self.options)


class Sshd(NamedTuple):
    port: int
    directory: Path
    known_hosts: Path
    identity: Path
    stranger: Path


@pytest.fixture(scope="session")
def moto(tmp_path_factory) -> Iterator[int]:
    if S3_PORT:
        yield int(S3_PORT)
        return
    _need_module("moto", "moto[server]")
    port = free_port()
    with running([sys.executable, str(HERE / "moto_server.py"), str(port)], port, tmp_path_factory):
        _make_bucket(port)
        yield port


@pytest.fixture(scope="session")
def ministack(tmp_path_factory) -> Iterator[int]:
    if S3_PORT:
        yield int(S3_PORT)
        return
    _need_module("ministack", "ministack")
    port = free_port()
    command = [sys.executable, "-m", "ministack"]
    environment = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3", "LOG_LEVEL": "ERROR"}
    with running(command, port, tmp_path_factory, environment):
        _make_bucket(port)
        yield port


@pytest.fixture(scope="session")
def azurite(tmp_path_factory) -> Iterator[int]:
    program = CACHE / "npm/node_modules/.bin/azurite-blob"
    if not program.exists() or shutil.which("node") is None:
        pytest.skip("Azurite is not installed: run tests/remotes/install_servers.sh")
    port = free_port()
    command = [str(program), "--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    command += ["--skipApiVersionCheck", "--loose", "--silent", "--disableTelemetry"]
    with running(command, port, tmp_path_factory):
        _make_container(port)
        yield port


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory) -> Iterator[int]:
    port = free_port()
    with running([sys.executable, str(HERE / "fake_gcs.py"), str(port)], port, tmp_path_factory):
        yield port


@pytest.fixture(scope="session")
def sshd(tmp_path_factory) -> Iterator[Sshd]:
    _need_module("asyncssh", "asyncssh")
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    if not Path(program).exists() or shutil.which("ssh-keygen") is None:
        pytest.skip("OpenSSH's server is not installed: run tests/remotes/install_servers.sh")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    directory = tmp_path_factory.mktemp("sshd")
    for key in ("host", "user", "stranger"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(directory / key)], check=True
        )
    port = free_port()
    authorized = directory / "authorized_keys"
    authorized.write_text((directory / "user.pub").read_text())
    known = directory / "known_hosts"
    known.write_text(f"[127.0.0.1]:* {(directory / 'host.pub').read_text()}")
    (directory / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nPidFile none\nStrictModes no\nUsePAM no\n"
        f"AuthorizedKeysFile {authorized}\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nMaxStartups 100\n"
        "Subsystem sftp internal-sftp\nLogLevel QUIET\n"
    )
    with running([program, "-D", "-e", "-f", str(directory / "config")], port, tmp_path_factory):
        yield Sshd(port, directory, known, directory / "user", directory / "stranger")


@pytest.fixture
def remote(request, tmp_path, monkeypatch) -> Remote:
    """An empty place on the store that the test's parameter names."""
    return make_remote(request, request.param, tmp_path, monkeypatch)


@pytest.fixture
def any_remote(request, tmp_path, monkeypatch) -> Callable[..., Remote]:
    """Makes empty places: ``any_remote(kind, port=…)``, through another port than the server's own where given."""
    return lambda kind, port=None: make_remote(request, kind, tmp_path, monkeypatch, port)


@pytest.fixture
def cutting(request) -> Callable[..., object]:
    """Makes cutting proxies: ``cutting(port, cut)``; see meddling.py."""
    return lambda port, cut: _closed_after(request, _meddling().CuttingProxy(port, cut))


@pytest.fixture
def fronting(request) -> Callable[[int], object]:
    """Makes HTTP proxies: ``fronting(port)``; see meddling.py."""
    return lambda port: _closed_after(request, _meddling().Front(port))


def _closed_after(request, thing):
    request.addfinalizer(thing.close)
    return thing


@cache
def _meddling():
    # Tests are no package, so the file is loaded by its path.
    spec = spec_from_file_location("meddling", HERE / "meddling.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_remote(request, kind: str, tmp_path: Path, monkeypatch, port: int | None = None) -> Remote:
    for name in [name for name in os.environ if name.startswith(HIDDEN)]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    protocol, _, rest = kind.partition("-")
    server, _, library = rest.rpartition("-")
    if library:
        _need_module(library, library)
    options = {"client": "obstore" if library == "obstore" else "fsspec"} if library else {}
    place = f"place-{uuid4().hex}"
    environment = {"HOME": str(home)}
    if protocol == "s3":
        port = port or request.getfixturevalue(server)
        url = f"s3://bucket/{place}/deep"
        options |= {"endpoint_url": f"http://127.0.0.1:{port}", "region": "us-east-1"}
        environment |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        environment |= {"AWS_EC2_METADATA_DISABLED": "true"}
    elif protocol == "gs":
        port = port or request.getfixturevalue("fake_gcs")
        url = f"gs://bucket/{place}"
        options |= {"endpoint_url": f"http://127.0.0.1:{port}"}
        if library == "obstore":
            environment["GOOGLE_BEARER_TOKEN"] = "good"
        else:
            options["anonymous"] = "true"
    elif protocol == "az":
        url = f"az://container/{place}"
        port = port or request.getfixturevalue("azurite")
        endpoint = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
        if library == "obstore":
            options |= {"endpoint_url": endpoint, "account_name": AZURITE_ACCOUNT}
            environment["AZURE_STORAGE_ACCOUNT_KEY"] = AZURITE_KEY
        else:
            environment["AZURE_STORAGE_CONNECTION_STRING"] = azurite_connection(port)
    elif protocol == "sftp":
        server = request.getfixturevalue("sshd")
        user = os.environ.get("USER") or "root"
        url = f"sftp://{user}@127.0.0.1:{port or server.port}{tmp_path}/{place}"
        options |= {"identity_file": str(server.identity), "known_hosts": str(server.known_hosts)}
    else:
        url = {"directory": f"{tmp_path}/{place}", "file": f"file://{tmp_path}/{place}", "memory": f"memory://{place}"}[
            kind
        ]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Remote(kind, url, options, environment)


def azurite_connection(port: int, key: str = AZURITE_KEY) -> str:
    endpoint = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
    return f"DefaultEndpointsProtocol=http;AccountName={AZURITE_ACCOUNT};AccountKey={key};BlobEndpoint={endpoint};"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: list[str], port: int, tmp_path_factory, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A server process that answers on a port; its output is kept and shown when it does not come up."""
    directory = tmp_path_factory.mktemp("server")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=directory,
            env={**os.environ, "HOME": str(directory), **(environment or {})},
        )
    try:
        if not _answers(process, port):
            pytest.skip(f"{command[:3]} did not come up: {(directory / 'log').read_text(errors='replace')[-500:]}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False


def _need_module(module: str, package: str) -> None:
    if find_spec(module) is None:
        pytest.skip(f"{package} is not installed")


def _make_bucket(port: int) -> None:
    for attempt in range(50):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT", data=b"")
        request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request")
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if attempt == 49:
                raise
            time.sleep(0.1)
        else:
            return


def _make_container(port: int) -> None:
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(azurite_connection(port)) as client:
        client.create_container("container").close()
