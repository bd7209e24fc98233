"""Faults of the machine under a running server: it continues by itself and archives the correct file."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from faults import FaultyCalls
from process import BINARY, environment
from programs import request
from receiver import Receiver
from waiting import PATIENCE, eventually

ID = "codec-pcm-stereo"


@pytest.fixture
def make_faulty_server(make_server, folder, sandbox, faulty_calls):
    """Starts a server in which calls fail for as long as a file exists: `flag.touch()`, `flag.unlink()`."""

    def make(kind: str, error: str, files: str | None = None, flag: bool = True, **rest):
        server = make_server(start=False, TAPEDECK_METRICS_LISTEN="127.0.0.1:0")
        faults = FaultyCalls(
            faulty_calls, server.data.path, folder / "trace", kind, error, files,
            flag=folder / "flag" if flag else None, platform=sandbox.base, **rest)
        server.settings |= faults.settings
        server.start()
        # Before anything fails, because creating a token writes to the catalog.
        server.supervisor, server.token("metrics")
        return server, faults

    return make


def assert_archived_whole(server, sandbox, ids=(ID,)):
    sandbox.clear_faults()
    for id in ids:
        assert server.data.original(id) == sandbox.file(id)
    server.data.assert_tidy()
    assert not server.data.quarantined()


def assert_archived_whole_in_the_end(server, sandbox, ids):
    # A recording that is still being archived has files without rows.
    eventually(lambda: all(server.data.part(id) for id in ids))
    assert_archived_whole(server, sandbox, ids)


def logged(server, words: str) -> list[dict]:
    lines = [json.loads(line) for line in server.process.output.splitlines() if line.startswith("{")]
    return [line for line in lines if words in line["message"]]


def metric(server, name: str) -> float:
    text = request(server.url, "GET", "/metrics", {"Authorization": f"Bearer {server.token('metrics')}"}).text
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


#: What is full, the calls that fail, and the files.
FULL = [("spool", "write", "spool/*"), ("objects", "rename", "objects/*"), ("catalog", "write", "catalog.sqlite*")]


@pytest.mark.parametrize("what, kind, files", FULL, ids=[what for what, *_ in FULL])
def test_a_full_disk_is_logged_once_and_work_resumes_when_there_is_space(
        make_faulty_server, sandbox, what, kind, files):
    server, faults = make_faulty_server(kind, "ENOSPC", files)
    ids = [ID, "codec-gsm", "codec-adpcm"]
    if what == "catalog":
        # The disk fills up during downloads; later recordings cannot even be requested.
        sandbox.fault("slow", bytesPerSecond=20_000)
        for id in ids:
            server.supervisor.start(id)
        eventually(lambda: all((server.data.job(id) or {}).get("bytes", 0) > 0 for id in ids))
        faults.flag.touch()
        sandbox.clear_faults()
        reply = server.supervisor.ingest("codec-alaw-mono")
        assert (reply.status, reply.code) == (507, "disk_full")
    else:
        faults.flag.touch()
        for id in ids:
            reply = server.supervisor.ingest(id)
            assert (reply.status, reply.code) == (507, "disk_full")
        assert server.data.part(ID) is None and not server.data.files("objects")
        # Each attempt finds the disk full for a second; between two attempts a download may begin.
        eventually(lambda: server.anonymous.get("/readyz").status == 503)
        eventually(lambda: metric(server, "tapedeck_admission_open") == 0)
        assert metric(server, 'tapedeck_disk_free_bytes{holds="spool"}') > 0
        assert len(eventually(lambda: logged(server, "no new downloads begin"))) == 1
    eventually(lambda: faults.failed)

    faults.flag.unlink()
    assert_archived_whole_in_the_end(server, sandbox, ids)
    eventually(lambda: server.anonymous.get("/readyz").status == 200)
    eventually(lambda: metric(server, "tapedeck_admission_open") == 1)
    assert {server.data.job(id)["attempts"] for id in ids} <= {0, 1}


def test_a_catalog_that_fails_for_a_while_costs_no_recording(make_faulty_server, sandbox):
    server, faults = make_faulty_server("query", "SQLITE_IOERR")
    sandbox.fault("slow", bytesPerSecond=20_000)
    ids = [ID, "codec-gsm", "codec-adpcm"]
    for id in ids:
        server.supervisor.start(id)
    eventually(lambda: all((server.data.job(id) or {}).get("bytes", 0) > 0 for id in ids))
    faults.flag.touch()
    sandbox.clear_faults()
    assert server.supervisor.ingest("codec-alaw-mono").status in (500, 503)
    assert server.anonymous.get("/readyz").status == 503
    assert server.anonymous.get("/livez").status == 200
    eventually(lambda: len(faults.failed) > 30)
    failures = [f"claiming jobs of the queue '{queue}' fails" for queue in ("polling", "transfer")]
    eventually(lambda: all(logged(server, words) for words in failures))
    faults.flag.unlink()
    assert_archived_whole_in_the_end(server, sandbox, ids)
    eventually(lambda: server.anonymous.get("/readyz").status == 200)
    for words in failures:
        assert len(logged(server, words)) == 1, "said once, however often it is tried"


@pytest.mark.parametrize("arguments", [["ingest", ID], ["verify", "--all"], ["token", "create", "t"], ["sync"]],
                         ids=lambda arguments: arguments[0])
def test_a_command_that_reaches_the_limit_of_the_size_of_files_ends_with_an_error(make_server, arguments):
    server = make_server()
    assert server.terminate() == 0
    done = subprocess.run(
        ["prlimit", "--fsize=4096:4096", BINARY, *arguments], cwd=server.folder, env=environment(server.settings),
        stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=PATIENCE)
    assert done.returncode > 0, "not ended by a signal"
    assert done.stderr


def test_an_object_store_that_fails_for_a_while_costs_no_second_download(make_faulty_server, sandbox):
    server, faults = make_faulty_server("rename", "EIO", "objects/*")
    faults.flag.touch()
    job = server.supervisor.start(ID)
    server.supervisor.job_until(job, lambda job: job.get("error", {}).get("code") == "storage_failed")
    faults.flag.unlink()
    server.supervisor.job_until(job, lambda job: job["state"] == "done")
    assert len(sandbox.downloads(ID)) == 1
    assert_archived_whole(server, sandbox)


@pytest.mark.parametrize("n", [1, 2], ids=["after the download", "before the object store"])
def test_a_recording_is_downloaded_again_after_a_failed_fsync(make_faulty_server, sandbox, n):
    server, faults = make_faulty_server("fsync", "EIO", "spool/*.part", flag=False, at=n)
    assert server.supervisor.ingest(ID).status == 200
    assert len(faults.failed) == 1
    # The bytes can still be read, but may never reach the disk.
    assert [(entry["range"], entry["status"]) for entry in sandbox.downloads(ID)] == [("bytes=0-", 206)] * 2
    assert_archived_whole(server, sandbox)


@pytest.mark.parametrize("ending", ["mp3", "peaks"])
def test_a_file_is_made_again_after_a_failed_fsync(make_faulty_server, sandbox, ending):
    server, faults = make_faulty_server("fsync", "EIO", f"spool/*.{ending}", flag=False, at=1)
    assert server.supervisor.ingest(ID).status == 200
    [failed] = faults.failed
    synced = [call for call in faults.calls("fsync") if call.endswith(f".{ending}")]
    assert len(synced) == 1 and synced[0] not in failed, "it is the file of another claim"
    assert_archived_whole(server, sandbox)


def test_a_disk_that_cannot_be_read_or_written_costs_no_recording(make_faulty_server, sandbox):
    server, faults = make_faulty_server("write", "EIO", "spool/*")
    faults.flag.touch()
    job = server.supervisor.start(ID)
    server.supervisor.job_until(job, lambda job: job.get("error", {}).get("code") == "storage_failed")
    faults.flag.unlink()
    server.supervisor.job_until(job, lambda job: job["state"] == "done")
    assert_archived_whole(server, sandbox)


@pytest.mark.parametrize("kind, error", [("write", "ENOSPC"), ("fsync", "EIO"), ("rename", "EIO"), ("open", "EMFILE")])
def test_a_secret_that_was_not_written_completely_is_made_again(make_server, folder, faulty_calls, kind, error):
    with Receiver() as receiver:
        server = make_server(start=False, QM_WEBHOOK_URL=receiver.url)
        assert server.command("init", "--empty").returncode == 0
        faults = FaultyCalls(faulty_calls, server.data.path, folder / "trace", kind, error, "keys/*", at=1)
        if kind == "open":
            # The first call checks whether there is a secret.
            faults.at = 2
        plain, server.settings = server.settings, server.settings | faults.settings
        done = server.command("ingest", ID)
        assert done.returncode == 1 and done.stderr.startswith("tapedeck: "), done
        assert len(faults.failed) == 1
        server.settings = plain
        assert server.command("ingest", ID).returncode == 0
        assert server.data.files("keys") == {"webhook-secret"}
        secret = (server.data.path / "keys" / "webhook-secret").read_text().strip()
        server.start()
        message = eventually(lambda: receiver.messages)[0]
        assert message.verified(secret)["recordingId"] == ID


def test_a_secret_that_cannot_be_read_is_not_replaced(make_server, folder, faulty_calls):
    server = make_server(start=False, QM_WEBHOOK_URL="http://127.0.0.1:9/")
    server.ok("init", "--empty")
    server.ok("ingest", "codec-gsm")
    secret = (server.data.path / "keys" / "webhook-secret").read_text()
    faults = FaultyCalls(faulty_calls, server.data.path, folder / "trace", "open", "EIO", "keys/*", at=1)
    plain, server.settings = server.settings, server.settings | faults.settings
    done = server.command("ingest", ID)
    assert done.returncode == 1 and "keys/webhook-secret" in done.stderr, done
    server.settings = plain
    assert (server.data.path / "keys" / "webhook-secret").read_text() == secret


def test_a_command_reports_a_full_disk_and_the_next_one_succeeds(make_server, sandbox):
    server = make_server(start=False, TAPEDECK_MINIMUM_FREE_MB="900000000")
    server.ok("init", "--empty")
    for _ in range(2):
        done = server.command("ingest", ID)
        assert done.returncode == 1 and "disk is full" in done.stderr, done
    del server.settings["TAPEDECK_MINIMUM_FREE_MB"]
    server.ok("ingest", ID)
    assert_archived_whole(server, sandbox)


def limit_files(server, size: str) -> None:
    subprocess.run(["prlimit", f"--pid={server.process.pid}", f"--fsize={size}:"], check=True)


def test_a_limit_of_the_size_of_files_is_named(make_server, sandbox):
    server = make_server()
    server.supervisor
    limit_files(server, "5000000")
    job = server.supervisor.start("bench-50mb")
    failed = server.supervisor.job_until(job, lambda job: job.get("error", {}).get("code") == "storage_failed")
    assert "ulimit -f" in failed["error"]["detail"]
    limit_files(server, "unlimited")
    server.supervisor.job_until(job, lambda job: job["state"] == "done")
    assert_archived_whole(server, sandbox, ["bench-50mb"])
