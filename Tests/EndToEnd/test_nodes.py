"""Several nodes on one PostgreSQL and one object store."""

import json
import time

import pytest

from backing import free_port
from cluster import Cluster, archived, assert_nothing_lost, request_all
from programs import Client, path_segment
from proxy import Proxy
from receiver import SECRET, Receiver
from waiting import eventually

#: Bytes a second, so that a download takes about half a second.
SLOW = 60_000


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def cluster(folder, backing, sandbox, receiver):
    cluster = Cluster(folder, backing, sandbox, receiver.settings, workers=0)
    yield cluster
    cluster.end()


def start_workers(cluster, count, **ports):
    for number in range(count):
        worker = cluster.node(f"worker-{number}", ["worker"], "ready for jobs", port=ports.get(f"port_{number}"))
        cluster.workers.append(worker)
        worker.start()


UNICODE = ["Größe-1", "通話/記録 2", "🎧-3", "cafe\u0301-4", "запись-٣"]


def test_ids_in_any_script_pass_through_commands_api_pages_and_bucket(cluster, sandbox, receiver):
    start_workers(cluster, 1)
    done = cluster.web.command("ingest", *UNICODE, "--json")
    assert done.returncode == 0, done
    assert {json.loads(line)["id"] for line in done.stdout.splitlines()} == set(UNICODE)
    assert_nothing_lost(cluster, sandbox, UNICODE, receiver)
    listed = cluster.web.command("list", "--json")
    assert {row["id"] for row in json.loads(listed.stdout)["recordings"]} == set(UNICODE)
    table = cluster.web.command("list").stdout
    pages = cluster.client().get("/", Accept="text/html").text
    for id in UNICODE:
        assert id in table and path_segment(id) in pages
        assert id in cluster.web.command("show", id).stdout
        assert id in cluster.web.command("jobs", "show", id).stdout
        assert cluster.client().get(f"/audio/{path_segment(id)}.mp3").status == 200
        assert cluster.client().get(f"/api/v1/recordings/{path_segment(id)}").json()["id"] == id
        page = cluster.client().get(f"/play/{path_segment(id)}", Accept="text/html")
        assert page.status == 200 and id in page.text
    entries = [json.loads(line) for line in cluster.web.command("audit", "list", "--json").stdout.splitlines()]
    assert {entry["recordingId"] for entry in entries if entry["action"] == "archive"} == set(UNICODE)
    # A damaged object is found and repaired under the same ID.
    key = cluster.rows("SELECT p.mp3_object FROM media_part p JOIN recording r ON r.id = p.recording_id "
                       "WHERE r.platform_id = ?", UNICODE[1])[0]["mp3_object"]
    before = cluster.objects()[key]
    cluster.bucket.put(key, b"damaged")
    found = cluster.web.command("verify", "--all")
    assert UNICODE[1] in found.stdout + found.stderr, found
    eventually(lambda: cluster.client().get(f"/audio/{path_segment(UNICODE[1])}.mp3").body == before)


def holder(cluster, spool="*.part"):
    """A worker that has a file in its spool."""
    return next((worker for worker in cluster.workers
                 if list((worker.folder / "tapedeck-data/spool").glob(spool))), None)


def test_no_recording_is_lost_when_workers_are_killed_paused_or_disconnected(cluster, sandbox, receiver):
    proxy = Proxy(cluster.backing.postgresql.port)
    start_workers(cluster, 3, port_2=proxy.port)
    ids = [f"short-{number:04}" for number in range(1, 31)]
    sandbox.fault("slow", "*", bytesPerSecond=6_000)
    request_all(cluster, ids)
    killed, paused, disconnected = cluster.workers
    for worker in cluster.workers:
        eventually(lambda worker=worker: list((worker.folder / "tapedeck-data/spool").glob("*.part")))

    # Each of them is downloading.
    killed.kill()
    paused.pause()
    proxy.cut()
    sandbox.clear_faults()
    killed.start()
    # The restarted worker does the jobs of the others after their leases have expired.
    eventually(lambda: archived(cluster) == len(ids))
    # What the paused worker writes now must change nothing.
    paused.resume()
    proxy.restore()
    eventually(lambda: not cluster.rows("SELECT 1 AS found FROM job WHERE run_state <> 'done'"))
    assert_nothing_lost(cluster, sandbox, ids, receiver)
    eventually(lambda: not cluster.spools())
    proxy.close()


