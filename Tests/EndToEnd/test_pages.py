"""Sign-in, forms, headers, health and metrics, as a browser and a monitoring system see them."""

import json
import re
import urllib.parse

import pytest

from backing import free_port
from programs import PASSWORD, request
from sessions import FORM, Session, cookie_value, form_token, sign_in_reply
from waiting import eventually


@pytest.fixture(scope="module")
def site(shared_server):
    assert shared_server.supervisor.ingest("codec-pcm-mono").status == 200
    return shared_server


@pytest.fixture(scope="module")
def session(site):
    return Session.sign_in(site.url, "sue", PASSWORD)


def test_a_page_redirects_to_the_sign_in_page_and_back(site):
    page = request(site.url, "GET", "/play/codec-pcm-mono?t=5", {"Accept": "text/html"})
    assert page.status == 303
    assert page.headers["location"] == "/login?next=%2Fplay%2Fcodec-pcm-mono%3Ft%3D5"
    reply = sign_in_reply(site.url, "sue", PASSWORD, next="/play/codec-pcm-mono?t=5")
    assert (reply.status, reply.headers["location"]) == (303, "/play/codec-pcm-mono?t=5")


def test_the_session_cookie_is_for_this_host_and_hidden_from_scripts(site):
    reply = sign_in_reply(site.url, "sue", PASSWORD)
    [cookie] = [cookie for cookie in reply.cookies if cookie.startswith("__Host-tapedeck=")]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes
    assert not any(attribute.startswith("domain") for attribute in attributes)
    secret = cookie_value(reply, "__Host-tapedeck")
    assert len(secret) >= 22, "128 bits"
    assert secret not in site.data.path.joinpath("catalog.sqlite").read_bytes().decode("latin-1")


def test_a_session_opens_the_pages(session):
    page = session.page("/")
    assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert "sue" in page.text and "/play/codec-pcm-mono" in page.text
    assert session.page("/play/codec-pcm-mono").status == 200
    assert session.page("/audit").status == 200


def test_signing_in_does_not_redirect_to_another_site(site):
    for next in ("//evil.example", "https://evil.example", "/\\evil.example"):
        assert sign_in_reply(site.url, "sue", PASSWORD, next=next).headers["location"] == "/"
    for next in ("javascript:alert(1)", "/\t/evil.example", "/\r\nSet-Cookie: x=y", "", "evil"):
        page = request(site.url, "GET", f"/login?next={urllib.parse.quote(next)}")
        assert 'name="next" value="/"' in page.text, next


def test_a_sign_in_form_without_its_token_is_refused(site):
    fields = {"name": "sue", "password": PASSWORD, "next": "/"}
    page = request(site.url, "GET", "/login")
    form = {"Content-Type": FORM, "Cookie": f"__Host-tapedeck-form={cookie_value(page, '__Host-tapedeck-form')}"}
    token = form_token(page)
    for headers, csrf in [({"Content-Type": FORM}, token), (form, ""), (form, "x" * len(token)), (form, None)]:
        body = urllib.parse.urlencode(fields | ({} if csrf is None else {"csrf": csrf}))
        reply = request(site.url, "POST", "/login", headers, body)
        assert (reply.status, reply.code) == (403, "cross_site_request")
        assert cookie_value(reply, "__Host-tapedeck") is None
    reply = request(site.url, "POST", "/login", form | {"Content-Type": "application/json"}, json.dumps(fields))
    assert reply.status == 400


