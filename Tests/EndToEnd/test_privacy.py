"""Access to restricted recordings, for every route, byte range and list, before and after the recording is archived."""

import concurrent.futures
import json

import pytest

from programs import PASSWORD
from sessions import Session
from waiting import eventually

ID = "restricted-01"
RANGES = [
    None, "bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-9", "bytes=999999999-", "bytes=0-0,2-3", "octets=1-2", "?"]


@pytest.fixture(scope="module")
def archive(shared_server):
    """A server with a restricted and a standard recording in its archive."""
    assert shared_server.supervisor.ingest(ID).status == 200
    assert shared_server.supervisor.ingest("codec-pcm-mono").status == 200
    return shared_server


@pytest.fixture(scope="module")
def agent_session(archive):
    return Session.sign_in(archive.url, "anna", PASSWORD)


@pytest.fixture(scope="module")
def job(archive):
    return archive.data.job(ID)["id"]


def addresses(job: int) -> list[tuple[str, str]]:
    """Every address that could disclose something about the recording."""
    return [
        ("POST", f"/ingest/{ID}"), ("POST", f"/ingest/{ID}?wait=0"), ("GET", f"/play/{ID}"), ("HEAD", f"/play/{ID}"),
        ("GET", f"/audio/{ID}.mp3"), ("HEAD", f"/audio/{ID}.mp3"), ("GET", f"/audio/{ID}.mp3?download"),
        ("GET", f"/audio/{ID}/original"), ("HEAD", f"/audio/{ID}/original"), ("GET", f"/audio/{ID}/original?download"),
        ("GET", f"/audio/{ID}/peaks"), ("HEAD", f"/audio/{ID}/peaks"), ("GET", f"/audio/{ID}/peaks?format=json"),
        ("GET", f"/api/v1/recordings/{ID}"), ("GET", f"/api/v1/jobs/{job}"), ("HEAD", f"/api/v1/jobs/{job}"),
        # Other spellings of the same ID.
        ("GET", "/audio/restricted%2D01.mp3"), ("GET", "/audio/%72estricted-01/original"),
        ("GET", f"/audio/default~{ID}.mp3"),
        ("GET", f"/play/default~{ID}"), ("POST", f"/ingest/default~{ID}"), ("GET", f"/audio//{ID}.mp3"),
    ]


def assert_denied(reply, method="GET"):
    assert reply.status == 403, reply
    if method != "HEAD":
        assert reply.json()["detail"] == "Insufficient permissions"
        assert reply.code == "insufficient_permissions"
    for header in ("etag", "content-range", "repr-digest", "content-disposition", "accept-ranges"):
        assert header not in reply.headers


@pytest.mark.parametrize("role", ["agent", "admin", "metrics"])
def test_other_roles_than_supervisor_are_denied_at_every_address(archive, job, role):
    client = archive.client(role)
    for method, path in addresses(job):
        assert_denied(client.request(method, path), method)


def test_a_session_of_an_agent_is_denied_at_every_address(archive, job, agent_session):
    token = agent_session.token()
    for method, path in addresses(job):
        own = {"Origin": archive.url} if method == "POST" else {}
        assert_denied(agent_session.request(method, path, own), method)
    assert_denied(agent_session.post(f"/play/{ID}/ingest", {"csrf": token}))
    page = agent_session.page(f"/play/{ID}")
    assert page.status == 403
    assert "Insufficient permissions" in page.text and "/audio/" not in page.text