def test_nodes_share_the_archive_and_the_access_log(cluster, sandbox):
    start_workers(cluster, 1)
    second = cluster.node("web-2", ["serve", "--no-workers"], "Tapedeck listens on").start()
    try:
        reply = cluster.client().ingest("codec-gsm")
        assert (reply.status, reply.json()["status"]) == (200, "ready"), reply
        other = Client(second.url, cluster.token)
        sound = other.get("/audio/codec-gsm.mp3", Range="bytes=0-99")
        assert (sound.status, len(sound.body)) == (206, 100)
        assert sound.body == cluster.client().get("/audio/codec-gsm.mp3").body[:100]
        listed = cluster.web.command("audit", "list", "--json", "--what", "listen")
        assert len(listed.stdout.splitlines()) == 2, listed
    finally:
        second.end()


def test_nodes_with_different_webhook_secrets_are_refused(cluster):
    start_workers(cluster, 1)
    other = cluster.node("other", ["worker"], "ready for jobs")
    other.settings["QM_WEBHOOK_SECRET"] = SECRET.replace("MfKQ", "AAAA")
    done = other.command("worker")
    assert done.returncode == 12
    assert "QM_WEBHOOK_SECRET differs" in done.stderr
    assert SECRET not in done.stderr and other.settings["QM_WEBHOOK_SECRET"] not in done.stderr


def test_nodes_with_different_stores_are_refused(cluster):
    start_workers(cluster, 1)
    other = cluster.node("other", ["serve"], "Tapedeck listens on")
    storage = other.settings["TAPEDECK_STORAGE_URL"]
    for wrong in (None, storage.replace("/archive", "/another")):
        assert wrong != storage
        other.settings |= {"TAPEDECK_STORAGE_URL": wrong or ""}
        done = other.command("serve")
        assert done.returncode == 12, done
        assert "TAPEDECK_STORAGE_URL differs" in done.stderr
    other.settings |= {"TAPEDECK_STORAGE_URL": storage}
    other.start()
    other.end()


def test_statements_of_one_catalog_use_one_key(cluster):
    start_workers(cluster, 1)
    key = cluster.web.command("statement", "key")
    assert key.returncode == 0, key
    other = cluster.workers[0].command("statement", "key")
    assert other.returncode == 12 and "TAPEDECK_SIGNING_KEY differs" in other.stderr, other
    secret = (cluster.web.folder / "tapedeck-data/keys/statement-key").read_text().strip()
    assert secret not in other.stderr
    third = cluster.node("third", ["serve", "--no-workers"], "Tapedeck listens on")
    third.settings["TAPEDECK_SIGNING_KEY"] = secret
    third.start()
    assert third.command("statement", "key").stdout == key.stdout
    third.end()


@pytest.mark.parametrize("missing", ["TAPEDECK_DATABASE_URL", "TAPEDECK_STORAGE_URL"])
def test_a_worker_without_shared_settings_names_them(folder, sandbox, missing, make_server):
    server = make_server(start=False)
    shared = {
        "TAPEDECK_DATABASE_URL": "postgres://tapedeck@127.0.0.1:1/none",
        "TAPEDECK_STORAGE_URL": "s3://none?endpoint=http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b"}
    del shared[missing]
    server.settings |= shared
    for arguments in (["worker"], ["serve", "--no-workers"]):
        done = server.command(*arguments)
        assert done.returncode == 12, done
        assert missing in done.stderr
    assert not server.data.path.exists(), "nothing is created before the settings are complete"


