"""A stand-in for Kaggle's API on loopback, for the unmodified `kaggle` client.

The client knows one address for such a server, `http://localhost` on port 80, so this one also answers as an http proxy:

    with Server() as server:
        server.add("my-competition", files={"train.csv": b"…"}, score=lambda content: 0.5)
        os.environ.update(server.environment())

or by hand, which prints the variables to export:

    python tests/kaggle_server.py COMPETITION FOLDER [ANSWERS.csv] [PORT]

Faults are planted by the name of the call (`"CreateSubmission"`, …), `"store"` for a signed download or `"upload"` for the PUT:
`server.plant("ListSubmissions", status=500, times=2)`.
"""

import base64
import csv
import hashlib
import io
import json
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

TOKEN = "KGAT-marked-token-7c1f"
SIGNATURE = "X-Signature-marked-9b2e"
PAGE = 3  # files in one answer of ListDataFiles, whatever is asked for


@dataclass
class Fault:
    """What goes wrong, `times` times. `after`: the call takes effect, then its answer is lost."""

    status: int = 0  # of the error answer
    text: str = "planted fault"
    nested: bool = False  # the other shape of error body
    body: bytes | None = None  # instead of an error body
    retry_after: str = ""
    after: bool = False
    cut: int = -1  # bytes of a download that are sent
    flip: bool = False  # one byte of a download
    seconds: float = 0.0  # before anything is answered
    times: int = 1


@dataclass
class Competition:
    name: str
    files: dict[str, bytes]
    score: Callable[[bytes], float]  # ValueError: a scoring error, its text the reason
    title: str = "A competition"
    metric: str = "Categorization Accuracy"
    pages: dict[str, str] = field(default_factory=lambda: {"evaluation": "Submissions are evaluated on categorization accuracy."})
    accepted: bool = True  # the rules
    daily_limit: int = 5
    polls: int = 1  # listings that still say PENDING
    code_only: bool = False
    listed: dict[str, int] | None = None  # what ListDataFiles says instead of the files' sizes
    submissions: list[dict] = field(default_factory=list)

    def archive(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, content in self.files.items():
                opened.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content)
        return buffer.getvalue()


class Refusal(Exception):
    """An error answer: status and text."""


