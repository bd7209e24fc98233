"""Faults of the platform and the network: each ends with the correct file or the correct error."""

import datetime
import json

import pytest

from backing import free_port
from programs import Sandbox
from waiting import eventually

#: 21 seconds of audio, more than 600 kB.
ID = "codec-pcm-stereo"


def assert_archived_whole(server, sandbox, id=ID):
    """The recording is ready, and its original equals the tenant's current file."""
    sandbox.clear_faults()
    assert server.data.original(id) == sandbox.file(id)
    server.data.assert_tidy()
    assert not server.data.quarantined()


def assert_nothing_archived(server, id=ID):
    assert server.data.part(id) is None
    assert server.data.files("objects") == set()
    server.data.assert_tidy()


def seconds_between(first, second) -> float:
    """The time from one recorded request to another."""
    first, second = (datetime.datetime.fromisoformat(entry["at"].replace("Z", "+00:00")) for entry in (first, second))
    return (second - first).total_seconds()


def start(download) -> int:
    """The first byte that a download requested."""
    return int(download["range"].removeprefix("bytes=").removesuffix("-"))


def test_a_broken_download_continues_from_the_last_byte(server, sandbox):
    sandbox.fault("cut", ID, times=2, afterBytes=300_000)
    assert server.supervisor.ingest(ID).status == 200
    first, second, third = sandbox.downloads(ID)
    assert first["range"] == "bytes=0-" and "ifRange" not in first
    # Bytes that the client had not yet written when the connection broke are downloaded again.
    assert 0 < start(second) <= 300_000
    assert start(second) < start(third) <= start(second) + 300_000
    assert second["ifRange"] == third["ifRange"] and second["ifRange"].startswith('"')
    assert third["bytesSent"] == len(server.data.original(ID)) - start(third)
    assert server.data.job(ID)["resumes"] == 2
    assert_archived_whole(server, sandbox)


def test_a_platform_without_ranges_sends_the_file_at_once(server, sandbox):
    sandbox.fault("no-ranges", ID)
    assert server.supervisor.ingest(ID).status == 200
    assert len(sandbox.downloads(ID)) == 1
    assert_archived_whole(server, sandbox)


def test_a_broken_download_without_ranges_starts_from_the_beginning(server, sandbox):
    sandbox.fault("no-ranges", ID)
    sandbox.fault("cut", ID, times=1, afterBytes=100_000)
    assert server.supervisor.ingest(ID).status == 200
    assert [start(entry) for entry in sandbox.downloads(ID)] == [0, 0]
    assert_archived_whole(server, sandbox)


def test_the_whole_file_is_requested_when_a_proxy_strips_content_range(server, sandbox):
    sandbox.fault("stripped-content-range", ID)
    assert server.supervisor.ingest(ID).status == 200
    downloads = sandbox.downloads(ID)
    assert [entry.get("range") for entry in downloads] == ["bytes=0-", None]
    assert_archived_whole(server, sandbox)


def test_two_versions_of_a_file_are_never_joined(server, sandbox):
    before = sandbox.file(ID)
    sandbox.fault("changed-file", ID, times=1, afterBytes=200_000)
    assert server.supervisor.ingest(ID).status == 200
    assert server.data.original(ID) != before
    assert_archived_whole(server, sandbox)


def test_two_versions_with_weak_tags_are_never_joined(server, sandbox):
    sandbox.fault("weak-etag", ID)
    sandbox.fault("changed-file", ID, times=1, afterBytes=200_000)
    assert server.supervisor.ingest(ID).status == 200
    assert_archived_whole(server, sandbox)


@pytest.mark.parametrize("fault", ["weak-etag", "no-etag"])
def test_without_a_strong_tag_a_download_continues_over_an_overlap(server, sandbox, fault):
    sandbox.fault(fault, ID)
    sandbox.fault("cut", ID, times=1, afterBytes=400_000)
    assert server.supervisor.ingest(ID).status == 200
    first, second = sandbox.downloads(ID)
    assert start(first) == 0 and 0 < start(second) <= 400_000 - 65_536
    assert "ifRange" not in second, "a weak tag does not identify the bytes"
    assert_archived_whole(server, sandbox)


