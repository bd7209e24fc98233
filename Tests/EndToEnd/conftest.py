"""What tests start from: an empty folder, a sandbox tenant, a server of the built program."""

import os
import pathlib
import shutil
import signal
import tempfile

import pytest
from xdist.scheduler import LoadScopeScheduling

import faults
from backing import Backing
from programs import BINARY, Sandbox, Server, Template
from waiting import eventually

# A missing tool fails the run; no test is skipped.
TOOLS = ["caddy", "chromium", "ffmpeg", "ffprobe", "nginx", "openssl", "sha256sum", "sqlite3"]


#: Modules whose tests share a server. Each of them runs in one pytest process; all other tests run where there is time.
TOGETHER = {"test_audio", "test_browser", "test_ingest", "test_pages", "test_parts", "test_privacy"}


class Scheduling(LoadScopeScheduling):
    """Distributes tests one by one, except for these modules.

    The marker `xdist_group` would say the same, but pytest-xdist 3.8 cannot read it with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.split("::")[0]
        return module if pathlib.Path(module).stem in TOGETHER else nodeid


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


def pytest_sessionstart(session):
    # A shell that starts the tests in the background has them ignore SIGINT, which the program would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Debian installs nginx outside of PATH.
    path = os.environ["PATH"] + ":/usr/sbin"
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=path)]
    if not faults.compiler():
        missing.append("cc")
    if missing:
        pytest.exit(f"not installed: {', '.join(missing)}. 'scripts/bootstrap --for test' installs them.", 1)
    if not pathlib.Path(BINARY).exists():
        pytest.exit(f"there is no program at {BINARY}. Build it, or set TAPEDECK_BINARY.", 1)


@pytest.fixture(scope="session")
def session_folder():
    with tempfile.TemporaryDirectory(prefix="tapedeck-test-") as path:
        yield pathlib.Path(path)


@pytest.fixture(scope="module")
def module_folder():
    with tempfile.TemporaryDirectory(prefix="tapedeck-test-") as path:
        yield pathlib.Path(path)


@pytest.fixture
def folder():
    """An empty folder, removed after the test."""
    with tempfile.TemporaryDirectory(prefix="tapedeck-test-") as path:
        yield pathlib.Path(path)


@pytest.fixture(scope="session")
def faulty_calls(session_folder):
    """The library that makes calls of the program fail."""
    return faults.build(session_folder)


@pytest.fixture(scope="session")
def template(session_folder):
    """A data directory with tokens and accounts."""
    return Template(session_folder)


@pytest.fixture(scope="session")
def shared_sandbox(session_folder):
    """The tenant of all tests of one pytest process; see `sandbox`."""
    sandbox = Sandbox(session_folder)
    yield sandbox
    sandbox.kill()


@pytest.fixture
def sandbox(shared_sandbox):
    """A tenant without faults, with empty request statistics and with its first files."""
    # A server of the test before may have left a download.
    eventually(lambda: shared_sandbox.statistics()["downloadsInFlight"] == 0)
    shared_sandbox.reset()
    yield shared_sandbox
    shared_sandbox.reset()


@pytest.fixture
def make_server(folder, request):
    """Creates servers, each in a folder of its own, and ends them.

    A server that starts has the tokens and accounts of the template, unless it is to be `fresh`. One that does not
    start has no data directory yet. `descriptors` are the soft and the hard limit of open files.
    """
    servers = []

    def make(
        start: bool = True, fresh: bool = False, descriptors: tuple[int, int] | None = None, **settings: str
    ) -> Server:
        platform = request.getfixturevalue("sandbox").settings
        template = request.getfixturevalue("template") if start and not fresh else None
        server = Server(folder / f"server-{len(servers)}", platform | settings, template)
        servers.append(server)
        return server.start(descriptors) if start else server

    yield make
    for server in servers:
        server.end()


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture(scope="module")
def shared_server(module_folder, shared_sandbox, template):
    """One server for the tests of a module, which must not disturb each other."""
    server = Server(module_folder, shared_sandbox.settings, template).start()
    yield server
    server.end()


@pytest.fixture(scope="session")
def backing(session_folder):
    """The PostgreSQL and S3 servers of all tests of one pytest process."""
    folder = session_folder / "backing"
    folder.mkdir()
    with Backing(folder) as backing:
        yield backing