class Server:
    """The threaded server; `calls` holds the names of the calls that arrived, in order."""

    def __init__(self, port: int = 0):
        self.tokens = {TOKEN: "tester"}
        self.keys = {"tester": "right-key"}
        self.competitions: dict[str, Competition] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.uploads: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.calls: list[str] = []
        self.lock = threading.Lock()
        outer = self

        class Bound(Handler):
            server_object = outer

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Bound)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"

    def add(self, name: str, files: dict[str, bytes], score: Callable[[bytes], float] = lambda content: 0.5, **others) -> Competition:
        self.competitions[name] = Competition(name, files, score, **others)
        return self.competitions[name]

    def plant(self, where: str, **what) -> None:
        self.faults.setdefault(where, []).append(Fault(**what))

    def environment(self, token: str = TOKEN) -> dict[str, str]:
        """What points the client here; an empty `token` leaves the credentials to the caller."""
        found = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": self.origin, "no_proxy": "", "NO_PROXY": ""}
        return found | ({"KAGGLE_API_TOKEN": token} if token else {})

    def __enter__(self) -> "Server":
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *problem) -> None:
        self.http.shutdown()
        self.http.server_close()

    def fault(self, where: str) -> Fault | None:
        with self.lock:
            waiting = [fault for fault in self.faults.get(where, []) if fault.times > 0]
            if waiting:
                waiting[0].times -= 1
            return waiting[0] if waiting else None

    # -- the calls: each takes the request's JSON and returns the answer's ------------------------------------------------------

    def known(self, body: dict) -> Competition:
        name = body.get("competitionName", "")
        if name not in self.competitions:
            raise Refusal(404, "Competition not found")
        return self.competitions[name]

    def entered(self, body: dict) -> Competition:
        found = self.known(body)
        if not found.accepted:
            raise Refusal(403, "You must accept this competition's rules before you'll be able to download files.")
        return found

    def introspect_token(self, body: dict) -> dict:
        name = self.tokens.get(body.get("token"))
        return {"active": True, "username": name} if name else {"active": False}

    def list_competitions(self, body: dict) -> dict:
        found = [one for one in self.competitions.values() if body.get("search", "") in one.name]
        return {"competitions": [self.described(one) for one in found]}

    def described(self, one: Competition) -> dict:
        return {
            "ref": f"https://www.kaggle.com/competitions/{one.name}",
            "title": one.title,
            "deadline": "2030-01-31T23:59:00.000Z",
            "evaluationMetric": one.metric,
            "maxDailySubmissions": one.daily_limit,
            "isKernelsSubmissionsOnly": one.code_only,
        }

    def list_competition_pages(self, body: dict) -> dict:
        return {"pages": [{"name": name, "content": text} for name, text in self.known(body).pages.items()]}

    def list_data_files(self, body: dict) -> dict:
        one = self.known(body)
        sizes = one.listed or {name: len(content) for name, content in one.files.items()}
        start = int(body.get("pageToken") or 0)
        files = [{"name": name, "totalBytes": size, "creationDate": "2024-01-01T00:00:00.000Z"} for name, size in sizes.items()]
        more = start + PAGE < len(files)
        return {"files": files[start : start + PAGE], **({"nextPageToken": str(start + PAGE)} if more else {})}

    def download_data_files(self, body: dict) -> str:
        return f"{self.origin}/store/{self.entered(body).name}.zip?sig={SIGNATURE}"

    def download_data_file(self, body: dict) -> str:
        one = self.entered(body)
        if body["fileName"] not in one.files:
            raise Refusal(404, "File not found")
        return f"{self.origin}/store/{one.name}/{body['fileName']}?sig={SIGNATURE}"

    def start_submission_upload(self, body: dict) -> dict:
        self.entered(body)
        with self.lock:
            token = f"blob{len(self.uploads)}"
            self.uploads[token] = b""
            self.names[token] = body["fileName"]
        return {"token": token, "createUrl": f"{self.origin}/upload/{token}?sig={SIGNATURE}"}

    def create_submission(self, body: dict) -> dict:
        one = self.entered(body)
        content = self.uploads.get(body["blobFileTokens"], b"")
        with self.lock:
            if len(one.submissions) >= one.daily_limit:
                text = f"Submission not allowed:  Your team has used its submission allowance ({one.daily_limit} of {one.daily_limit})."
                raise Refusal(400, text)
            made = {
                "ref": 1000 + len(one.submissions) + 1,
                "fileName": self.names.get(body["blobFileTokens"], ""),
                "description": body.get("submissionDescription", ""),
                "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "polls": one.polls,
                "content": content,
            }
            one.submissions.insert(0, made)
        return {"message": f"Successfully submitted to {one.title}", "ref": made["ref"]}

    def get_submission_limits(self, body: dict) -> dict:
        one = self.known(body)
        made = len(one.submissions)
        return {"numToday": made, "numTotal": made, "numAllowedNow": max(0, one.daily_limit - made)}

    def state(self, one: Competition, made: dict) -> dict:
        shown = {name: made[name] for name in ("ref", "fileName", "description", "date")}
        if made["polls"] > 0:
            made["polls"] -= 1
            return shown | {"status": "PENDING"}
        try:
            return shown | {"status": "COMPLETE", "publicScore": f"{one.score(made['content']):.5f}"}
        except ValueError as error:
            return shown | {"status": "ERROR", "errorDescription": str(error)}

    def list_submissions(self, body: dict) -> dict:
        one = self.known(body)
        start = int(body.get("pageToken") or 0)
        size = body.get("pageSize") or 20
        more = start + size < len(one.submissions)
        shown = [self.state(one, made) for made in one.submissions[start : start + size]]
        return {"submissions": shown, "nextPageToken": str(start + size) if more else ""}

    def get_submission(self, body: dict) -> dict:
        for one in self.competitions.values():
            for made in one.submissions:
                if made["ref"] == body.get("ref"):
                    return self.state(one, made)
        raise Refusal(404, "Submission not found")

    def get_leaderboard(self, body: dict) -> dict:
        one = self.known(body)
        scored = [self.state(one, made) for made in one.submissions if made["polls"] <= 0]
        best = max((made["publicScore"] for made in scored if "publicScore" in made), default="0")
        return {"submissions": [{"teamId": 1, "teamName": "tester", "submissionDate": "2024-01-01T00:00:00.000Z", "score": best}]}