@pytest.mark.parametrize("fault", [
    "no-content-range-resume", "broken-content-range", "wrong-start", "early-start", "wrong-etag", "content-encoding"])
def test_an_unusual_response_to_a_continuation_ends_with_the_correct_file(server, sandbox, fault):
    sandbox.fault("cut", ID, times=1, afterBytes=200_000)
    sandbox.fault(fault, ID, times=1)
    assert server.supervisor.ingest(ID).status == 200
    assert len(sandbox.downloads(ID)) >= 2
    assert_archived_whole(server, sandbox)


@pytest.mark.parametrize("endpoint", ["search", "metadata", "download"])
def test_an_expired_token_is_renewed_once_and_the_call_repeated(server, sandbox, endpoint):
    sandbox.fault("expired-token", endpoint=endpoint, times=1)
    if endpoint == "search":
        assert len(server.lines("search", "--from", "2000-01-01", "--to", "2100-01-01", "--json")) > 60
    else:
        assert server.supervisor.ingest(ID).status == 200
        assert_archived_whole(server, sandbox)
    assert not sandbox.faults()
    answers = [entry["status"] for entry in sandbox.statistics()["recent"] if entry["endpoint"] == endpoint]
    assert answers[:2] == [401, 200 if endpoint != "download" else 206]


def test_a_download_continues_after_its_token_expired(make_server, sandbox):
    server = make_server(CXONE_STALL_SECONDS="1")
    # The token expires during the stall, before the download continues.
    sandbox.fault("stalled-body", ID, times=1, afterBytes=400_000)
    job = server.supervisor.start(ID)
    eventually(lambda: sandbox.downloads(ID))
    sandbox.fault("expired-token", ID, endpoint="download", times=1)
    server.supervisor.job_until(job, lambda job: job["state"] == "done")
    first, second, third = sandbox.downloads(ID)
    assert [entry["status"] for entry in (first, second, third)] == [206, 401, 206]
    assert start(second) == start(third) == 400_000
    assert_archived_whole(server, sandbox)


def test_a_body_that_stalls_is_given_up_and_continued(make_server, sandbox):
    server = make_server(CXONE_STALL_SECONDS="1")
    sandbox.fault("stalled-body", ID, times=1, afterBytes=150_000)
    assert server.supervisor.ingest(ID).status == 200
    first, second = sandbox.downloads(ID)
    assert (start(first), start(second)) == (0, 150_000)
    assert_archived_whole(server, sandbox)


@pytest.mark.parametrize("variant", ["html", "json", "html-as-audio", "json-as-audio"])
def test_a_recording_is_downloaded_again_after_an_error_page(server, sandbox, variant):
    sandbox.fault("error-page", ID, variant=variant, times=1)
    assert server.supervisor.ingest(ID).status == 200
    assert len(sandbox.downloads(ID)) == 2
    assert_archived_whole(server, sandbox)


INCOMPLETE = [
    ({"fault": "error-page", "variant": "html"}, "web page"),
    ({"fault": "error-page", "variant": "html-as-audio"}, "web page"),
    ({"fault": "error-page", "variant": "json"}, "JSON"),
    ({"fault": "error-page", "variant": "json-as-audio"}, "JSON"),
    ({"fault": "header-only", "variant": "empty"}, "without any audio"),
    ({"fault": "header-only", "variant": "claims-data"}, "without any audio"),
    ({"fault": "cut-short"}, "cut short"),
    ({"fault": "cut-short", "afterBytes": 20}, "ends inside its WAV header"),
    ({"fault": "cut-short", "afterBytes": 0}, "empty"),
    ({"fault": "playlist"}, "playlist"),
]


@pytest.mark.parametrize(
    "rule, words", INCOMPLETE, ids=["-".join(map(str, rule.values())) for rule, _ in INCOMPLETE])
