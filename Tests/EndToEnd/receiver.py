"""A QM system that receives webhooks on loopback and answers as configured."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import dataclass, field

from standardwebhooks.webhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


@dataclass
class Message:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str = SECRET) -> dict:
        """The body, once the reference implementation has accepted its signature and time."""
        return Webhook(secret).verify(self.body.decode(), self.headers)

    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Listens while used as a context. `answers` are given one after the other, the last one repeatedly."""

    answers: list[int] = field(default_factory=lambda: [204])
    port: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    # The sender was killed, and sends the message again.
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver.answers[min(len(receiver.messages), len(receiver.answers) - 1)]
                receiver.messages.append(Message(self.path, headers, body))
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def settings(self) -> dict[str, str]:
        return {"QM_WEBHOOK_URL": self.url, "QM_WEBHOOK_SECRET": SECRET}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/calls?tenant=7"
