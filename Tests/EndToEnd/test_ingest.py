"""Ingest from a recording id to audio in the archive, and every other answer to an ingest request."""

import concurrent.futures
import hashlib
import json
import re
import subprocess
import wave

import pytest

from programs import path_segment
from waiting import eventually

#: The tenant's recordings with a fixed coding: codec, channels and sample rate as ffprobe reports them.
CODECS = {
    "codec-pcm-mono": ("pcm_s16le", 1, 8000),
    "codec-pcm-stereo": ("pcm_s16le", 2, 8000),
    "codec-pcm-44k": ("pcm_s16le", 2, 44_100),
    "codec-pcm-8bit": ("pcm_u8", 1, 8000),
    "codec-ulaw-mono": ("pcm_mulaw", 1, 8000),
    "codec-ulaw-stereo": ("pcm_mulaw", 2, 8000),
    "codec-alaw-mono": ("pcm_alaw", 1, 8000),
    "codec-gsm": ("gsm_ms", 1, 8000),
    "codec-adpcm": ("adpcm_ima_wav", 1, 8000),
}
ODD_ID = "odd id/with ~ reserved%bytes?&#"


def probe(path) -> tuple[dict, float]:
    """The only stream of a file and the duration of its audio, as ffprobe reports them."""
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path],
        capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found["streams"]) == 1
    # An MP3 begins with a few milliseconds of encoder delay, which players skip.
    delay = float(found["streams"][0].get("start_time", 0))
    return found["streams"][0], float(found["format"]["duration"]) - delay


