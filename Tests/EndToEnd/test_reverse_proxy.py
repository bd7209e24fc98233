"""Tapedeck behind nginx and Caddy, with the configurations in packaging/."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator

import pytest

from attack import descriptors
from client import Reply
from programs import PASSWORD
from waiting import eventually

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"
#: Debian installs nginx outside of PATH.
ENVIRONMENT = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin"}
#: The address of the client, which is not that of the proxy.
CLIENT = "127.0.0.7"


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def certificate(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    files = folder / "proxy.pem", folder / "proxy.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True)
    return files


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """The text with each of these replaced, which must occur."""
    for old, new in pairs:
        assert old in text, f"{old} is not in the configuration"
        text = text.replace(old, new)
    return text


def nginx(folder: pathlib.Path, backend: str, port: int) -> list[str]:
    pem, key = certificate(folder)
    [plain] = free_ports(1)
    site = replaced(
        (PACKAGING / "nginx.conf").read_text(), ("127.0.0.1:8080", backend), ("/etc/ssl/tapedeck.pem", str(pem)),
        ("/etc/ssl/tapedeck.key", str(key)), ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"), ("    listen [::]:443 ssl;\n", ""), ("    listen [::]:80;\n", ""))
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; {user}\nevents {{}}\n"
        # Debian's configuration has `gzip on`.
        f"http {{ access_log off; gzip on; gzip_min_length 1; {temporary}\n{site}}}\n")
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: pathlib.Path, backend: str, port: int) -> list[str]:
    pem, key = certificate(folder)
    site = replaced(
        (PACKAGING / "Caddyfile").read_text(), ("127.0.0.1:8080", backend),
        ("\ntapedeck.example.com {", f"\nhttps://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {pem} {key}"))
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + site)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


class Proxied:
    """A client of the proxy."""

    def __init__(self, port: int):
        self.port = port

    def connect(self) -> ssl.SSLSocket:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.port), 300, (CLIENT, 0))
        return trusting.wrap_socket(plain, server_hostname="localhost")

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: str | None = None) -> Reply:
        connection = http.client.HTTPConnection(f"localhost:{self.port}", timeout=300)
        connection.sock = self.connect()
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, {name.lower(): value for name, value in response.getheaders()},
                         response.read(), response.headers.get_all("Set-Cookie") or [])
        finally:
            connection.close()


@contextlib.contextmanager
def running(command: list[str], folder: pathlib.Path, port: int) -> Iterator[Proxied]:
    """A client of the proxy, which runs until the end of the block."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=ENVIRONMENT | {"HOME": str(folder)}, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    client = Proxied(port)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return client.request("GET", "/livez").status == 200
        except OSError:
            return False

    try:
        eventually(answers)
        yield client
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxied(request, make_server, folder):
    [port] = free_ports(1)
    server = make_server(TAPEDECK_PUBLIC_URL=f"https://localhost:{port}", TAPEDECK_TRUSTED_PROXIES="127.0.0.1")
    own = folder / "proxy"
    own.mkdir()
    with running(request.param(own, urllib.parse.urlsplit(server.url).netloc, port), own, port) as client:
        yield server, client


