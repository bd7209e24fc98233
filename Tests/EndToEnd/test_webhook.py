"""Webhook messages: content, signature, and what happens when the receiver fails."""

import datetime
import socket

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from backing import free_port
from receiver import SECRET, Receiver
from waiting import eventually


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def pending(server) -> int:
    return server.data.rows("SELECT count(*) AS n FROM webhook_message WHERE state = 'pending'")[0]["n"]


def test_a_message_is_signed_so_that_the_reference_implementation_accepts_it(make_server, receiver):
    server = make_server(**receiver.settings)
    assert server.supervisor.ingest("codec-pcm-stereo").status == 200
    message = eventually(lambda: receiver.messages)[0]
    assert message.path == "/hooks/calls?tenant=7"
    assert message.headers["content-type"] == "application/json"
    assert message.verified() == message.json()
    with pytest.raises(WebhookVerificationError):
        message.verified("whsec_" + "A" * 44)
    eventually(lambda: pending(server) == 0)
    assert len(receiver.messages) == 1


def test_the_documented_fields_are_at_the_top_level(make_server, receiver):
    started = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
    server = make_server(**receiver.settings)
    for id in ("codec-pcm-stereo", "odd id/with ~ reserved%bytes?&#"):
        assert server.supervisor.ingest(id).status == 200
    eventually(lambda: len(receiver.messages) == 2)
    bodies = {message.json()["recordingId"]: message.json() for message in receiver.messages}
    for id, body in bodies.items():
        part = server.data.part(id)
        assert isinstance(body["durationSeconds"], int)
        assert body["durationSeconds"] == int(part["audio_ms"] / 1000 + 0.5)
        assert body["filePath"] == str(server.data.object(part["mp3_object"]))
        synced = datetime.datetime.strptime(body["syncedAt"], "%Y-%m-%dT%H:%M:%SZ")
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        assert started <= synced <= now
        assert body["type"] == "recording.archived"
        assert datetime.datetime.fromisoformat(body["timestamp"].replace("Z", "+00:00")).tzinfo
        assert body["data"]["originalSha256"] == part["source_sha256"]
        assert body["data"]["mp3Sha256"] == part["mp3_sha256"]
        assert server.supervisor.get(body["data"]["playerPath"]).status == 200


def test_a_refused_message_is_sent_again_with_the_same_id(make_server):
    with Receiver(answers=[500, 200]) as receiver:
        server = make_server(**receiver.settings)
        assert server.supervisor.ingest("codec-pcm-mono").status == 200
        eventually(lambda: len(receiver.messages) == 2)
        first, second = receiver.messages
        assert first.id == second.id and first.body == second.body
        assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
        assert first.verified() == second.verified()
        waited = int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"])
        assert waited >= 4, "the published schedule begins with 5 s, less jitter"
        eventually(lambda: pending(server) == 0)


def test_retry_after_of_the_receiver_is_respected(make_server):
    with Receiver(answers=[429, 200], headers={"Retry-After": "8"}) as receiver:
        server = make_server(**receiver.settings)
        assert server.supervisor.ingest("codec-pcm-mono").status == 200
        eventually(lambda: receiver.messages)
        [row] = eventually(lambda: server.data.rows("SELECT * FROM webhook_message WHERE attempts = 1"))
        assert row["due_at"] - row["created_at"] >= 7500


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404])
def test_redirects_and_errors_are_failed_deliveries(make_server, status):
    with Receiver() as elsewhere:
        with Receiver(answers=[status], headers={"Location": elsewhere.url}) as receiver:
            server = make_server(**receiver.settings)
            assert server.supervisor.ingest("codec-pcm-mono").status == 200
            eventually(lambda: server.data.rows("SELECT 1 FROM webhook_message WHERE attempts >= 1"))
            assert pending(server) == 1
            assert not elsewhere.messages


def test_messages_for_a_receiver_that_is_down_are_kept(make_server):
    port = free_port()
    server = make_server(QM_WEBHOOK_URL=f"http://127.0.0.1:{port}/", QM_WEBHOOK_SECRET=SECRET)
    ids = ["codec-pcm-mono", "codec-gsm", "codec-adpcm"]
    for id in ids:
        assert server.supervisor.ingest(id).status == 200
    assert pending(server) == 3
    # The server is killed with messages in the outbox; the receiver starts only after the next start of the server.
    server.kill()
    server.start()
    with Receiver(port=port) as receiver:
        eventually(lambda: pending(server) == 0)
        assert {message.verified()["recordingId"] for message in receiver.messages} == set(ids)
        assert len({message.id for message in receiver.messages}) == 3
    server.data.assert_tidy()


def test_a_receiver_that_never_answers_delays_no_ingest(make_server):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        server = make_server(
            QM_WEBHOOK_URL=f"http://127.0.0.1:{mute.getsockname()[1]}/", QM_WEBHOOK_SECRET=SECRET)
        assert server.supervisor.ingest("codec-pcm-mono").status == 200
        assert server.supervisor.ingest("codec-gsm").status == 200
        assert server.terminate() == 0
    assert pending(server) == 2


def test_a_receiver_that_answers_410_gets_no_message_before_the_next_start(make_server):
    with Receiver(answers=[410, 200]) as receiver:
        server = make_server(**receiver.settings)
        assert server.supervisor.ingest("codec-pcm-mono").status == 200
        eventually(lambda: "the webhook receiver answered 410" in server.process.output)
        assert server.supervisor.ingest("codec-gsm").status == 200
        assert server.terminate() == 0
        assert len(receiver.messages) == 1 and pending(server) == 2


def test_a_secret_is_generated_and_kept_when_none_is_configured(make_server, receiver):
    server = make_server(QM_WEBHOOK_URL=receiver.url)
    assert server.supervisor.ingest("codec-pcm-mono").status == 200
    eventually(lambda: receiver.messages)
    path = server.data.path / "keys" / "webhook-secret"
    secret = path.read_text().strip()
    assert secret.startswith("whsec_") and path.stat().st_mode & 0o777 == 0o600
    assert receiver.messages[0].verified(secret)["recordingId"] == "codec-pcm-mono"
    assert server.terminate() == 0
    server.start()
    assert path.read_text().strip() == secret
    assert server.supervisor.ingest("codec-gsm").status == 200
    eventually(lambda: len(receiver.messages) == 2)
    assert receiver.messages[1].verified(secret)["recordingId"] == "codec-gsm"
    assert secret not in server.log.read_text()


def test_a_failed_recording_causes_no_message(make_server, sandbox, receiver):
    server = make_server(**receiver.settings)
    assert server.supervisor.ingest("failed-01").status == 502
    assert server.supervisor.ingest("codec-pcm-mono").status == 200
    eventually(lambda: receiver.messages)
    eventually(lambda: pending(server) == 0)
    assert [message.json()["recordingId"] for message in receiver.messages] == ["codec-pcm-mono"]
