"""A session as a browser has it: cookies and form tokens, handled by the test.

`__Host-` cookies are `Secure`, which HTTP libraries do not send over plain HTTP. Browsers do, on loopback.
"""

from __future__ import annotations

import html
import re
import urllib.parse
from dataclasses import dataclass

from programs import Reply, request

FORM = "application/x-www-form-urlencoded"


def cookie_value(reply: Reply, name: str) -> str | None:
    for cookie in reply.cookies:
        found, _, rest = cookie.partition("=")
        if found == name:
            return rest.split(";")[0]
    return None


def form_token(page: Reply) -> str:
    return html.unescape(re.search(r'name="csrf" value="([^"]*)"', page.text)[1])


def sign_in_reply(url: str, name: str, password: str, next: str = "/") -> Reply:
    """Fills in the sign-in form and returns the answer."""
    page = request(url, "GET", f"/login?next={urllib.parse.quote(next)}")
    assert page.status == 200
    form = cookie_value(page, "__Host-tapedeck-form")
    body = urllib.parse.urlencode({"csrf": form_token(page), "next": next, "name": name, "password": password})
    return request(
        url, "POST", "/login", {"Content-Type": FORM, "Cookie": f"__Host-tapedeck-form={form}"}, body)


@dataclass
class Session:
    url: str
    secret: str

    @classmethod
    def sign_in(cls, url: str, name: str, password: str) -> Session:
        reply = sign_in_reply(url, name, password)
        assert reply.status == 303, reply
        return cls(url, cookie_value(reply, "__Host-tapedeck"))

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: str | None = None) -> Reply:
        return request(
            self.url, method, path, {"Cookie": f"__Host-tapedeck={self.secret}"} | (headers or {}), body)

    def page(self, path: str) -> Reply:
        """A page as a browser asks for it."""
        return self.request("GET", path, {"Accept": "text/html,application/xhtml+xml"})

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Reply:
        """Submits a form of one of Tapedeck's pages."""
        own = {"Content-Type": FORM, "Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", path, own | given, urllib.parse.urlencode(fields))

    def token(self) -> str:
        return form_token(self.page("/"))
