"""Secrets do not leak: each is a canary that is searched for in everything that was written."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from programs import BINARY, Process, command, request
from receiver import SECRET, Receiver
from sessions import Session, cookie_value, form_token, sign_in_reply
from waiting import eventually

CANARY_PASSWORD = "canary-password-5be3"


def everything_written(server) -> dict[str, str]:
    """The log and every file of the data directory, except keys and audio."""
    found = {"server.log": server.log.read_text(errors="replace")}
    for path in server.data.path.rglob("*"):
        if path.is_file() and path.suffix not in (".mp3", ".wav", ".dat") and "keys" not in path.parts:
            found[str(path.relative_to(server.data.path))] = path.read_bytes().decode("latin-1")
    return found


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_secret_is_in_the_log_or_the_data_directory(make_server, sandbox, form):
    with Receiver(answers=[500]) as receiver:
        server = make_server(**receiver.settings, TAPEDECK_LOG_LEVEL="trace", TAPEDECK_LOG_FORMAT=form)
        server.ok("user", "add", "carl", "--role", "supervisor", stdin=CANARY_PASSWORD + "\n")
        session = Session.sign_in(server.url, "carl", CANARY_PASSWORD)
        csrf = session.token()
        page = request(server.url, "GET", "/login")
        sign_in_reply(server.url, "carl", "canary-wrong-password")
        session.post("/logout", {"csrf": "wrong"})
        request(server.url, "GET", "/", {"Authorization": "Bearer tdk_canary-unknown-token"})
        sandbox.fault("expired-token", "codec-pcm-mono", endpoint="metadata", times=1)
        sandbox.fault("error-page", "codec-gsm", variant="html")
        sandbox.fault("scope-missing", "codec-adpcm")
        sandbox.fault("server-error", "codec-alaw-mono", endpoint="download", times=1)
        for id in ("codec-pcm-mono", "codec-gsm", "codec-adpcm", "codec-alaw-mono"):
            server.supervisor.ingest(id)
        server.supervisor.get("/audio/codec-pcm-mono.mp3")
        eventually(lambda: receiver.messages)
        tokens = [server.token("supervisor"), server.token("agent")]
        assert server.terminate() == 0

    canaries = [
        "sandbox-secret", "c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ", CANARY_PASSWORD, "canary-wrong-password",
        "canary-unknown-token", SECRET, SECRET.removeprefix("whsec_"), session.secret, csrf, form_token(page),
        cookie_value(page, "__Host-tapedeck-form"), *tokens, *receiver.messages[0].headers["webhook-signature"].split(),
    ]
    written = everything_written(server)
    assert len(written["server.log"]) > 5000, "there is a log to search"
    for place, text in written.items():
        for canary in canaries:
            # The catalog keeps the form token of a session, to compare it.
            assert canary not in text or (canary == csrf and "catalog" in place), (canary[:12], place)
        assert not re.search(r"sbx\.[0-9a-z]+\.[0-9a-z]+", text), f"a platform token in {place}"
        assert "Bearer " not in text or place.startswith("catalog"), place


def test_the_log_is_json_with_a_request_id(make_server):
    server = make_server(TAPEDECK_LOG_LEVEL="debug")
    reply = server.supervisor.ingest("no-such-recording")
    assert server.terminate() == 0
    lines = [line for line in server.log.read_text().splitlines() if not line.startswith("Tapedeck listens on")]
    entries = [json.loads(line) for line in lines]
    [logged] = [entry for entry in entries if reply.headers["x-request-id"] in json.dumps(entry)]
    assert "unknown_recording" in json.dumps(logged) and "404" in json.dumps(logged)


def test_a_conversion_gets_no_secret(make_server):
    # Otherwise only root can read the environment of the processes.
    server = make_server(
        TAPEDECK_MEMORY_DUMPS="on", QM_WEBHOOK_URL="http://127.0.0.1:9/", QM_WEBHOOK_SECRET=SECRET)
    server.supervisor.start("bench-50mb")
    [child] = eventually(server.process.conversions, every=0.005)
    os.kill(child, signal.SIGSTOP)
    try:
        about = [
            pathlib.Path(f"/proc/{pid}/{name}").read_bytes().decode()
            for pid in server.process.descendants() for name in ("environ", "cmdline")]
    finally:
        os.kill(child, signal.SIGCONT)
    assert len(about) >= 4
    for text in about:
        assert "sandbox-secret" not in text and "whsec_" not in text


@pytest.mark.parametrize("dumps", ["off", "on"])
def test_other_processes_of_the_user_cannot_examine_server_and_transcoder(make_server, dumps):
    server = make_server(start=False, TAPEDECK_MEMORY_DUMPS=dumps)
    # Root can always do this, so server and reader give up the rights of root.
    without_rights = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    server.process = Process(
        ["serve"], server.folder, server.settings, server.log, program=[*without_rights, BINARY])
    server.process.address("Tapedeck listens on")
    [transcoder] = server.process.transcoders()
    for pid in (server.pid, transcoder):
        read = subprocess.run(
            [*without_rights, "head", "-c", "1", f"/proc/{pid}/auxv"], capture_output=True, text=True)
        assert (read.returncode == 0) == (dumps == "on"), (pid, read)


def test_only_the_owner_can_access_files(server):
    assert server.supervisor.ingest("codec-pcm-mono").status == 200
    # Spool files are removed after the response; one that is removed meanwhile has no mode.
    eventually(lambda: not server.data.files("spool"))
    for path in [server.data.path, *server.data.path.rglob("*")]:
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


#: A platform that is not running: these commands end before they connect.
PLATFORM = {
    "CXONE_BASE_URL": "http://127.0.0.1:9", "CXONE_CLIENT_ID": "canary-client", "CXONE_CLIENT_SECRET": "canary-secret"}

MALFORMED = {
    "CXONE_BASE_URL": "http://canary:canary@platform.example", "CXONE_RATE": "canary", "CXONE_BURST": "canary",
    "CXONE_DOWNLOADS": "canary", "CXONE_WAIT_BASE": "canary", "CXONE_WAIT_JITTER": "canary", "CXONE_WAIT_CAP": "canary",
    "CXONE_WAIT_ATTEMPTS": "canary", "CXONE_STALL_SECONDS": "canary", "QM_WEBHOOK_URL": "ftp://canary:canary@x/canary",
    "QM_WEBHOOK_SECRET": "canary", "TAPEDECK_LISTEN": "canary", "TAPEDECK_PUBLIC_URL": "canary",
    "TAPEDECK_TRUSTED_PROXIES": "canary", "TAPEDECK_ORIGINALS": "canary", "TAPEDECK_SOURCES": "CANARY canary!",
    "TAPEDECK_LOG_LEVEL": "canary", "TAPEDECK_LOG_FORMAT": "canary", "TAPEDECK_METRICS_LISTEN": "canary",
    "TAPEDECK_CONVERSIONS": "canary", "TAPEDECK_MINIMUM_FREE_MB": "canary", "CXONE_CLIENT_SECRET_FILE": "/canary",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_setting_is_named_without_its_value(folder, name):
    settings = PLATFORM | {"QM_WEBHOOK_URL": "http://127.0.0.1:9/"}
    if name == "CXONE_CLIENT_SECRET_FILE":
        del settings["CXONE_CLIENT_SECRET"]
    done = command(folder, "serve", settings=settings | {name: MALFORMED[name]})
    assert done.returncode == 12, done
    assert name in done.stderr
    assert "canary" not in (done.stderr + done.stdout).lower()


@pytest.mark.parametrize("name", ["CXONE_BASE_URL", "CXONE_CLIENT_ID", "CXONE_CLIENT_SECRET"])
def test_a_missing_setting_is_named_with_the_places_where_it_can_be_set(folder, name):
    settings = {key: value for key, value in PLATFORM.items() if key != name}
    done = command(folder, "serve", settings=settings)
    assert done.returncode == 12
    assert f"{name} is not set" in done.stderr
    for place in ("flags", "environment", f"{folder}/.env", f"{folder}/tapedeck.yaml"):
        assert place in done.stderr
    for value in settings.values():
        assert value not in done.stderr
    assert not (folder / "tapedeck-data").exists()