@pytest.mark.parametrize("path, fields", [("/play/codec-gsm/ingest", {}), ("/logout", {})])
def test_a_form_from_another_site_is_refused(site, session, path, fields):
    good = {"csrf": session.token()} | fields
    for headers in (
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        own = {"Content-Type": FORM} | headers
        reply = session.request("POST", path, own, urllib.parse.urlencode(good))
        assert (reply.status, reply.code) == (403, "cross_site_request"), headers
    # An old browser that sends no Sec-Fetch-Site.
    for origin in ("https://evil.example", "null", f"{site.url}.evil.example"):
        reply = session.request("POST", path, {"Content-Type": FORM, "Origin": origin}, urllib.parse.urlencode(good))
        assert reply.status == 403, origin
    reply = session.request("POST", path, {"Content-Type": FORM}, urllib.parse.urlencode(good))
    assert reply.status == 403
    for csrf in ("", "wrong"):
        assert session.post(path, fields | {"csrf": csrf}).status == 403
    assert session.page("/").status == 200
    assert site.data.job("codec-gsm") is None


def test_another_site_cannot_use_a_session_for_the_api(session):
    for path in ("/ingest/codec-gsm", "/api/v1/tokens", "/api/v1/accounts"):
        reply = session.request("POST", path, {"Origin": "https://evil.example", "Content-Type": "text/plain"}, "{}")
        assert (reply.status, reply.code) == (403, "cross_site_request")


def test_the_button_of_a_page_requests_the_recording(site, session):
    page = session.page("/play/codec-alaw-mono")
    assert page.status == 404 and 'action="/play/codec-alaw-mono/ingest"' in page.text
    reply = session.post("/play/codec-alaw-mono/ingest", {"csrf": session.token()})
    assert (reply.status, reply.headers["location"]) == (303, "/play/codec-alaw-mono")
    job = site.data.job("codec-alaw-mono")["id"]
    site.supervisor.job_until(f"/api/v1/jobs/{job}", lambda job: job["state"] == "done")
    assert "<audio" in session.page("/play/codec-alaw-mono").text


def test_signing_out_ends_the_session(site):
    own = Session.sign_in(site.url, "sue", PASSWORD)
    reply = own.post("/logout", {"csrf": own.token()})
    assert (reply.status, reply.headers["location"]) == (303, "/login")
    assert any(cookie.startswith("__Host-tapedeck=;") and "Max-Age=0" in cookie for cookie in reply.cookies)
    assert own.request("GET", "/api/v1/recordings").status == 401
    assert own.page("/").status == 303
    actions = [entry["action"] for entry in site.audit("--who", "sue", "--limit", "2")]
    assert actions[0] == "sign_out"


def test_a_wrong_password_and_an_unknown_name_cannot_be_distinguished(site):
    wrong, unknown = (sign_in_reply(site.url, name, "wrong wrong") for name in ("sue", "unknown"))
    assert wrong.status == unknown.status == 401
    assert "Name or password is wrong." in wrong.text and "Name or password is wrong." in unknown.text
    [first, second] = site.audit("--what", "sign_in", "--outcome", "denied")[:2]
    assert first["code"] == second["code"] == "sign_in_refused"
    assert "wrong wrong" not in site.process.output


def test_password_guessing_is_limited_per_address(make_server):
    server = make_server(TAPEDECK_TRUSTED_PROXIES="127.0.0.1")

    def attempt(password: str, address: str):
        page = request(server.url, "GET", "/login")
        form = f"__Host-tapedeck-form={cookie_value(page, '__Host-tapedeck-form')}"
        body = urllib.parse.urlencode({"csrf": form_token(page), "name": "sue", "password": password, "next": "/"})
        headers = {"Content-Type": FORM, "Cookie": form, "X-Forwarded-For": address}
        return request(server.url, "POST", "/login", headers, body)

    replies = [attempt("wrong wrong", "198.51.100.1") for _ in range(6)]
    statuses = [reply.status for reply in replies]
    assert statuses[:5] == [401] * 5 and statuses[5] in (401, 429)
    while (reply := attempt("wrong wrong", "198.51.100.1")).status != 429:
        assert len(statuses) < 12, "guessing is not limited"
        statuses.append(reply.status)
    assert int(reply.headers["retry-after"]) >= 1
    # From there the correct password is refused, too; from another address it is accepted.
    assert attempt(PASSWORD, "198.51.100.1").status == 429
    assert attempt(PASSWORD, "203.0.113.9").status == 303


def test_a_forwarded_address_is_accepted_from_trusted_proxies_only(make_server):
    direct = make_server()
    direct.agent.get("/api/v1/recordings", X_Forwarded_For="198.51.100.7")
    assert direct.audit("--what", "list")[0]["address"] == "127.0.0.1"
    proxied = make_server(TAPEDECK_TRUSTED_PROXIES="127.0.0.0/8, 10.0.0.0/8")
    proxied.agent.get("/api/v1/recordings", X_Forwarded_For="203.0.113.5, 198.51.100.7, 10.1.2.3")
    assert proxied.audit("--what", "list")[0]["address"] == "198.51.100.7"


@pytest.mark.parametrize("path", [
    "/", "/login", "/play/codec-pcm-mono", "/audio/codec-pcm-mono.mp3", "/api/v1/recordings", "/livez", "/nothing",
    "/assets/player.js", "/ingest/x"])
def test_every_response_has_security_headers(session, path):
    reply = session.page(path)
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy and "form-action 'self'" in policy
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert re.fullmatch(r"[0-9a-f]{16,}", reply.headers["x-request-id"])
    if not path.startswith(("/assets", "/livez")):
        assert "no-store" in reply.headers.get("cache-control", ""), path


def test_pages_have_no_inline_scripts_or_styles(session):
    for path in ("/", "/play/codec-pcm-mono", "/audit", "/platform", "/login"):
        text = session.page(path).text
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", text), path


def test_parameters_are_escaped(session):
    page = session.page("/?q=%3Cscript%3Ealert(1)%3C/script%3E%22%27")
    assert "<script>alert" not in page.text and "&lt;script&gt;" in page.text
    assert "<img" not in session.page("/play/%3Cimg%20src=x%3E").text


def test_health_needs_no_identity(site):
    for path in ("/livez", "/readyz"):
        reply = site.anonymous.get(path)
        assert reply.status == 200 and reply.json()["problems"] == []
        assert site.anonymous.request("HEAD", path).status == 200


METRICS = [
    "tapedeck_jobs", "tapedeck_jobs_ended_total", "tapedeck_step_seconds_bucket", "tapedeck_step_seconds_count",
    "tapedeck_step_seconds_sum", "tapedeck_archived_bytes_total", "tapedeck_download_bytes_total",
    "tapedeck_platform_requests_total", "tapedeck_ready_delay_seconds_count", "tapedeck_http_requests_total",
    "tapedeck_http_request_seconds_count", "tapedeck_webhook_messages",
]


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*",?)*\})?) (\S+)')


def samples(text: str) -> dict[str, float]:
    """The samples of Prometheus' text format by name and labels; anything else is an error."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] not in found, f"twice: {match[1]}"
            found[match[1]] = float(match[2])
    return found


def test_metrics_have_the_documented_names_and_values(server, sandbox):
    sandbox.fault("server-error", "codec-pcm-mono", endpoint="metadata", times=1)
    assert server.supervisor.ingest("codec-pcm-mono").status == 200
    assert server.supervisor.ingest("failed-01").status == 502
    client = server.client("metrics")
    # What an ingest ends with is counted after its commit, while the response is already on its way.
    eventually(lambda: "tapedeck_archived_bytes_total" in samples(client.get("/metrics").text))
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(reply.text)
    names = {name.split("{")[0] for name in found}
    assert not [name for name in METRICS if name not in names]
    assert found['tapedeck_jobs{stage="ready",state="done"}'] == 1
    assert found['tapedeck_jobs{stage="fetching",state="leased"}'] == 0
    size = len(server.data.original("codec-pcm-mono"))
    assert found["tapedeck_archived_bytes_total"] == size
    for step in ("waiting", "download", "conversion", "verification", "storage", "commit"):
        assert found[f'tapedeck_step_seconds_count{{step="{step}"}}'] == 1, step
        assert found[f'tapedeck_step_seconds_bucket{{step="{step}",le="+Inf"}}'] == 1, step
    platform = {name: value for name, value in found.items() if name.startswith("tapedeck_platform_requests_total")}
    assert sum(value for name, value in platform.items() if 'status="500"' in name) == 1
    assert found["tapedeck_ready_delay_seconds_count"] == 1
    # No personal labels, no IDs.
    assert "codec-pcm-mono" not in reply.text and "test supervisor" not in reply.text


def test_metrics_can_have_a_listen_address_of_their_own(make_server):
    port = free_port()
    server = make_server(TAPEDECK_METRICS_LISTEN=f"127.0.0.1:{port}")
    other = f"http://127.0.0.1:{port}"

    def metrics():
        try:
            return samples(request(other, "GET", "/metrics").text)
        except ConnectionRefusedError:
            return None

    # The node is ready as soon as its first listener answers.
    eventually(metrics)
    assert request(other, "GET", "/livez").status == 200
    for path in ("/", "/login", "/api/v1/recordings", "/audio/codec-pcm-mono.mp3"):
        assert request(other, "GET", path).status == 404
    assert server.anonymous.get("/metrics").status == 401


def test_an_oversized_form_is_refused(site, session):
    body = "csrf=x&name=" + "a" * 100_000
    reply = request(site.url, "POST", "/login", {"Content-Type": FORM}, body)
    assert (reply.status, reply.code) == (413, "request_too_large")


def test_an_error_for_a_browser_is_a_page(session):
    page = session.page("/play/%2e%2e")
    assert page.status == 400 and "<h1>" in page.text and "</html>" in page.text
