"""What every test starts from: an empty folder, a simulated tenant, a server of the built program."""

import pathlib
import shutil
import tempfile

import pytest

import faults
from programs import BINARY, Sandbox, Server

# A missing tool fails the run; nothing is skipped.
TOOLS = ["chromium", "ffmpeg", "ffprobe", "sha256sum", "sqlite3"]


def pytest_sessionstart(session):
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if not faults.compiler():
        missing.append("cc")
    if missing:
        pytest.exit(f"not installed: {', '.join(missing)}. 'scripts/bootstrap --for test' installs them.", 1)
    if not pathlib.Path(BINARY).exists():
        pytest.exit(f"there is no program at {BINARY}. Build it, or set TAPEDECK_BINARY.", 1)


@pytest.fixture
def folder():
    """An empty folder, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tapedeck-test-") as path:
        yield pathlib.Path(path)


@pytest.fixture(scope="module")
def module_folder():
    with tempfile.TemporaryDirectory(prefix="tapedeck-test-") as path:
        yield pathlib.Path(path)


@pytest.fixture(scope="session")
def faulty_calls():
    """The library that makes calls of the program fail."""
    with tempfile.TemporaryDirectory(prefix="tapedeck-test-") as path:
        yield faults.build(pathlib.Path(path))


@pytest.fixture
def sandbox(folder):
    sandbox = Sandbox(folder)
    yield sandbox
    sandbox.kill()


@pytest.fixture
def make_server(folder, sandbox):
    """Starts servers against the sandbox, each in a folder of its own."""
    servers = []

    def make(start: bool = True, **settings: str) -> Server:
        own = folder / f"server-{len(servers)}"
        own.mkdir()
        server = Server(own, sandbox.settings | settings)
        servers.append(server)
        return server.start() if start else server

    yield make
    for server in servers:
        server.end()


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture(scope="module")
def shared_sandbox(module_folder):
    sandbox = Sandbox(module_folder)
    yield sandbox
    sandbox.kill()


@pytest.fixture(scope="module")
def shared_server(module_folder, shared_sandbox):
    """One server for the tests of a module that leave it as they find it."""
    server = Server(module_folder, shared_sandbox.settings).start()
    yield server
    server.end()
