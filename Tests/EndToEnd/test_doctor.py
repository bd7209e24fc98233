"""`doctor` and `serve` agree about wrong configurations."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import sqlite3
import subprocess
import tempfile

import pytest

from process import BINARY, PATIENCE, QUICK, Process, command, environment
from receiver import Receiver

BUCKET = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1"}
HOOK = {"QM_WEBHOOK_URL": "http://127.0.0.1:9/hook"}
POSTGRES = {"TAPEDECK_DATABASE_URL": "postgres://127.0.0.1:9/tapedeck"}

@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


#: Settings that are wrong in themselves, and what the message names. `{folder}` is the folder of the test.
WRONG_SETTINGS = [
    ({"CXONE_BASE_URL": ""}, "CXONE_BASE_URL"),
    ({"CXONE_CLIENT_ID": ""}, "CXONE_CLIENT_ID"),
    ({"CXONE_CLIENT_SECRET": ""}, "CXONE_CLIENT_SECRET"),
    ({"CXONE_BASE_URL": "", "CXONE_CLIENT_ID": ""}, "CXONE_BASE_URL and CXONE_CLIENT_ID"),
    ({"CXONE_BASE_URL": "http://platform.example"}, "CXONE_BASE_URL"),
    ({"CXONE_CLIENT_SECRET": "", "CXONE_CLIENT_SECRET_FILE": "/no/secret"}, "CXONE_CLIENT_SECRET_FILE"),
    ({"CXONE_RATE": "-1"}, "CXONE_RATE"),
    ({"CXONE_TIME_ZONE": "Mars/Base"}, "CXONE_TIME_ZONE"),
    ({"CXONE_SYNC_DIRECTION": "sideways"}, "CXONE_SYNC_DIRECTION"),
    ({"CXONE_WAIT_JITTER": "2-1"}, "CXONE_WAIT_JITTER"),
    ({"TAPEDECK_LISTEN": "0.0.0.0:8080"}, "TAPEDECK_LISTEN"),
    ({"TAPEDECK_LISTEN": "8080"}, "TAPEDECK_LISTEN"),
    ({"TAPEDECK_METRICS_LISTEN": "0.0.0.0:9090"}, "TAPEDECK_METRICS_LISTEN"),
    ({"TAPEDECK_PUBLIC_URL": "https://tapes.example/path"}, "TAPEDECK_PUBLIC_URL"),
    ({"TAPEDECK_TRUSTED_PROXIES": "everyone"}, "TAPEDECK_TRUSTED_PROXIES"),
    ({"TAPEDECK_SOURCES": "BAD!"}, "TAPEDECK_SOURCES"),
    ({"TAPEDECK_SOURCES": "emea"}, "SOURCE_EMEA_BASE_URL"),
    ({"TAPEDECK_DATABASE_URL": "mysql://host/db"}, "TAPEDECK_DATABASE_URL"),
    ({"TAPEDECK_DATABASE_URL_FILE": "/no/url"}, "TAPEDECK_DATABASE_URL_FILE"),
    ({"TAPEDECK_STORAGE_URL": "s3://bucket?region=x"}, "AWS_SECRET_ACCESS_KEY"),
    (BUCKET | {"TAPEDECK_STORAGE_URL": "https://bucket"}, "TAPEDECK_STORAGE_URL"),
    (BUCKET | {"TAPEDECK_STORAGE_URL": "s3://bucket?endpoint=http://store.example"}, "TAPEDECK_STORAGE_URL"),
    (BUCKET | {"TAPEDECK_STORAGE_URL": "s3://bucket?acl=public"}, "TAPEDECK_STORAGE_URL"),
    ({"QM_WEBHOOK_URL": "ftp://qm.example"}, "QM_WEBHOOK_URL"),
    (HOOK | {"QM_WEBHOOK_SECRET": "foo"}, "QM_WEBHOOK_SECRET"),
    (HOOK | {"QM_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "QM_WEBHOOK_SECRET"),
    (HOOK | {"QM_WEBHOOK_SECRET_FILE": "{folder}/empty"}, "QM_WEBHOOK_SECRET_FILE"),
    (HOOK | POSTGRES, "QM_WEBHOOK_SECRET"),
    ({"TAPEDECK_SIGNING_KEY": "foo"}, "TAPEDECK_SIGNING_KEY"),
    ({"TAPEDECK_SIGNING_KEY_FILE": "/no/key"}, "TAPEDECK_SIGNING_KEY_FILE"),
    ({"TAPEDECK_ORIGINALS": "perhaps"}, "TAPEDECK_ORIGINALS"),
    ({"TAPEDECK_LOG_LEVEL": "loud"}, "TAPEDECK_LOG_LEVEL"),
    ({"TAPEDECK_CONVERSIONS": "0"}, "TAPEDECK_CONVERSIONS"),
    ({"TAPEDECK_TRANSCODER_SANDBOX": "perhaps"}, "TAPEDECK_TRANSCODER_SANDBOX"),
    ({"TAPEDECK_MEMORY_DUMPS": "perhaps"}, "TAPEDECK_MEMORY_DUMPS"),
    ({"TAPEDECK_MINIMUM_FREE_MB": "much"}, "TAPEDECK_MINIMUM_FREE_MB"),
]


def both(folder: pathlib.Path, settings: dict[str, str]):
    """The failed checks of `doctor`, and `serve`, which must end by itself."""
    settings = {name: value.replace("{folder}", str(folder)) for name, value in settings.items()}
    doctor = command(folder, "doctor", "--json", settings=settings)
    findings = [json.loads(text) for text in doctor.stdout.splitlines()]
    failed = {found["check"]: found for found in findings if not found["ok"] and not found.get("skipped")}
    assert (doctor.returncode == 1) == bool(failed), doctor
    return failed, command(folder, "serve", settings=settings)


@pytest.mark.parametrize("wrong, named", WRONG_SETTINGS)
def test_doctor_and_serve_reject_the_same_settings_with_the_same_message(folder, sandbox, wrong, named):
    (folder / "empty").write_text("\n")
    failed, serve = both(folder, QUICK | sandbox.settings | wrong)
    assert serve.returncode == 12, serve
    assert named in failed["Settings"]["message"]
    assert failed["Settings"]["message"] in serve.stderr
    assert not (folder / "tapedeck-data").exists(), "nothing is created"


@pytest.mark.parametrize("text, mode, reason", [
    (None, 0, "there is no tapedeck-transcoder"),
    ("no program", 0o644, "there is no tapedeck-transcoder"),
    ("#!/nowhere/sh", 0o755, "cannot be executed"),
    ("#!/bin/sh\necho 'libavformat.so: cannot open shared object file' >&2\nexit 127", 0o755, "libavformat.so"),
])
def test_doctor_says_why_nothing_can_be_converted(folder, sandbox, text, mode, reason):
    # Beside the program, where it looks for the transcoder; usually on the same disk, where a link needs no space.
    with tempfile.TemporaryDirectory(dir=pathlib.Path(BINARY).parent) as installed:
        os.link(BINARY, f"{installed}/tapedeck")
        if text is not None:
            transcoder = pathlib.Path(installed, "tapedeck-transcoder")
            transcoder.write_text(text + "\n")
            transcoder.chmod(mode)
        done = subprocess.run(
            [f"{installed}/tapedeck", "doctor", "--json"], cwd=folder, env=environment(QUICK | sandbox.settings),
            capture_output=True, text=True, timeout=PATIENCE)
    [failed] = [found for found in map(json.loads, done.stdout.splitlines()) if not found["ok"] and not found.get("skipped")]
    assert failed["check"] == "Transcoder"
    assert "make install" in failed["remedy"] and reason in failed["remedy"], failed


#: A transcoder that is ready, with Landlock's version and whether there is seccomp; it converts nothing.
READY = """#!/usr/bin/env python3
import socket, struct
tapedeck = socket.socket(fileno=0)
tapedeck.send(struct.pack("=IiQQQ32s", 1, 1, 0, {landlock}, {seccomp}, b"5.1"))
tapedeck.recv(64)
"""


@pytest.mark.parametrize("landlock, seccomp, missing", [(6, 1, None), (0, 1, "Landlock"), (6, 0, "seccomp")])
@pytest.mark.parametrize("wanted", ["available", "required"])
def test_a_required_sandbox_must_be_complete(folder, sandbox, landlock, seccomp, missing, wanted):
    settings = QUICK | sandbox.settings | {"TAPEDECK_TRANSCODER_SANDBOX": wanted}
    with tempfile.TemporaryDirectory(dir=pathlib.Path(BINARY).parent) as installed:
        program, transcoder = f"{installed}/tapedeck", pathlib.Path(installed, "tapedeck-transcoder")
        os.link(BINARY, program)
        transcoder.write_text(READY.format(landlock=landlock, seccomp=seccomp))
        transcoder.chmod(0o755)
        doctor = subprocess.run(
            [program, "doctor", "--json"], cwd=folder, env=environment(settings), capture_output=True, text=True,
            timeout=PATIENCE)
        server = Process(["serve"], folder, settings, folder / "log", program=[program])
        if missing and wanted == "required":
            assert server.popen.wait(PATIENCE) == 12, server.output
            assert f"the kernel of this machine has no {missing}" in server.output
        else:
            server.address("Tapedeck listens on")
            assert server.terminate() == 0
            assert "conversions use FFmpeg 5.1, sandbox: " in server.output
            assert (f"this kernel has no {missing}" in server.output) == bool(missing), server.output
    [found] = [found for found in map(json.loads, doctor.stdout.splitlines()) if found["check"] == "Transcoder"]
    assert found["ok"] == (not missing or wanted == "available"), found
    assert not missing or f"has no {missing}" in json.dumps(found), found


def test_every_wrong_setting_is_named_at_once(folder, sandbox):
    wrong = {"CXONE_RATE": "x", "TAPEDECK_LISTEN": "here", "TAPEDECK_LOG_LEVEL": "loud", "TAPEDECK_LISTN": "127.0.0.1:1"}
    failed, serve = both(folder, QUICK | sandbox.settings | wrong)
    for text in (failed["Settings"]["message"], serve.stderr):
        assert all(name in text for name in ("CXONE_RATE", "TAPEDECK_LISTEN", "TAPEDECK_LOG_LEVEL")), text


def test_doctor_suggests_the_settings_that_were_meant(folder, sandbox):
    (folder / ".env").write_text("TAPEDECK_LISTN=127.0.0.1:1\n")
    (folder / "tapedeck.yaml").write_text("tapedeck:\n  datadir: here\n")
    done = command(folder, "doctor", "--json", settings=QUICK | sandbox.settings)
    found = json.loads(done.stdout.splitlines()[0])
    assert found["ok"] and "did you mean TAPEDECK_LISTEN?" in found["message"], found
    assert "did you mean tapedeck.dataDir?" in found["message"], found


def test_a_settings_file_that_other_users_can_read_is_a_warning(folder, sandbox):
    env = folder / ".env"
    env.write_text(f"CXONE_CLIENT_SECRET={sandbox.settings['CXONE_CLIENT_SECRET']}\n")
    settings = QUICK | {name: value for name, value in sandbox.settings.items() if name != "CXONE_CLIENT_SECRET"}
    for mode, warns in [(0o644, True), (0o640, False)]:
        env.chmod(mode)
        done = command(folder, "doctor", settings=settings)
        assert done.returncode == 0, done
        assert (f"Run 'chmod o= {env}'." in done.stdout) == warns, done
        assert done.stdout.startswith("warn 1. Settings" if warns else "ok   1. Settings"), done
        server = Process(["serve"], folder, settings, folder / f"log-{mode}")
        server.address("Tapedeck listens on")
        assert server.terminate() == 0
        assert (f"Run 'chmod o= {env}'." in server.output) == warns, server.output


def initialised(folder: pathlib.Path) -> pathlib.Path:
    assert command(folder, "init", "--empty", settings=QUICK).returncode == 0
    assert command(folder, "migrate", "up", settings=QUICK).returncode == 0
    return folder / "tapedeck-data"


def clear_pages(catalog: pathlib.Path):
    with catalog.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(bytes(20 * 4096))


def replace_with_folder(path: pathlib.Path):
    path.unlink()
    path.mkdir()


def use_newer_schema(catalog: pathlib.Path):
    with sqlite3.connect(catalog) as database:
        database.execute("INSERT INTO migration (version, name, applied_at) VALUES (99, 'later', 0)")
    database.close()


@pytest.mark.parametrize("spoil, problem", [
    (clear_pages, "damaged (malformed)"),
    (lambda catalog: catalog.write_text("text " * 1000), "not an SQLite database"),
    (lambda catalog: os.truncate(catalog, catalog.stat().st_size // 2 // 4096 * 4096), "damaged (malformed)"),
    (replace_with_folder, "cannot be opened"),
    (use_newer_schema, "newer version"),
], ids=["pages", "text", "half", "folder", "newer"])
def test_doctor_and_serve_reject_the_same_catalogs(folder, sandbox, spoil, problem):
    catalog = initialised(folder) / "catalog.sqlite"
    spoil(catalog)
    failed, serve = both(folder, QUICK | sandbox.settings)
    assert serve.returncode == 1, serve
    assert list(failed) == ["Catalog"]
    for text in (failed["Catalog"]["message"], serve.stderr):
        assert problem in text and str(catalog) in text


@pytest.mark.parametrize("settings, check", [
    ({"TAPEDECK_DATA_DIR": "/proc/nowhere"}, "Data directory"),
    ({"TAPEDECK_DATA_DIR": "{folder}/empty"}, "Data directory"),
    ({"TAPEDECK_DATA_DIR": "{folder}/empty/data"}, "Data directory"),
    ({"SSL_CERT_FILE": "/no/certificates"}, "Certificates"),
    ({"SSL_CERT_FILE": "{folder}/empty"}, "Certificates"),
    ({"HTTPS_PROXY": "ftp://proxy.example"}, "Proxy"),
])
def test_doctor_and_serve_reject_the_same_folders_and_certificates(folder, sandbox, settings, check):
    (folder / "empty").write_text("\n")
    failed, serve = both(folder, QUICK | sandbox.settings | settings)
    assert check in failed
    assert serve.returncode in (1, 12), serve


@pytest.mark.parametrize("name", ["TAPEDECK_LISTEN", "TAPEDECK_METRICS_LISTEN"])
def test_doctor_and_serve_reject_the_same_addresses(folder, sandbox, name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        failed, serve = both(folder, QUICK | sandbox.settings | {name: address})
    assert list(failed) == ["Addresses"] and name in failed["Addresses"]["message"]
    assert serve.returncode == 12 and failed["Addresses"]["message"] in serve.stderr, serve


def test_doctor_accepts_the_addresses_of_the_running_server(server):
    address = server.url.split("//")[1].rstrip("/")
    done = command(server.folder, "doctor", "--json", settings=server.settings | {"TAPEDECK_LISTEN": address})
    assert done.returncode == 0, done


def test_doctor_and_serve_reject_the_same_ports(folder, sandbox):
    for name, value in [
            ("CXONE_BASE_URL", "http://127.0.0.1:99999"), ("QM_WEBHOOK_URL", "http://127.0.0.1:0/hook"),
            ("TAPEDECK_STORAGE_URL", "s3://recordings?region=x&endpoint=https://127.0.0.1:65536"),
            ("TAPEDECK_PUBLIC_URL", "https://example.com:99999")]:
        failed, serve = both(folder, QUICK | sandbox.settings | {name: value})
        assert serve.returncode == 12 and name in failed["Settings"]["message"], name
        assert failed["Settings"]["message"] in serve.stderr


def test_doctor_and_serve_reject_the_same_files(folder, sandbox):
    data = initialised(folder)
    (data / "keys" / "statement-key").write_text("foo\n")
    failed, serve = both(folder, QUICK | sandbox.settings)
    assert serve.returncode == 12 and failed["Settings"]["message"] in serve.stderr
    (data / "keys" / "statement-key").unlink()

    (data / "demo").touch()
    failed, serve = both(folder, QUICK | sandbox.settings)
    assert serve.returncode == 12 and failed["Settings"]["message"] in serve.stderr
    (data / "demo").unlink()

    (folder / "tapedeck.yaml").write_text("tapedeck: [broken\n")
    failed, serve = both(folder, QUICK | sandbox.settings)
    assert serve.returncode == 12 and failed["Settings"]["message"] in serve.stderr


def test_a_stopped_server_leaves_its_catalog_in_one_file(server):
    assert server.supervisor.ingest("codec-gsm").status == 200
    assert server.process.terminate() == 0
    assert sorted(server.data.path.glob("catalog*")) == [server.data.path / "catalog.sqlite"]
    with sqlite3.connect(f"file:{server.data.path}/catalog.sqlite?mode=ro&immutable=1", uri=True) as catalog:
        assert catalog.execute("SELECT count(*) FROM recording").fetchone() == (1,)
    catalog.close()


def test_a_command_without_a_server_leaves_a_data_directory_like_that_of_a_server(folder, sandbox):
    data = folder / "new"
    data.mkdir(mode=0o700)
    settings = QUICK | sandbox.settings | {"TAPEDECK_DATA_DIR": str(data)}
    for arguments in (["list"], ["user", "list"], ["list", "--json"]):
        assert command(folder, *arguments, settings=settings).returncode == 0
        assert sorted(path.name for path in data.iterdir()) == [
            "catalog.sqlite", "keys", "lock", "objects", "quarantine", "spool"]


def test_doctor_finds_that_the_command_socket_of_a_running_server_is_missing(server):
    def found():
        done = server.command("doctor", "--json")
        return {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}

    assert found()["Command socket"]["ok"]
    (server.data.path / "tapedeck.sock").unlink()
    missing = found()["Command socket"]
    assert not missing["ok"] and "does not listen on its command socket" in missing["message"]
    assert "restart the server" in missing["remedy"]
    assert server.process.terminate() == 0
    assert "Command socket" not in found()


def test_doctor_reaches_the_webhook_receiver(folder, sandbox, receiver):
    settings = QUICK | sandbox.settings | receiver.settings
    done = command(folder, "doctor", "--json", settings=settings)
    found = {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0 and found["Webhook receiver"]["ok"], done
    failed, _ = both(folder, settings | {"QM_WEBHOOK_URL": "http://127.0.0.1:9/hook", "TAPEDECK_LISTEN": "wrong"})
    assert "Webhook receiver" not in failed, "it is skipped while the settings are wrong"
    done = command(folder, "doctor", "--json", settings=settings | {"QM_WEBHOOK_URL": "http://127.0.0.1:9/hook"})
    found = {finding["check"]: finding for finding in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1 and "refused the connection" in found["Webhook receiver"]["message"]
