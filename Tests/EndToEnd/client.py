"""HTTP as clients of the API use it: one connection per request, and every byte of the answer."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from dataclasses import dataclass, field

from waiting import PATIENCE, eventually


def path_segment(id: str) -> str:
    """A recording id as a path segment; the tilde is encoded, because it separates a source from an id."""
    return urllib.parse.quote(id, safe="").replace("~", "%7E")


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    #: In the order of the response; several may have the same name.
    cookies: list[str] = field(default_factory=list)

    def json(self):
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> str:
        """The error code of a problem document."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json()
        assert problem["status"] == self.status and problem["detail"] and problem["requestId"]
        return problem["code"]


def request(address: str, method: str, path: str, headers: dict[str, str] | None = None,
            body: bytes | str | None = None, timeout: float = PATIENCE) -> Reply:
    """Sends one request; the path is sent exactly as given."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Reply(
            response.status, {name.lower(): value for name, value in response.getheaders()}, response.read(),
            response.headers.get_all("Set-Cookie") or [])
    finally:
        connection.close()


@dataclass
class Client:
    """An API client with a token, or without one."""

    address: str
    token: str | None

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | str | None = None,
                timeout: float = PATIENCE) -> Reply:
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return request(self.address, method, path, own | (headers or {}), body, timeout)

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def ingest(self, id: str, query: str = "", timeout: float = PATIENCE, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", f"/ingest/{path_segment(id)}{query}", named, timeout=timeout)

    def start(self, id: str) -> str:
        """Requests a recording without waiting; returns the address of its job."""
        reply = self.ingest(id, Prefer="respond-async")
        assert reply.status == 202, reply
        return reply.headers["location"]

    def job(self, address: str) -> dict:
        reply = self.get(address)
        assert reply.status == 200, reply
        return reply.json()

    def job_until(self, address: str, condition, within: float = PATIENCE) -> dict:
        def look():
            job = self.job(address)
            return job if condition(job) else None

        return eventually(look, within=within)