def decoded_seconds(path) -> float:
    """The duration of the decoded audio, whatever the headers say."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-ac", "1", "-ar", "8000", "-"],
        capture_output=True, check=True)
    return len(done.stdout) / 16_000


def sha256sum(path) -> str:
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]


def sqlite3(data, sql: str) -> list[dict]:
    done = subprocess.run(
        ["sqlite3", "-readonly", "-json", data.path / "catalog.sqlite", sql],
        capture_output=True, text=True, check=True)
    return json.loads(done.stdout or "[]")


def test_a_recording_is_archived_with_its_files_and_facts(server, sandbox):
    reply = server.supervisor.ingest("codec-pcm-stereo")
    assert (reply.status, reply.json()) == (200, {"status": "ready", "player_url": "/play/codec-pcm-stereo"})

    def shown_with_its_commit():
        shown = json.loads(server.ok("show", "codec-pcm-stereo", "--json"))
        return "commit" in {step["step"] for step in shown["steps"]} and shown

    # The time of the commit is stored after the commit, while the response is already on its way.
    shown = eventually(shown_with_its_commit)
    files = {file["kind"]: file for file in shown["files"]}
    assert set(files) == {"original", "mp3", "peaks"}
    [row] = sqlite3(server.data, "SELECT p.* FROM media_part p JOIN recording r ON r.id = p.recording_id "
                                 "WHERE r.platform_id = 'codec-pcm-stereo'")
    for kind, column in {"original": "source", "mp3": "mp3", "peaks": "peaks"}.items():
        path = server.data.object(row[f"{kind}_object"])
        assert str(path) == files[kind]["location"]
        assert sha256sum(path) == files[kind]["sha256"] == row[f"{column}_sha256"]
        assert path.stat().st_size == files[kind]["bytes"] == row[f"{column}_bytes"]
        assert path.stat().st_mode & 0o777 == 0o400, "only the owner can read an object"
    listed = server.agent.get("/api/v1/recordings/codec-pcm-stereo").json()["files"]
    assert {file["sha256"] for file in listed} == {file["sha256"] for file in files.values()}
    assert all(file.get("location") is None for file in listed), "locations are not for agents"

    text = server.ok("show", "codec-pcm-stereo")
    assert files["original"]["sha256"] in text and files["mp3"]["sha256"] in text
    steps = {step["step"]: step["seconds"] for step in shown["steps"]}
    assert {"waiting", "download", "conversion", "verification", "storage"} <= set(steps)
    assert steps["download"] > 0 and steps["conversion"] > 0

    platform = sandbox.metadata("codec-pcm-stereo")
    for name in ("startTime", "direction", "agentId", "agentName", "skillName", "campaignName", "contactId"):
        assert shown[name] == platform[name]
    assert server.data.original("codec-pcm-stereo") == sandbox.file("codec-pcm-stereo")
    server.data.assert_tidy()


@pytest.mark.parametrize("id", [*CODECS, ODD_ID])
def test_every_codec_gives_an_mp3_of_the_same_length_and_an_untouched_original(shared_server, shared_sandbox, id):
    reply = shared_server.supervisor.ingest(id)
    assert (reply.status, reply.json()) == (200, {"status": "ready", "player_url": f"/play/{path_segment(id)}"})
    original = shared_sandbox.file(id)
    data = shared_server.data
    part = data.part(id)
    assert data.original(id) == original
    assert part["source_sha256"] == hashlib.sha256(original).hexdigest()

    mp3 = data.object(part["mp3_object"])
    seconds = decoded_seconds(data.object(part["original_object"]))
    stream, duration = probe(mp3)
    assert stream["codec_name"] == "mp3"
    assert duration == pytest.approx(seconds, abs=0.1)
    assert decoded_seconds(mp3) == pytest.approx(seconds, abs=0.1)
    assert part["audio_ms"] / 1000 == pytest.approx(seconds, abs=0.1)
    # The first frame is a Xing header, from which players know the length of a file with a variable bit rate.
    assert b"Xing" in mp3.read_bytes()[:512]
    assert int(stream["channels"]) == part["channels"]

    source, _ = probe(data.object(part["original_object"]))
    if id in CODECS:
        assert (source["codec_name"], source["channels"], int(source["sample_rate"])) == CODECS[id]
    assert (part["channels"], part["sample_rate"]) == (source["channels"], int(source["sample_rate"]))

    peaks = data.object(part["peaks_object"]).read_bytes()
    points = int.from_bytes(peaks[16:20], "little")
    assert points == pytest.approx(seconds * 100, abs=10)
    assert len(peaks) == 24 + points * 2 * part["channels"]
    data.assert_tidy()


def test_the_mp3_has_no_metadata_about_the_call(shared_server):
    assert shared_server.supervisor.ingest("codec-pcm-mono").status == 200
    part = shared_server.data.part("codec-pcm-mono")
    mp3 = shared_server.data.object(part["mp3_object"])
    done = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format_tags", "-of", "json", mp3],
        capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)["format"].get("tags", {})) <= {"encoder"}


def test_the_peaks_match_the_audio(shared_server):
    assert shared_server.supervisor.ingest("codec-pcm-mono").status == 200
    part = shared_server.data.part("codec-pcm-mono")
    peaks = shared_server.data.object(part["peaks_object"]).read_bytes()[24:]
    with wave.open(str(shared_server.data.object(part["original_object"]))) as original:
        samples = memoryview(original.readframes(original.getnframes())).cast("h")
    highest = max(samples) // 256
    found = max(value - 256 if value > 127 else value for value in peaks[1::2])
    assert abs(found - highest) <= 3


def test_a_second_request_is_answered_from_the_archive(server, sandbox):
    assert server.supervisor.ingest("codec-gsm").status == 200
    assert server.agent.ingest("codec-gsm").json() == {"status": "ready", "player_url": "/play/codec-gsm"}
    assert server.agent.ingest("codec-gsm", Prefer="respond-async").status == 200
    assert len(sandbox.downloads("codec-gsm")) == 1
    server.data.assert_tidy()


def test_a_caller_who_does_not_wait_gets_the_address_of_the_job(server, sandbox):
    sandbox.fault("slow", "codec-pcm-mono", bytesPerSecond=5_000)
    reply = server.supervisor.ingest("codec-pcm-mono", Prefer="respond-async")
    assert reply.status == 202
    assert reply.headers["location"] == reply.json()["job_url"]
    assert reply.json()["status"] in ("queued", "awaiting", "fetching")

    job_url = reply.headers["location"]
    server.supervisor.job_until(job_url, lambda job: job["stage"] == "fetching" and job["bytes"] > 0)
    sandbox.clear_faults()
    job = server.supervisor.job_until(job_url, lambda job: job["state"] == "done")
    assert job["stage"] == "ready" and job["playerUrl"] == "/play/codec-pcm-mono"
    assert job["bytes"] == job["totalBytes"] == 44 + 20 * 16_000
    assert {step["step"] for step in job["steps"]} >= {"waiting", "download", "conversion"}
    assert next(step for step in job["steps"] if step["step"] == "download")["seconds"] > 0
    server.data.assert_tidy()


def test_a_wait_of_zero_seconds_returns_at_once(server, sandbox):
    sandbox.fault("delayed", "codec-pcm-mono", endpoint="metadata", delay=1, times=1)
    assert server.supervisor.ingest("codec-pcm-mono", "?wait=0").status == 202
    assert server.supervisor.ingest("codec-pcm-mono", "?wait=60").status == 200


@pytest.mark.parametrize("wait", ["-1", "soon", "1e9", "99999999999999999999"])
def test_a_malformed_wait_is_a_bad_request(shared_server, wait):
    reply = shared_server.supervisor.ingest("codec-pcm-mono", f"?wait={wait}")
    assert (reply.status, reply.code) == (400, "invalid_request")


def test_a_recording_that_is_still_processing_is_polled(server, sandbox):
    reply = server.supervisor.ingest("processing-01")
    assert reply.status == 200
    assert sandbox.statistics()["recordings"]["processing-01"]["metadata"] > 2
    assert len(sandbox.downloads("processing-01")) == 1
    shown = json.loads(server.ok("show", "processing-01", "--json"))
    assert next(step for step in shown["steps"] if step["step"] == "waiting")["seconds"] >= 2.9


def test_a_recording_that_never_becomes_available_fails(make_server, sandbox):
    server = make_server(CXONE_WAIT_ATTEMPTS="3", CXONE_WAIT_CAP="0.1")
    reply = server.supervisor.ingest("never-01")
    assert (reply.status, reply.code) == (504, "never_available")
    assert sandbox.statistics()["recordings"]["never-01"] == {"metadata": 3, "downloads": 0, "bytesSent": 0}
    server.data.assert_tidy()


def test_the_waits_grow_with_the_configured_base_and_jitter(make_server, sandbox):
    server = make_server(
        CXONE_WAIT_ATTEMPTS="4", CXONE_WAIT_CAP="30", CXONE_WAIT_BASE="1.5", CXONE_WAIT_JITTER="0.5-0.5")
    assert server.supervisor.ingest("never-01").status == 504
    requested = [entry["at"] for entry in sandbox.statistics()["recent"] if entry["endpoint"] == "metadata"]
    seconds = [float(re.fullmatch(r".*T(\d+):(\d+):([\d.]+)Z", at)[3]) for at in requested]
    gaps = [(later - earlier) % 60 for earlier, later in zip(seconds, seconds[1:])]
    # A busy machine may be late, but never early.
    assert all(gap >= wait - 0.05 for gap, wait in zip(gaps, (0.5, 0.75, 1.125), strict=True)), gaps


def test_a_recording_that_failed_on_the_platform_fails_at_once(server, sandbox):
    reply = server.supervisor.ingest("failed-01")
    assert (reply.status, reply.code) == (502, "recording_failed_on_platform")
    assert sandbox.statistics()["recordings"]["failed-01"]["metadata"] == 1
    assert not sandbox.downloads("failed-01")
    server.data.assert_tidy()


def test_an_id_that_the_platform_does_not_know_is_not_found(server, sandbox):
    reply = server.supervisor.ingest("no-such-recording")
    assert (reply.status, reply.code) == (404, "unknown_recording")
    assert not sandbox.downloads("no-such-recording")
    server.data.assert_tidy()


@pytest.mark.parametrize("segment", [
    "%2e%2e", ".", "%2e", "a" * 501, "a%07b", "a%00", "a%7f", "%", "%zz", "%ff", "a%0d%0aX", "UPPER~id",
])
@pytest.mark.parametrize("path", ["/ingest/{}", "/play/{}", "/audio/{}.mp3", "/api/v1/recordings/{}"])
def test_a_malformed_id_is_a_bad_request(shared_server, shared_sandbox, path, segment):
    method = "POST" if path.startswith("/ingest") else "GET"
    before = shared_sandbox.statistics()["endpoints"]
    reply = shared_server.supervisor.request(method, path.format(segment))
    assert (reply.status, reply.code) == (400, "invalid_recording_id")
    assert shared_sandbox.statistics()["endpoints"] == before


def test_problems_follow_rfc_9457(shared_server):
    reply = shared_server.supervisor.ingest("no-such-recording")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-request-id"] == reply.json()["requestId"]
    assert {name: reply.json()[name] for name in ("type", "title", "status", "code")} == {
        "type": "about:blank", "title": "Not Found", "status": 404, "code": "unknown_recording"}


def test_the_longest_id_reaches_the_platform_unchanged(shared_server, shared_sandbox):
    id = "~!@$%^&*()+={}[]|;:,.<>?/ " + "x" * 174
    assert len(id) == 200
    assert shared_server.supervisor.ingest(id).status == 404
    requested = [entry["recording"] for entry in shared_sandbox.statistics()["recent"] if entry["endpoint"] == "metadata"]
    assert requested[-1] == id


def test_an_unknown_source_is_not_found(shared_server):
    reply = shared_server.supervisor.request("POST", "/ingest/elsewhere~codec-pcm-mono")
    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize("method, path", [
    ("POST", "/ingest/codec-pcm-mono"), ("GET", "/play/codec-pcm-mono"), ("GET", "/audio/codec-pcm-mono.mp3"),
    ("HEAD", "/audio/codec-pcm-mono.mp3"), ("GET", "/audio/codec-pcm-mono/original"),
    ("GET", "/audio/codec-pcm-mono/peaks"), ("GET", "/"), ("GET", "/api/v1/recordings"),
    ("GET", "/api/v1/recordings/codec-pcm-mono"), ("GET", "/api/v1/jobs/1"), ("GET", "/api/v1/audit"),
    ("GET", "/audit"), ("GET", "/metrics"), ("GET", "/api/v1/tokens"), ("POST", "/api/v1/tokens"),
    ("POST", "/api/v1/accounts"), ("POST", "/play/codec-pcm-mono/ingest"), ("POST", "/logout"),
])
@pytest.mark.parametrize("authorization", [None, "Bearer tdk_wrong", "Bearer ", "Basic dGRrOnRkaw=="])
def test_every_route_requires_an_identity(shared_server, method, path, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    reply = shared_server.anonymous.request(method, path, headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    if method != "HEAD":
        assert reply.code == "unauthenticated"


def test_an_unknown_job_or_path_is_not_found(shared_server):
    for path in ("/api/v1/jobs/123456", "/api/v1/jobs/x", "/nothing", "/audio/x", "/operator/search"):
        reply = shared_server.supervisor.get(path)
        assert (reply.status, reply.code) == (404, "not_found"), path


def test_originals_can_be_discarded(make_server, sandbox):
    server = make_server(TAPEDECK_ORIGINALS="discard")
    assert server.supervisor.ingest("codec-pcm-mono").status == 200
    part = server.data.part("codec-pcm-mono")
    assert part["original_object"] is None
    assert part["source_sha256"] == hashlib.sha256(sandbox.file("codec-pcm-mono")).hexdigest()
    assert server.supervisor.get("/audio/codec-pcm-mono.mp3").status == 200
    assert server.supervisor.get("/audio/codec-pcm-mono/original").status == 404
    assert not any(name.endswith(".wav") for name in server.data.files("objects"))
    server.data.assert_tidy()


def test_a_full_disk_is_reported_and_work_resumes_when_there_is_space(make_server):
    server = make_server(TAPEDECK_MINIMUM_FREE_MB="900000000")
    reply = server.supervisor.ingest("codec-pcm-mono")
    assert (reply.status, reply.code) == (507, "disk_full")
    assert server.anonymous.get("/readyz").status == 503
    assert server.terminate() == 0
    server.settings.pop("TAPEDECK_MINIMUM_FREE_MB")
    server.start()
    eventually(lambda: server.data.part("codec-pcm-mono"))
    assert server.anonymous.get("/readyz").status == 200
    server.data.assert_tidy()


def test_fifty_simultaneous_requests_cause_one_download(server, sandbox):
    client = server.supervisor
    sandbox.fault("slow", "codec-pcm-stereo", bytesPerSecond=5_000)
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(client.ingest, "codec-pcm-stereo") for _ in range(50)]
        eventually(lambda: sandbox.downloads("codec-pcm-stereo"))
        sandbox.clear_faults()
        replies = [reply.result() for reply in waiting]
    assert [reply.status for reply in replies] == [200] * 50
    assert all(reply.json() == {"status": "ready", "player_url": "/play/codec-pcm-stereo"} for reply in replies)
    assert len(sandbox.downloads("codec-pcm-stereo")) == 1
    assert len([name for name in server.data.files("objects") if name.endswith(".wav")]) == 1
    assert len(server.audit("--what", "ingest", "--recording", "codec-pcm-stereo")) == 50
    assert len(server.audit("--what", "archive")) == 1
    assert server.data.original("codec-pcm-stereo") == sandbox.file("codec-pcm-stereo")
    server.data.assert_tidy()


def test_a_client_that_disconnects_does_not_stop_the_job(server, sandbox):
    sandbox.fault("slow", "codec-pcm-mono", bytesPerSecond=5_000)
    with pytest.raises(TimeoutError):
        server.supervisor.ingest("codec-pcm-mono", timeout=0.5)
    sandbox.clear_faults()
    eventually(lambda: server.data.part("codec-pcm-mono"))
    server.data.assert_tidy()