def test_a_user_signs_in_and_listens_and_the_access_log_has_the_address(proxied, sandbox):
    server, client = proxied
    assert server.supervisor.ingest("short-0001").status == 200
    page = client.request("GET", "/login")
    form = {"csrf": re.search(r'name="csrf" value="([^"]+)"', page.text)[1], "name": "sue", "password": PASSWORD}
    signed_in = client.request(
        "POST", "/login",
        {"Cookie": page.cookies[0].split(";")[0], "Content-Type": "application/x-www-form-urlencoded",
         "Origin": f"https://localhost:{client.port}", "X-Forwarded-For": "203.0.113.9"},
        urllib.parse.urlencode(form))
    assert signed_in.status == 303, signed_in
    [cookie] = [one.split(";")[0] for one in signed_in.cookies if one.startswith("__Host-tapedeck=")]
    whole = client.request("GET", "/audio/short-0001/original", {"Cookie": cookie})
    assert (whole.status, whole.body) == (200, sandbox.file("short-0001"))
    part = client.request(
        "GET", "/audio/short-0001/original",
        {"Cookie": cookie, "Range": "bytes=1000-1999", "If-Range": whole.headers["etag"]})
    assert (part.status, part.body) == (206, whole.body[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(whole.body)}"
    entries = server.audit("--what", "sign_in") + server.audit("--what", "listen")
    assert len(entries) == 2 and {entry["address"] for entry in entries} == {CLIENT}
    # A form of another site is refused behind the proxy too.
    other = client.request(
        "POST", "/logout", {"Cookie": cookie, "Origin": "https://other.example.com"}, "csrf=x")
    assert (other.status, other.code) == (403, "cross_site_request")


def test_no_page_is_compressed(proxied):
    _, client = proxied
    page = client.request("GET", "/login", {"Accept-Encoding": "gzip"})
    assert page.status == 200 and "content-encoding" not in page.headers
    script = re.search(r'src="(/assets/page.js[^"]+)"', page.text)[1]
    assert client.request("GET", script, {"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"


def test_a_caller_waits_and_its_request_ends_when_it_leaves(proxied, sandbox):
    server, client = proxied
    sandbox.fault("status-flap", "short-0001")
    headers = {"Authorization": f"Bearer {server.token('supervisor')}", "X-Forwarded-For": "203.0.113.9"}
    replies = []
    waiting = threading.Thread(
        target=lambda: replies.append(client.request("POST", "/ingest/short-0001?wait=3600", headers)))
    waiting.start()
    eventually(lambda: server.audit("--what", "ingest"))
    before = descriptors(server)
    left = [client.connect() for _ in range(40)]
    for connection in left:
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(
            f"POST /ingest/short-0001?wait=3600 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{fields}\r\n".encode())
    eventually(lambda: descriptors(server) >= before + 35)
    for connection in left:
        connection.close()
    # The proxy may keep a few connections for later requests.
    eventually(lambda: descriptors(server) < before + 20)
    assert waiting.is_alive()
    sandbox.clear_faults()
    waiting.join()
    assert replies[0].status == 200
    assert {entry["address"] for entry in server.audit("--what", "ingest")} == {CLIENT}


# MARK: Audio that nginx sends


INTERNAL = """
    location /tapedeck-objects/ {
        internal;
        alias OBJECTS/;
        disable_symlinks on from=OBJECTS/;
    }

    location / {"""


@pytest.fixture
def accelerated(make_server, folder):
    [port] = free_ports(1)
    server = make_server(
        TAPEDECK_PUBLIC_URL=f"https://localhost:{port}", TAPEDECK_TRUSTED_PROXIES="127.0.0.1",
        TAPEDECK_ACCEL_REDIRECT="/tapedeck-objects/")
    own = folder / "proxy"
    own.mkdir()
    command = nginx(own, urllib.parse.urlsplit(server.url).netloc, port)
    config = own / "nginx.conf"
    config.write_text(replaced(
        config.read_text(), ("\n    location / {", INTERNAL.replace("OBJECTS", str(server.data.path / "objects")))))
    with running(command, own, port) as client:
        yield server, client


def test_nginx_sends_audio_after_the_check_and_the_log_entry(accelerated, sandbox):
    server, client = accelerated
    assert server.supervisor.ingest("short-0001").status == 200
    path = "/audio/short-0001/original"
    token = {"Authorization": f"Bearer {server.token('supervisor')}"}
    whole = client.request("GET", path, token)
    assert (whole.status, whole.body) == (200, sandbox.file("short-0001"))
    assert whole.headers["content-type"] == "audio/wav" and "x-accel-redirect" not in whole.headers
    assert whole.headers["cache-control"] == "private, no-store"
    part = client.request("GET", path, token | {"Range": "bytes=1000-1999", "If-Range": whole.headers["etag"]})
    assert (part.status, part.body) == (206, whole.body[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(whole.body)}"
    [entry] = server.audit("--what", "listen")
    assert entry["details"] == {"sent": "handed to the proxy, bytes unknown"} and entry["address"] == CLIENT
    # A client cannot ask for the internal location.
    name = next((server.data.path / "objects").glob("*/*.wav"))
    internal = f"/tapedeck-objects/{name.parent.name}/{name.name}"
    assert client.request("GET", internal, token).status == 404
    assert client.request("GET", path).status == 401


REPLACEMENTS = {
    "missing": (lambda file, other: None, "object_missing"),
    "link": (lambda file, other: file.symlink_to(other), "object_damaged"),
    "other length": (lambda file, other: file.write_bytes(b"short"), "object_damaged"),
    "folder": (lambda file, other: file.mkdir(), "object_damaged"),
}


@pytest.mark.parametrize("replace, code", REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_nginx_sends_no_file_that_tapedeck_would_not_send(accelerated, folder, replace, code):
    server, client = accelerated
    assert server.supervisor.ingest("short-0001").status == 200
    path = "/audio/short-0001.mp3"
    token = {"Authorization": f"Bearer {server.token('supervisor')}"}
    whole = client.request("GET", path, token)
    head = client.request("HEAD", path, token)
    for name in ("etag", "content-length", "last-modified", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]
    # It was opened for a response before it is replaced.
    [file] = (server.data.path / "objects").glob("*/*.mp3")
    file.rename(folder / "kept")
    other = folder / "other"
    other.write_bytes(b"x" * len(whole.body))
    replace(file, other)
    assert client.request("GET", path, token).code == code
    [entry] = server.audit("--what", "verify")
    assert entry["details"]["by"] == "playback"


def test_nginx_itself_follows_no_link(accelerated, folder):
    server, client = accelerated
    assert server.supervisor.ingest("short-0001").status == 200
    token = {"Authorization": f"Bearer {server.token('supervisor')}"}
    [file] = (server.data.path / "objects").glob("*/*.mp3")
    # A folder that is a link: Tapedeck opens only the last part of the path without following links.
    file.parent.rename(folder / "elsewhere")
    file.parent.symlink_to(folder / "elsewhere")
    refused = client.request("GET", "/audio/short-0001.mp3", token)
    assert refused.status in (403, 404) and "x-accel-redirect" not in refused.headers


def test_what_nginx_may_send_ends_with_the_token(accelerated):
    server, client = accelerated
    assert server.supervisor.ingest("short-0001").status == 200
    token = {"Authorization": f"Bearer {server.token('supervisor')}"}
    assert client.request("GET", "/audio/short-0001.mp3", token).status == 200
    server.ok("token", "revoke", "test supervisor")
    refused = client.request("GET", "/audio/short-0001.mp3", token)
    assert refused.status == 401 and "x-accel-redirect" not in refused.headers
