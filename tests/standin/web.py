"""The stand-in's HTTP: calls, signed downloads, signed uploads, each with the faults that are planted there."""

import base64
import json
import os
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.standin import content
from tests.standin.competition import Refusal
from tests.standin.content import Content
from tests.standin.faults import NAMED, Fault


class Loopback(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """A client that went away is what half of the tests are about."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_object = None

    def log_message(self, *arguments) -> None:
        pass

    # -- answers -------------------------------------------------------------------------------------------------------------------

    def answer(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def error(self, status: int, text: str, fault: Fault | None = None) -> None:
        fault = fault or Fault(nested=self.server_object.nested)
        body = {"error": {"code": status, "message": text, "status": "PLANTED"}} if fault.nested else {"code": status, "message": text}
        sent = json.dumps(body).encode() if fault.body is None else fault.body
        kind = "text/html" if fault.body is not None and not fault.body.startswith(b"{") else "application/json"
        self.answer(status, sent, kind, **({"Retry_After": fault.retry_after} if fault.retry_after else {}))

    def drop(self) -> None:
        """Ends the connection with RST."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def failed(self, fault: Fault | None) -> bool:
        """Waits and answers as the fault wants; whether that was the answer."""
        if fault and fault.seconds:
            self.server_object.closing.wait(fault.seconds)
        if fault and fault.status:
            self.error(fault.status, fault.text, fault)
        elif fault and fault.reset:
            self.drop()
        return bool(fault and (fault.status or fault.reset))

    # -- calls ---------------------------------------------------------------------------------------------------------------------

    def signed_in(self) -> bool:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer":
            return value in self.server_object.tokens
        name, _, key = base64.b64decode(value or "").decode().partition(":")
        return bool(name) and self.server_object.keys.get(name) == key

    def do_POST(self) -> None:
        from tests.standin.server import CALLS

        server = self.server_object
        name = urlsplit(self.path).path.rsplit("/", 1)[-1]
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        server.calls.append(name)
        fault = server.fault(name)
        if not (fault and fault.after) and self.failed(fault):
            return None
        if name not in CALLS:
            return self.error(404, f"no such call: {name}")
        if name != "IntrospectToken" and not self.signed_in():
            return self.error(401, "Unauthenticated")
        try:
            answer = CALLS[name](server, body)
        except Refusal as refusal:
            return self.error(*refusal.args)
        if fault and fault.after and self.failed(fault):
            return None
        if isinstance(answer, str):
            return self.answer(302, b"", Location=answer)
        if isinstance(answer, bytes):
            return self.send_content(answer, fault)
        return self.answer(200, json.dumps(answer).encode())

    # -- signed addresses ----------------------------------------------------------------------------------------------------------

    def do_PUT(self) -> None:
        server = self.server_object
        server.calls.append("upload")
        fault = server.fault("upload")
        length = int(self.headers.get("Content-Length") or 0)
        if fault and fault.reset:
            self.rfile.read(length // 2)
            return self.drop()
        sent = self.rfile.read(length)
        if self.failed(fault):
            return None
        server.uploads[urlsplit(self.path).path.rsplit("/", 1)[-1]] = sent
        return self.answer(200, b"")

    def do_GET(self) -> None:
        server, url = self.server_object, urlsplit(self.path)
        place, *parts = unquote(url.path).strip("/").split("/", 2)
        if place == "fault":
            return self.switch(parts)
        server.calls.append("store")
        server.ranges.append(self.headers.get("Range", ""))
        fault = server.fault("store")
        serial = parse_qs(url.query).get("n", [""])[0]
        if serial in server.expired:
            return self.answer(403, f"<Error><Code>AccessDenied</Code><Signed>{self.path}</Signed></Error>".encode(), "application/xml")
        if fault and fault.expires:
            server.expired.add(serial)
        if fault and fault.status and self.failed(fault):
            return None
        if fault and fault.seconds:
            server.closing.wait(fault.seconds)
        return self.send_content(server.stored(parts), fault)

    def switch(self, parts: list[str]) -> None:
        """`curl 127.0.0.1:PORT/fault/cut` plants a fault by hand; without a name it lists them."""
        if parts and parts[0] in NAMED:
            return self.answer(200, f"{parts[0]}: {self.server_object.break_by_name(parts[0])}\n".encode(), "text/plain")
        known = "".join(f"{name:<12} {meaning}\n" for name, (meaning, _) in NAMED.items())
        return self.answer(404 if parts else 200, known.encode(), "text/plain")

    def send_content(self, held: Content, fault: Fault | None) -> None:
        """A file, as a whole or from where the client says; the fault decides what of it arrives."""
        fault = fault or Fault()
        size, tag = content.size(held), content.tag(held)
        start = 0
        if self.headers.get("Range") and self.headers.get("If-Range") in (None, tag) and not fault.no_range:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if start >= size > 0:
            return self.error(416, "range")
        self.send_response(206 if start else 200)
        headers = {"Content-Type": "application/zip", "ETag": tag, "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        headers |= {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
        headers |= {"Connection": "close"} if fault.no_length else {"Content-Length": str(size - start)}
        headers |= {} if fault.no_range else {"Accept-Ranges": "bytes"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        end = size if fault.cut < 0 else min(size, start + fault.cut)
        position, wrong = start, size // 2
        for part in content.pieces(held, start, end, fault.piece if fault.slow else content.PIECE):
            if fault.slow:
                self.server_object.closing.wait(fault.slow)
            if fault.flip and position <= wrong < position + len(part):
                part = part[: wrong - position] + bytes([part[wrong - position] ^ 1]) + part[wrong - position + 1 :]
            self.wfile.write(part)
            position += len(part)
        if fault.reset:
            return self.drop()
        if end < size:
            self.close_connection = True
        return None