def test_an_incomplete_recording_is_rejected_the_second_time_and_kept_in_quarantine(server, sandbox, rule, words):
    sandbox.fault(recording=ID, **rule)
    reply = server.supervisor.ingest(ID)
    assert (reply.status, reply.code) == (502, "not_a_whole_recording")
    assert words in reply.json()["detail"]
    assert len(sandbox.downloads(ID)) >= 2
    assert_nothing_archived(server)

    kept = server.data.quarantined()
    [bytes_name] = [name for name in kept if name.endswith(".bin")]
    [note_name] = [name for name in kept if name.endswith(".json")]
    assert bytes_name.removesuffix(".bin") == note_name.removesuffix(".json")
    note = json.loads((server.data.path / "quarantine" / note_name).read_text())
    assert (note["recording"], note["code"]) == (ID, "not_a_whole_recording")
    assert words in note["reason"]
    content = (server.data.path / "quarantine" / bytes_name).read_bytes()
    assert len(content) == sandbox.downloads(ID)[-1]["bytesSent"] or rule["fault"] == "error-page"

    assert server.supervisor.get(f"/audio/{ID}.mp3").status == 404
    # The platform has corrected the file, and it is requested again.
    sandbox.clear_faults()
    assert server.supervisor.ingest(ID).status == 200
    assert server.data.original(ID) == sandbox.file(ID)
    assert server.data.quarantined() == kept
    server.data.assert_tidy()


@pytest.mark.parametrize("rule", [
    {"fault": "header-only"}, {"fault": "cut-short"}, {"fault": "playlist"}], ids=lambda rule: rule["fault"])
def test_an_incomplete_recording_is_downloaded_again(server, sandbox, rule):
    sandbox.fault(recording=ID, times=1, **rule)
    assert server.supervisor.ingest(ID).status == 200
    assert len(sandbox.downloads(ID)) == 2
    assert_archived_whole(server, sandbox)


@pytest.mark.parametrize("endpoint, retry_after", [
    ("token", "1"), ("metadata", "date:2"), ("metadata", None), ("download", "1"), ("download", "date:2"),
    ("download", None)])
def test_retry_after_is_respected(server, sandbox, endpoint, retry_after):
    rule = {"retryAfter": retry_after} if retry_after else {}
    sandbox.fault("rate-limited", endpoint=endpoint, times=1, **rule)
    assert server.supervisor.ingest(ID).status == 200
    requests = [entry for entry in sandbox.statistics()["recent"] if entry["endpoint"] == endpoint]
    statuses = [entry["status"] for entry in requests]
    assert statuses[0] == 429 and statuses.count(429) == 1
    if retry_after:
        assert seconds_between(requests[0], requests[1]) >= 0.9
    assert server.data.job(ID)["attempts"] <= 1, "a pause is not a failed attempt"
    assert_archived_whole(server, sandbox)


def test_a_pause_applies_to_the_whole_source(server, sandbox):
    sandbox.fault("rate-limited", "codec-gsm", times=1, retryAfter="2")
    job = server.supervisor.start("codec-gsm")
    eventually(lambda: not sandbox.faults())
    assert server.supervisor.ingest(ID).status == 200
    refused = next(entry for entry in sandbox.statistics()["recent"] if entry["status"] == 429)
    others = [entry for entry in sandbox.statistics()["recent"] if entry.get("recording") == ID]
    assert seconds_between(refused, others[0]) >= 1.9
    server.supervisor.job_until(job, lambda job: job["state"] == "done")
    assert_archived_whole(server, sandbox)


def test_a_waiting_caller_is_told_of_the_rate_limit(server, sandbox):
    sandbox.fault("rate-limited", endpoint="metadata", retryAfter="7")
    reply = server.supervisor.ingest(ID, "?wait=2")
    assert (reply.status, reply.code) == (503, "platform_rate_limited")
    assert 1 <= int(reply.headers["retry-after"]) <= 8
    assert_nothing_archived(server)
    assert server.data.job(ID)["run_state"] in ("waiting", "leased"), "the job continues"


@pytest.mark.parametrize("endpoint, status", [("token", 503), ("metadata", 500), ("download", 504)])
def test_a_platform_that_fails_for_a_while_is_retried(server, sandbox, endpoint, status):
    sandbox.fault("server-error", endpoint=endpoint, status=status, times=2)
    assert server.supervisor.ingest(ID).status == 200
    assert_archived_whole(server, sandbox)


