"""`tapedeck init`: from nothing to a first recording, and the right name for everything that can be wrong."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import socket
import stat
import subprocess

import pytest

from archive import DataDirectory
from process import BINARY, PATIENCE, QUICK, command, environment
from programs import Sandbox, Server
from sessions import Session
from test_media_playback import MediaSandbox

#: Only what shortens waits: `init` takes everything else from its options and the environment.
SHORT = QUICK
UNKNOWN_HOST = "https://no-such-host.invalid"


@pytest.fixture(scope="module")
def media_sandbox(module_folder):
    sandbox = MediaSandbox(module_folder)
    yield sandbox
    sandbox.kill()


@pytest.fixture
def media(media_sandbox):
    media_sandbox.reset()
    yield media_sandbox
    media_sandbox.reset()


def initialise(folder: pathlib.Path, settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    return command(folder, "init", "--json", *arguments, settings=SHORT | settings)


def failure(done: subprocess.CompletedProcess) -> tuple[str, str]:
    """The only check that failed: its name without the source, and everything that is said about it."""
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    [failed] = [found for found in findings if not found["ok"] and not found.get("skipped")]
    return failed["check"].removesuffix(" of source 'default'"), f"{failed['message']} {failed['remedy']}"


def plain_port(sandbox: Sandbox) -> str:
    """The https address of a server that does not use TLS."""
    return sandbox.base.replace("http://", "https://")


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


#: What is broken in a tenant of `media-playback`: settings (`{tls}` and `{closed}` are addresses), or a fault of the
#: tenant; then the check that fails, and a name that it must give.
MEDIA = {
    "name of the sign-in host": ({"CXONE_ISSUER_URL": UNKNOWN_HOST}, None, "Name of the host no-such-host.invalid (DNS)", "CXONE_ISSUER_URL"),
    "certificate of the sign-in host": ({"CXONE_ISSUER_URL": "{tls}"}, None, "Connection to 127.0.0.1 (TLS)", "CXONE_ISSUER_URL"),
    "port of the sign-in host": ({"CXONE_ISSUER_URL": "{closed}"}, None, "Connection to 127.0.0.1 (HTTP)", "CXONE_ISSUER_URL"),
    "path of the sign-in host": ({"CXONE_ISSUER_URL": "{base}/other"}, None, "Sign-in", "CXONE_ISSUER_URL"),
    "access key ID": ({"CXONE_ACCESS_KEY_ID": "wrong"}, None, "Sign-in", "CXONE_ACCESS_KEY_ID"),
    "access key secret": ({"CXONE_ACCESS_KEY_SECRET": "wrong"}, None, "Sign-in", "CXONE_ACCESS_KEY_SECRET"),
    "permission for access keys": ({"CXONE_ACCESS_KEY_SECRET": "wrong"}, None, "Sign-in", "Access Key: Create"),
    "client ID": ({"CXONE_CLIENT_ID": "wrong"}, None, "Sign-in", "CXONE_CLIENT_ID"),
    "client secret": ({"CXONE_CLIENT_SECRET": "wrong"}, None, "Sign-in", "CXONE_CLIENT_SECRET"),
    "tenant": ({"CXONE_TENANT_ID": "other"}, None, "Discovery", "CXONE_TENANT_ID"),
    "name of the ACD": ({"CXONE_ACD_URL": UNKNOWN_HOST}, None, "Name of the host no-such-host.invalid (DNS)", "CXONE_ACD_URL"),
    "certificate of the ACD": ({"CXONE_ACD_URL": "{tls}"}, None, "Connection to 127.0.0.1 (TLS)", "CXONE_ACD_URL"),
    "port of the ACD": ({"CXONE_ACD_URL": "{closed}"}, None, "Connection to 127.0.0.1 (HTTP)", "CXONE_ACD_URL"),
    "path of the ACD": ({"CXONE_ACD_URL": "{base}/other"}, None, "Search for contacts", "CXONE_ACD_URL"),
    "permission to search": ({}, {"variant": "search"}, "Search for contacts", "reporting API"),
    "name of the area": ({"CXONE_AREA_URL": UNKNOWN_HOST}, None, "Name of the host no-such-host.invalid (DNS)", "CXONE_AREA_URL"),
    "certificate of the area": ({"CXONE_AREA_URL": "{tls}"}, None, "Connection to 127.0.0.1 (TLS)", "CXONE_AREA_URL"),
    "port of the area": ({"CXONE_AREA_URL": "{closed}"}, None, "Connection to 127.0.0.1 (HTTP)", "CXONE_AREA_URL"),
    "permission to play": ({}, {"variant": "play"}, "Media playback", "lacks the permission 'Search & Playback > Player"),
    "permission for metadata": ({}, {"variant": "metadata"}, "Media playback", "lacks the permission 'Search & Playback > API"),
    "media host that is not allowed": ({"CXONE_MEDIA_HOSTS": "media.example.com"}, None, "First media", "CXONE_MEDIA_HOSTS"),
    "media host that refuses": ({}, {"fault": "address-lapsed", "endpoint": "download"}, "First media", "media host"),
}


@pytest.mark.parametrize("broken", MEDIA)
def test_init_names_what_is_wrong_with_media_playback(folder, media, broken):
    settings, fault, check, name = MEDIA[broken]
    addresses = {"{tls}": plain_port(media), "{closed}": closed_port(), "{base}": media.base}
    for mark, address in addresses.items():
        settings = {key: value.replace(mark, address) for key, value in settings.items()}
    if fault:
        media.fault(**({"fault": "permission-missing"} | fault))
    done = initialise(folder, media.settings | settings)
    assert done.returncode == 1, done
    failed, said = failure(done)
    assert (failed, name in said) == (check, True), (failed, said)
    assert not (folder / ".env").exists() and not (folder / "tapedeck-data").exists()


#: The same for `recordings-v2`.
V2 = {
    "name of the host": ({"CXONE_BASE_URL": UNKNOWN_HOST}, None, "Name of the host no-such-host.invalid (DNS)", "CXONE_BASE_URL"),
    "certificate": ({"CXONE_BASE_URL": "{tls}"}, None, "Connection to 127.0.0.1 (TLS)", "CXONE_BASE_URL"),
    "port": ({"CXONE_BASE_URL": "{closed}"}, None, "Connection to 127.0.0.1 (HTTP)", "CXONE_BASE_URL"),
    "path": ({"CXONE_BASE_URL": "{base}/other"}, None, "Token", "CXONE_BASE_URL"),
    "client ID": ({"CXONE_CLIENT_ID": "wrong"}, None, "Token", "CXONE_CLIENT_ID"),
    "client secret": ({"CXONE_CLIENT_SECRET": "wrong"}, None, "Token", "CXONE_CLIENT_SECRET"),
    "scope to read": ({}, {"endpoint": "search"}, "Scope recording:read", "'recording:read'"),
    "scope to download": ({}, {"endpoint": "download"}, "Scope recording:download", "'recording:download'"),
}


@pytest.mark.parametrize("broken", V2)
def test_init_names_what_is_wrong_with_recordings_v2(folder, sandbox, broken):
    settings, fault, check, name = V2[broken]
    addresses = {"{tls}": plain_port(sandbox), "{closed}": closed_port(), "{base}": sandbox.base}
    for mark, address in addresses.items():
        settings = {key: value.replace(mark, address) for key, value in settings.items()}
    if fault:
        sandbox.fault("scope-missing", **fault)
    done = initialise(folder, sandbox.settings | settings)
    assert done.returncode == 1, done
    failed, said = failure(done)
    assert (failed, name in said) == (check, True), (failed, said)
    assert not (folder / ".env").exists() and not (folder / "tapedeck-data").exists()


@pytest.mark.parametrize("contract", ["media-playback", "recordings-v2"])
def test_init_leads_to_a_recording_that_plays(folder, media, sandbox, contract):
    tenant = media if contract == "media-playback" else sandbox
    done = initialise(folder, tenant.settings)
    assert done.returncode == 0, done
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    result = findings.pop()
    assert all(found.get("ok", True) for found in findings), findings
    env = folder / ".env"
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    for secret in ("sandbox-secret", "sandbox-key-secret"):
        assert secret not in done.stdout + done.stderr
    # The settings file alone is enough from here on.
    server = Server(folder, {}).start()
    try:
        session = Session.sign_in(server.url, result["account"], result["password"])
        page = "/play/" + result["address"].split("/play/")[1]
        assert session.request("GET", page).status == 200
        audio = session.request("GET", page.replace("/play/", "/audio/") + ".mp3")
        assert audio.status == 200 and len(audio.body) > 1000
    finally:
        server.end()


def test_to_run_init_again_is_safe(folder, media):
    first = initialise(folder, media.settings, "--supervisor", "dana")
    env = folder / ".env"
    before = (env.read_text(), env.stat().st_mtime_ns)
    again = initialise(folder, {})
    assert (first.returncode, again.returncode) == (0, 0), (first, again)
    assert (env.read_text(), env.stat().st_mtime_ns) == before
    results = [json.loads(done.stdout.splitlines()[-1]) for done in (first, again)]
    assert results[1] == {key: value for key, value in results[0].items() if key != "password"}
    data = DataDirectory(folder / "tapedeck-data")
    assert len(data.rows("SELECT * FROM account")) == 1
    assert len(data.rows("SELECT * FROM recording WHERE archived_at IS NOT NULL")) == 1


def test_settings_are_replaced_only_by_force(folder, sandbox):
    env = folder / ".env"
    env.write_text("# of this site\nTAPEDECK_LOG_LEVEL=debug\nCXONE_BASE_URL=http://127.0.0.1:9\n"
                   "CXONE_CLIENT_ID=sandbox-client\nCXONE_CLIENT_SECRET=sandbox-secret\n")
    env.chmod(0o640)
    before = env.read_text()
    refused = initialise(folder, {}, "--base-url", sandbox.base)
    assert refused.returncode == 2 and "--force" in refused.stderr, refused
    assert env.read_text() == before
    done = initialise(folder, {}, "--base-url", sandbox.base, "--force")
    assert done.returncode == 0, done
    assert env.read_text() == (
        "# of this site\nTAPEDECK_LOG_LEVEL=debug\n"
        f"CXONE_BASE_URL={sandbox.base}\nCXONE_CLIENT_ID=sandbox-client\nCXONE_CLIENT_SECRET=sandbox-secret\n")
    assert stat.S_IMODE(env.stat().st_mode) == 0o640


def test_a_variable_that_would_override_the_file_is_refused(folder, sandbox):
    done = initialise(folder, sandbox.settings | {"CXONE_CLIENT_ID": "other"}, "--client-id", "sandbox-client")
    assert done.returncode == 12 and "CXONE_CLIENT_ID" in done.stderr, done
    assert not (folder / ".env").exists()


def test_the_password_can_come_from_a_file(folder, sandbox):
    (folder / "password").write_text("a good password\n")
    done = initialise(folder, sandbox.settings, "--password-file", "password")
    assert done.returncode == 0, done
    result = json.loads(done.stdout.splitlines()[-1])
    assert "password" not in result and "a good password" not in done.stdout + done.stderr
    server = Server(folder, {}).start()
    try:
        Session.sign_in(server.url, "supervisor", "a good password")
    finally:
        server.end()


def test_init_names_what_is_missing_without_a_terminal(folder):
    done = initialise(folder, {"CXONE_CONTRACT": "media-playback"})
    assert done.returncode == 12 and "CXONE_ACCESS_KEY_ID and CXONE_ACCESS_KEY_SECRET" in done.stderr, done


def test_init_asks_on_a_terminal_and_asks_again_after_a_failure(folder, sandbox):
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [BINARY, "init"], cwd=folder, env=environment(SHORT), stdin=other_end, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, bufsize=0)
    os.close(other_end)
    said = b""

    def answer(question: str, text: str):
        nonlocal said
        while question.encode() not in said:
            piece = process.stdout.read(1)
            assert piece, said
            said += piece
        said = b""
        os.write(terminal, text.encode() + b"\n")

    answer("API of the platform", "recordings-v2")
    answer("Base URL", sandbox.base)
    answer("Client ID", "sandbox-client")
    answer("Client secret", "wrong")
    answer("Try again", "")
    for question in ("API of the platform", "Base URL", "Client ID"):
        answer(question, "")
    answer("Client secret [unchanged]", "sandbox-secret")
    answer("Password of the account", "a good password")
    answer("Repeat password", "a good password")
    rest = process.stdout.read().decode()
    os.close(terminal)
    assert process.wait(PATIENCE) == 0, rest
    assert "/play/" in rest and "a good password" not in rest, rest
    assert "CXONE_CLIENT_SECRET=sandbox-secret\n" in (folder / ".env").read_text()