def test_an_agent_is_denied_every_kind_of_range(archive, job):
    tag = archive.supervisor.get(f"/audio/{ID}.mp3", Range="bytes=0-0").headers["etag"]
    for method in ("GET", "HEAD"):
        for path in (f"/audio/{ID}.mp3", f"/audio/{ID}/original", f"/audio/{ID}/peaks"):
            for value in RANGES:
                for headers in ({}, {"If-Range": tag}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
                    given = headers | ({"Range": value} if value else {})
                    assert_denied(archive.agent.request(method, path, given), method)


@pytest.mark.parametrize("headers, query", [
    ({}, "?user_role=supervisor"), ({}, "?role=supervisor&user=supervisor"), ({"X-Role": "supervisor"}, ""),
    ({"X-User-Role": "supervisor", "X-Forwarded-User": "supervisor"}, ""), ({"Cookie": "user_role=supervisor"}, ""),
    ({"X-Original-URL": f"/audio/{ID}.mp3"}, ""), ({"X-HTTP-Method-Override": "GET"}, ""),
])
def test_no_parameter_or_header_changes_the_role(archive, job, headers, query):
    for method, path in addresses(job):
        if "?" not in path:
            assert_denied(archive.agent.request(method, path + query, headers), method)


def facts(sandbox) -> set[str]:
    """Facts of the restricted recording that no recording visible to the agent shares."""
    restricted = sandbox.metadata(ID)
    visible = json.dumps(sandbox.metadata("codec-pcm-mono"))
    telling = (
        "agentName", "agentId", "contactId", "skillName", "campaignName", "disposition", "startTime", "toAddress")
    return {restricted[name] for name in telling if restricted[name] not in visible}


@pytest.mark.parametrize("role", ["agent", "admin"])
def test_a_list_shows_that_a_restricted_recording_exists_and_none_of_its_facts(archive, shared_sandbox, role):
    reply = archive.client(role).get("/api/v1/recordings")
    rows = {row["id"]: row for row in reply.json()["recordings"]}
    assert rows[ID] == {
        "id": ID, "source": "default", "status": "ready", "privacy": "restricted",
        "restrictedReason": "Restricted: ask a supervisor"}
    assert len(rows["codec-pcm-mono"]) > 10
    secret = facts(shared_sandbox)
    assert len(secret) >= 2
    assert not [fact for fact in secret if fact in reply.text]


def test_the_list_page_shows_a_row_without_facts(archive, shared_sandbox, agent_session):
    page = agent_session.page("/")
    assert page.status == 200
    assert "Restricted: ask a supervisor" in page.text and "/play/codec-pcm-mono" in page.text
    assert f"/play/{ID}" not in page.text
    assert not [fact for fact in facts(shared_sandbox) if fact in page.text]


def test_a_search_for_hidden_facts_does_not_find_the_recording(archive, shared_sandbox):
    platform = shared_sandbox.metadata(ID)
    queries = [f"q={platform['contactId']}", f"agent={platform['agentId']}", f"direction={platform['direction']}",
               f"q={platform['agentName'].split()[0]}", f"q={platform['toAddress'].lstrip('+')}"]
    for query in queries:
        rows = archive.agent.get(f"/api/v1/recordings?{query}").json()["recordings"]
        assert ID not in [row["id"] for row in rows], query
        found = archive.supervisor.get(f"/api/v1/recordings?{query}").json()["recordings"]
        assert ID in [row["id"] for row in found], query


def test_a_supervisor_can_play_it(archive):
    assert archive.supervisor.get(f"/play/{ID}").status == 200
    mp3 = archive.supervisor.get(f"/audio/{ID}.mp3")
    assert (mp3.status, mp3.headers["content-type"]) == (200, "audio/mpeg")
    assert mp3.body == archive.data.object(archive.data.part(ID)["mp3_object"]).read_bytes()
    assert archive.supervisor.get(f"/audio/{ID}/original", Range="bytes=0-3").body == b"RIFF"
    assert archive.supervisor.get(f"/api/v1/recordings/{ID}").json()["agentName"]


def test_playback_and_denials_are_in_the_access_log(archive, job):
    listened = archive.audit("--recording", ID, "--what", "listen", "--outcome", "allowed")
    assert {entry["actor"]["role"] for entry in listened} <= {"supervisor"}
    archive.supervisor.get(f"/audio/{ID}.mp3", Range="bytes=0-99")
    archive.supervisor.get(f"/audio/{ID}.mp3?download")
    before = len(archive.audit("--recording", ID, "--outcome", "denied"))
    for method, path in [("POST", f"/ingest/{ID}"), ("GET", f"/play/{ID}"), ("GET", f"/audio/{ID}.mp3"),
                         ("GET", f"/api/v1/recordings/{ID}"), ("GET", f"/api/v1/jobs/{job}")]:
        archive.agent.request(method, path, {"User-Agent": "curious/1"})
    denied = archive.audit("--recording", ID, "--outcome", "denied")
    assert len(denied) == before + 5
    newest = denied[0]
    assert (newest["actor"]["role"], newest["actor"]["name"]) == ("agent", "test agent")
    assert newest["code"] == "insufficient_permissions"
    assert (newest["address"], newest["userAgent"]) == ("127.0.0.1", "curious/1")
    assert {entry["action"] for entry in denied[:5]} == {"ingest", "view", "listen"}
    [listened, *_] = archive.audit("--recording", ID, "--what", "listen", "--outcome", "allowed")
    assert listened["actor"]["role"] == "supervisor"
    [downloaded, *_] = archive.audit("--recording", ID, "--what", "download")
    assert downloaded["actor"]["role"] == "supervisor"


def test_the_access_log_is_for_supervisors_and_admins(archive, agent_session):
    for role, status in {"agent": 403, "metrics": 403, "supervisor": 200, "admin": 200}.items():
        assert archive.client(role).get("/api/v1/audit").status == status
        assert archive.client(role).get("/audit").status == status
    assert agent_session.page("/audit").status == 403


def test_accounts_and_tokens_are_for_admins(archive):
    body = json.dumps({"name": "sneaky", "role": "supervisor", "password": "long enough"})
    json_type = {"Content-Type": "application/json"}
    for role in ("agent", "supervisor", "metrics"):
        client = archive.client(role)
        assert client.get("/api/v1/tokens").status == 403
        assert client.request("POST", "/api/v1/tokens", json_type, body).status == 403
        assert client.request("POST", "/api/v1/accounts", json_type, body).status == 403
        assert client.request("DELETE", "/api/v1/tokens/test%20agent").status == 403


def test_the_metrics_role_reaches_the_metrics_only(archive):
    metrics = archive.client("metrics")
    assert metrics.get("/metrics").status == 200
    for path in ("/", "/play/codec-pcm-mono", "/audio/codec-pcm-mono.mp3", "/audio/codec-pcm-mono/original",
                 "/audio/codec-pcm-mono/peaks", "/api/v1/recordings", "/api/v1/recordings/codec-pcm-mono",
                 "/api/v1/jobs/2", "/api/v1/audit", "/api/v1/tokens"):
        assert metrics.get(path).status == 403, path
    assert metrics.request("POST", "/ingest/codec-pcm-mono").status == 403
    for role, status in {"agent": 403, "supervisor": 403, "admin": 200}.items():
        assert archive.client(role).get("/metrics").status == status


def test_the_operator_can_archive_and_inspect_it(server, sandbox):
    assert [line["status"] for line in server.lines("ingest", ID, "--json")] == ["ready"]
    assert json.loads(server.ok("show", ID, "--json"))["privacy"] == "restricted"
    assert_denied(server.agent.get(f"/audio/{ID}.mp3"))


def test_a_request_of_an_agent_is_denied_and_starts_no_download(server, sandbox):
    # The response must come before the longest wait is over; otherwise it is 202.
    assert_denied(server.agent.ingest(ID))
    assert not sandbox.downloads(ID)
    assert server.data.files("spool") == set()
    job = server.data.job(ID)
    assert job["failure_code"] is None, "a denial does not fail the job"
    for method, path in addresses(job["id"]):
        assert_denied(server.agent.request(method, path), method)
    assert server.supervisor.get(f"/audio/{ID}.mp3").code == "audio_not_ready"
    assert not sandbox.downloads(ID)

    reply = server.supervisor.ingest(ID)
    assert reply.json() == {"status": "ready", "player_url": f"/play/{ID}"}
    assert server.supervisor.get(f"/audio/{ID}.mp3").status == 200
    for method, path in addresses(job["id"]):
        assert_denied(server.agent.request(method, path), method)
    assert len(sandbox.downloads(ID)) == 1
    server.data.assert_tidy()


def test_an_agent_who_waits_is_denied_once_the_metadata_says_restricted(server, sandbox):
    sandbox.fault("delayed", ID, endpoint="metadata", delay=1.5, times=1)
    assert_denied(server.agent.ingest(ID))
    assert not sandbox.downloads(ID)


def test_an_agent_who_does_not_wait_is_denied_the_job(server, sandbox):
    sandbox.fault("delayed", ID, endpoint="metadata", delay=3, times=1)
    job = server.agent.start(ID)
    eventually(lambda: server.agent.get(job).status == 403)
    assert_denied(server.agent.get(job))
    assert not sandbox.downloads(ID)


def test_simultaneous_requests_of_agents_and_supervisors_get_their_own_answers(server, sandbox):
    sandbox.fault("delayed", ID, endpoint="metadata", delay=0.5, times=1)
    clients = [server.agent, server.supervisor] * 10
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        replies = list(pool.map(lambda client: client.ingest(ID), clients))
    assert [reply.status for reply in replies] == [403, 200] * 10
    assert len(sandbox.downloads(ID)) == 1
    server.data.assert_tidy()


def test_a_revoked_token_is_refused_at_once(server, sandbox):
    agent = server.agent
    assert agent.get("/api/v1/recordings").status == 200
    server.ok("token", "revoke", "test agent")
    assert agent.get("/api/v1/recordings").status == 401
    assert agent.get("/api/v1/recordings").code == "unauthenticated"
    assert server.supervisor.get("/api/v1/recordings").status == 200
    [entry] = server.audit("--what", "revoke_token")
    assert entry["actor"]["kind"] == "operator"


def test_agents_see_only_the_end_of_phone_numbers(archive, shared_sandbox):
    number = shared_sandbox.metadata("codec-pcm-mono")["toAddress"]
    assert archive.agent.get("/api/v1/recordings/codec-pcm-mono").json()["toAddress"].endswith("•" + number[-2:])
    for path in ("/api/v1/recordings", "/api/v1/recordings/codec-pcm-mono", "/play/codec-pcm-mono", "/"):
        assert number not in archive.agent.get(path).text, path
    assert archive.supervisor.get("/api/v1/recordings/codec-pcm-mono").json()["toAddress"] == number