CALLS = {
    "IntrospectToken": Server.introspect_token,
    "ListCompetitions": Server.list_competitions,
    "GetCompetition": lambda server, body: server.described(server.known(body)),
    "ListCompetitionPages": Server.list_competition_pages,
    "ListDataFiles": Server.list_data_files,
    "DownloadDataFiles": Server.download_data_files,
    "DownloadDataFile": Server.download_data_file,
    "StartSubmissionUpload": Server.start_submission_upload,
    "CreateSubmission": Server.create_submission,
    "GetSubmissionLimits": Server.get_submission_limits,
    "ListSubmissions": Server.list_submissions,
    "GetSubmission": Server.get_submission,
    "GetLeaderboard": Server.get_leaderboard,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_object: Server

    def log_message(self, *arguments) -> None:
        pass

    def answer(self, status: int, content: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def error(self, status: int, text: str, fault: Fault | None = None) -> None:
        fault = fault or Fault()
        body = {"error": {"code": status, "message": text, "status": "PLANTED"}} if fault.nested else {"code": status, "message": text}
        content = json.dumps(body).encode() if fault.body is None else fault.body
        kind = "application/json" if fault.body is None else "text/html"
        self.answer(status, content, kind, **({"Retry_After": fault.retry_after} if fault.retry_after else {}))

    def signed_in(self) -> bool:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer":
            return value in self.server_object.tokens
        name, _, key = base64.b64decode(value or "").decode().partition(":")
        return bool(name) and self.server_object.keys.get(name) == key

    def do_POST(self) -> None:
        server = self.server_object
        name = urlsplit(self.path).path.rsplit("/", 1)[-1]
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        server.calls.append(name)
        fault = server.fault(name)
        if fault and not fault.after:
            threading.Event().wait(fault.seconds)
        if fault and fault.status and not fault.after:
            return self.error(fault.status, fault.text, fault)
        if name not in CALLS:
            return self.error(404, f"no such call: {name}")
        if name != "IntrospectToken" and not self.signed_in():
            return self.error(401, "Unauthenticated")
        try:
            answer = CALLS[name](server, body)
        except Refusal as refusal:
            return self.error(*refusal.args)
        if fault and fault.after:
            threading.Event().wait(fault.seconds)
        if fault and fault.status:
            return self.error(fault.status, fault.text, fault)
        if isinstance(answer, str):
            return self.answer(302, b"", Location=answer)
        return self.answer(200, json.dumps(answer).encode())

    def do_PUT(self) -> None:
        server = self.server_object
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.calls.append("upload")
        fault = server.fault("upload")
        if fault and fault.status:
            return self.error(fault.status, fault.text, fault)
        server.uploads[urlsplit(self.path).path.rsplit("/", 1)[-1]] = content
        return self.answer(200, b"")

    def do_GET(self) -> None:
        server = self.server_object
        server.calls.append("store")
        fault = server.fault("store")
        if fault and fault.status:
            return self.error(fault.status, fault.text, fault)
        parts = unquote(urlsplit(self.path).path).strip("/").split("/", 2)
        one = server.competitions[parts[1].removesuffix(".zip")]
        content = one.files[parts[2]] if len(parts) == 3 else one.archive()
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        if fault and fault.flip:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        start = 0
        if self.headers.get("Range") and self.headers.get("If-Range") in (None, etag):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if start > len(content):
            return self.error(416, "range")
        self.send_response(206 if start else 200)
        headers = {"Content-Length": str(len(content) - start), "Accept-Ranges": "bytes", "ETag": etag}
        for name, value in {**headers, "Content-Type": "application/zip", "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}.items():
            self.send_header(name, value)
        self.end_headers()
        end = len(content) if not fault or fault.cut < 0 else start + fault.cut
        self.wfile.write(content[start:end])
        if end < len(content):
            self.close_connection = True
        return None


def accuracy(answers: bytes) -> Callable[[bytes], float]:
    """A scorer: the share of ids whose label is the one in `answers` (CSV: id, label). ValueError for other headers or ids."""
    wanted = list(csv.reader(io.StringIO(answers.decode())))

    def score(content: bytes) -> float:
        given = list(csv.reader(io.StringIO(content.decode())))
        if not given or given[0] != wanted[0]:
            raise ValueError(f"the header is {given[:1]}, not {wanted[0]}")
        if sorted(row[0] for row in given[1:]) != sorted(row[0] for row in wanted[1:]):
            raise ValueError("the ids are not those of the sample submission")
        right = dict(wanted[1:])
        return sum(right[name] == label for name, label in given[1:]) / len(right)

    return score


def main(competition: str, folder: str, answers: str = "", port: str = "7777") -> None:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}
    with Server(int(port)) as server:
        server.add(competition, files, *([accuracy(Path(answers).read_bytes())] if answers else []))
        print("\n".join(f"export {name}={value}" for name, value in server.environment().items()), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