def test_doctor_checks_the_database_and_the_bucket(cluster):
    def findings(**settings):
        cluster.web.settings |= settings
        done = cluster.web.command("doctor", "--json")
        assert secret not in done.stdout + done.stderr
        return done.returncode, {found["check"]: found for found in map(json.loads, done.stdout.splitlines())}

    secret = cluster.shared["AWS_SECRET_ACCESS_KEY"]
    right = {name: cluster.web.settings[name] for name in (
        "TAPEDECK_DATABASE_URL", "TAPEDECK_STORAGE_URL", "AWS_SECRET_ACCESS_KEY")}
    code, found = findings()
    assert code == 0 and found["PostgreSQL"]["ok"] and found[f"Bucket {cluster.bucket.name}"]["ok"], found

    for wrong in (f"postgres://canary:canary@127.0.0.1:{free_port()}/tapedeck",
                  right["TAPEDECK_DATABASE_URL"].replace(cluster.database.name, "another")):
        code, found = findings(TAPEDECK_DATABASE_URL=wrong)
        assert code == 1 and not found["PostgreSQL"]["ok"] and found[f"Bucket {cluster.bucket.name}"]["ok"], found
        assert "TAPEDECK_DATABASE_URL" in found["PostgreSQL"]["remedy"]
        assert "canary" not in str(found)

    endpoint = f"endpoint={cluster.backing.s3.endpoint}"
    for wrong, bucket in (
            ({"TAPEDECK_STORAGE_URL": f"s3://nowhere?{endpoint}&region=us-east-1"}, "nowhere"),
            ({"TAPEDECK_STORAGE_URL": f"s3://{cluster.bucket.name}?endpoint=http://127.0.0.1:{free_port()}"},
             cluster.bucket.name)):
        code, found = findings(**right | wrong)
        assert code == 1 and found["PostgreSQL"]["ok"] and not found[f"Bucket {bucket}"]["ok"], found
        assert "TAPEDECK_STORAGE_URL" in found[f"Bucket {bucket}"]["remedy"]


def test_nodes_continue_after_the_database_was_down(cluster, sandbox, receiver):
    start_workers(cluster, 2)
    ids = [f"short-{number:04}" for number in range(1, 21)]
    sandbox.fault("slow", "*", bytesPerSecond=SLOW)
    request_all(cluster, ids)
    eventually(lambda: holder(cluster))
    cluster.backing.postgresql.stop()
    assert cluster.client().get("/livez").status == 200
    assert eventually(lambda: cluster.client().get("/readyz").status == 503)
    # Longer than the leases, which expire by time alone.
    stopped = time.monotonic()
    eventually(lambda: time.monotonic() - stopped > 3)
    assert all(worker.process.popen.poll() is None for worker in cluster.workers)
    cluster.backing.postgresql.start()
    sandbox.clear_faults()
    eventually(lambda: archived(cluster) == len(ids))
    eventually(lambda: not cluster.rows("SELECT 1 AS found FROM job WHERE run_state <> 'done'"))
    assert_nothing_lost(cluster, sandbox, ids, receiver)


def test_nodes_continue_after_the_object_store_was_down(cluster, sandbox, receiver):
    start_workers(cluster, 2)
    ids = [f"short-{number:04}" for number in range(1, 11)]
    cluster.backing.s3.pause()
    request_all(cluster, ids)
    eventually(lambda: holder(cluster, "*.mp3"))
    cluster.backing.s3.resume()
    eventually(lambda: archived(cluster) == len(ids))
    assert_nothing_lost(cluster, sandbox, ids, receiver)


@pytest.mark.parametrize("wrong_by", [-3600, 3600])
def test_a_worker_whose_clock_is_an_hour_off_uses_the_time_of_the_database(
        cluster, sandbox, receiver, faulty_calls, wrong_by):
    cluster.shared |= {"LD_PRELOAD": str(faulty_calls), "FAULTY_CLOCK": str(wrong_by)}
    start_workers(cluster, 1)
    sandbox.fault("server-error", "codec-gsm", endpoint="metadata", times=1)
    sandbox.fault("status-flap", "codec-gsm", times=2)
    receiver.answers = [500, 204]
    started = time.time()
    assert cluster.client().ingest("codec-gsm", "?wait=120").status == 200
    eventually(lambda: len(receiver.messages) >= 2)
    assert {message.id for message in receiver.messages} == {receiver.messages[0].id}
    # The reference implementation refuses messages that are more than five minutes old or new.
    receiver.messages[-1].verified()
    [row] = cluster.rows("SELECT archived_at FROM recording WHERE archived_at IS NOT NULL")
    assert started - 1 < row["archived_at"] / 1000 < time.time() + 1
    entries = cluster.rows("SELECT at FROM log_entry")
    assert all(started - 60 < entry["at"] / 1000 < time.time() + 1 for entry in entries)


def test_commands_work_on_every_machine_that_reaches_the_database(cluster):
    start_workers(cluster, 1)
    other = cluster.node("other", ["list"], "")
    (other.folder / "tapedeck-data").mkdir(mode=0o700)
    (other.folder / "tapedeck-data" / "keys").mkdir(mode=0o700)
    assert other.command("ingest", "codec-pcm-mono", "--quiet").returncode == 0
    shown = other.command("list")
    assert "codec-pcm-mono" in shown.stdout and "ready" in shown.stdout, shown