def test_a_failed_continuation_keeps_the_bytes(server, sandbox):
    sandbox.fault("cut", ID, times=1, afterBytes=400_000)
    job = server.supervisor.start(ID)
    eventually(lambda: sandbox.downloads(ID), every=0.002)
    sandbox.fault("server-error", ID, endpoint="download", times=1)
    server.supervisor.job_until(job, lambda job: job["state"] == "done")
    first, second, third = sandbox.downloads(ID)
    assert [entry["status"] for entry in (first, second, third)] == [206, 500, 206]
    assert start(second) == start(third) > 0
    assert_archived_whole(server, sandbox)


def test_wrong_credentials_are_reported_and_not_retried(make_server, sandbox):
    server = make_server(CXONE_CLIENT_SECRET="not-the-secret")
    reply = server.supervisor.ingest(ID)
    assert (reply.status, reply.code) == (502, "platform_credentials_refused")
    assert "client" in reply.json()["detail"] and "not-the-secret" not in reply.text
    assert sandbox.statistics()["endpoints"] == {"token": 1}
    assert_nothing_archived(server)


@pytest.mark.parametrize("endpoint, scope", [("metadata", "recording:read"), ("download", "recording:download")])
def test_a_missing_scope_is_named(server, sandbox, endpoint, scope):
    sandbox.fault("scope-missing", endpoint=endpoint)
    reply = server.supervisor.ingest(ID)
    assert (reply.status, reply.code) == (502, "platform_scope_refused")
    assert scope in reply.json()["detail"]
    assert_nothing_archived(server)


def test_a_refusal_for_privacy_differs_from_a_missing_scope(server, sandbox):
    sandbox.fault("privacy-refused", ID, endpoint="download")
    reply = server.supervisor.ingest(ID)
    assert (reply.status, reply.code) == (502, "platform_refused")
    assert "privacy" in reply.json()["detail"]
    assert len(sandbox.downloads(ID)) == 1
    assert_nothing_archived(server)


def test_a_token_that_is_never_accepted_is_reported_after_the_usual_attempts(server, sandbox):
    sandbox.fault("expired-token")
    reply = server.supervisor.ingest(ID)
    assert (reply.status, reply.code) == (502, "platform_credentials_refused")
    assert "scope" in reply.json()["detail"]
    # Each of the six attempts renews the token once.
    assert sandbox.statistics()["endpoints"] == {"token": 12, "metadata": 12}
    assert_nothing_archived(server)


def test_a_recording_whose_media_is_not_there_at_first_is_archived(server, sandbox):
    sandbox.fault("gone", ID, endpoint="download", times=1)
    assert server.supervisor.ingest(ID).status == 200


def test_a_changing_status_is_polled(server, sandbox):
    sandbox.fault("status-flap", ID, times=3)
    assert server.supervisor.ingest(ID).status == 200
    assert_archived_whole(server, sandbox)


def test_an_unreachable_platform_is_retried(make_server, folder, sandbox):
    port = free_port()
    server = make_server(CXONE_BASE_URL=f"http://127.0.0.1:{port}")
    job = server.supervisor.start(ID)
    server.supervisor.job_until(job, lambda job: job.get("error", {}).get("code") == "platform_unavailable")
    late = Sandbox(folder, "--port", str(port))
    try:
        assert server.supervisor.ingest(ID).status == 200
        assert_archived_whole(server, late)
    finally:
        late.kill()


def test_many_faults_at_once_end_with_the_correct_files(server, sandbox):
    ids = ["codec-pcm-mono", "codec-gsm", "codec-adpcm", "codec-alaw-mono", "codec-ulaw-mono", "codec-ulaw-stereo"]
    sandbox.fault("cut", times=6, afterBytes=60_000)
    sandbox.fault("server-error", endpoint="metadata", times=3)
    sandbox.fault("rate-limited", endpoint="download", times=2, retryAfter="1")
    sandbox.fault("expired-token", endpoint="download", times=2)
    jobs = {id: server.supervisor.start(id) for id in ids}
    for id, job in jobs.items():
        server.supervisor.job_until(job, lambda job: job["state"] == "done")
    sandbox.clear_faults()
    for id in ids:
        assert server.data.original(id) == sandbox.file(id)
    server.data.assert_tidy()
