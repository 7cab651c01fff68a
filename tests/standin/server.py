"""The stand-in's state and its calls, as the unmodified `kaggle` client makes them."""

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from tests.standin import content
from tests.standin.competition import Competition, Refusal
from tests.standin.content import Content
from tests.standin.faults import MISSPELT, NAMED, RULES, Fault
from tests.standin.web import Handler, Loopback

TOKEN = "KGAT-marked-token-7c1f"
SIGNATURE = "X-Signature-marked-9b2e"
LISTED = 20  # competitions, submissions or teams in one answer, where nothing is asked for


class Server:
    """The threaded server, on 127.0.0.1 only; `calls` holds the names of the calls that arrived, in order."""

    def __init__(self, port: int = 0):
        self.tokens = {TOKEN: "tester"}
        self.keys = {"tester": "right-key"}
        self.competitions: dict[str, Competition] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.nested = False  # error bodies are {"error": {…}} instead of {…}
        self.unknown = 404  # the answer for a competition that is not there; Kaggle also gives 403
        self.uploads: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.calls: list[str] = []
        self.ranges: list[str] = []  # the Range header of each signed download, "" where there was none
        self.expired: set[str] = set()
        self.signed = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.http = Loopback(("127.0.0.1", port), type("Bound", (Handler,), {"server_object": self}))
        self.scratch = Path(tempfile.mkdtemp(prefix="standin-"))
        self.port = self.http.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"

    def add(self, name: str, files: dict[str, Content], score: Callable[[bytes], float] = lambda sent: 0.5, **others) -> Competition:
        self.competitions[name] = Competition(name, files, score, **others)
        return self.competitions[name]

    def plant(self, where: str, **what) -> None:
        self.faults.setdefault(where, []).append(Fault(**what))

    def break_by_name(self, name: str) -> str:
        """Plants a fault of `NAMED` at every competition; returns its meaning. KeyError for another name."""
        meaning, plant = NAMED[name]
        for competition in self.competitions.values():
            plant(self, competition)
        return meaning

    def environment(self, token: str = TOKEN) -> dict[str, str]:
        return environment(self.origin, token)

    def __enter__(self) -> "Server":
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *problem) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def fault(self, where: str) -> Fault | None:
        with self.lock:
            waiting = [fault for fault in self.faults.get(where, []) if fault.times > 0]
            if waiting:
                waiting[0].times -= 1
            return waiting[0] if waiting else None

    def sign(self, path: str) -> str:
        """A new address in the store."""
        with self.lock:
            self.signed += 1
            return f"{self.origin}/{quote(path)}?sig={SIGNATURE}&n={self.signed}"

    def stored(self, parts: list[str]) -> Content:
        """What lies at a signed address: `X.zip`, `X/NAME` or, of a site that compresses, `X/NAME.zip`."""
        one = self.competitions[parts[0].removesuffix(".zip")]
        if len(parts) == 1:
            with self.lock:
                return one.shipped(self.scratch)
        name = parts[1] if parts[1] in one.files else parts[1].removesuffix(".zip")
        held = one.files[name]
        if name == parts[1]:
            return held
        return content.packed({Path(name).name: held.read_bytes() if isinstance(held, Path) else held})

    # -- the calls: each takes the request's JSON and returns the answer's, a signed address or a file's bytes -----------------------

    def known(self, body: dict) -> Competition:
        name = body.get("competitionName", "")
        if name not in self.competitions:
            raise Refusal(self.unknown, MISSPELT if self.unknown == 403 else "Competition not found")
        return self.competitions[name]

    def entered(self, body: dict) -> Competition:
        found = self.known(body)
        if not found.accepted:
            raise Refusal(403, RULES)
        return found

    def introspect_token(self, body: dict) -> dict:
        name = self.tokens.get(body.get("token"))
        return {"active": True, "username": name} if name else {"active": False}

    def list_competitions(self, body: dict) -> dict:
        """Those whose name or title holds any word of the search."""
        words = body.get("search", "").lower().replace("-", " ").split()
        found = [one for one in self.competitions.values() if not words or any(word in f"{one.name} {one.title}".lower() for word in words)]
        return page("competitions", [self.described(one) for one in found], body)

    def described(self, one: Competition) -> dict:
        return {
            "ref": f"https://www.kaggle.com/competitions/{one.name}",
            "title": one.title,
            "deadline": one.deadline,
            "category": "Playground",
            "reward": "Swag",
            "teamCount": len(one.standing()),
            "userHasEntered": one.accepted,
            "evaluationMetric": one.metric,
            "maxDailySubmissions": one.daily_limit,
            "isKernelsSubmissionsOnly": one.code_only,
            "submissionsDisabled": bool(one.closed),
        }

    def list_competition_pages(self, body: dict) -> dict:
        wanted = body.get("pageName", "")
        return {"pages": [{"name": name, "content": text} for name, text in self.known(body).pages.items() if wanted in ("", name)]}

    def list_data_files(self, body: dict) -> dict:
        one = self.known(body)
        files = [{"name": name, "totalBytes": size, "creationDate": "2024-01-01T00:00:00.000Z"} for name, size in one.sizes().items()]
        return page("files", files, body, most=one.page)

    def download_data_files(self, body: dict) -> str:
        return self.sign(f"store/{self.entered(body).name}.zip")

    def download_data_file(self, body: dict) -> str:
        one = self.entered(body)
        if body["fileName"] not in one.files:
            raise Refusal(404, "File not found")
        return self.sign(f"store/{one.name}/{body['fileName']}{'.zip' if one.zip_single else ''}")

    def start_submission_upload(self, body: dict) -> dict:
        self.entered(body)
        with self.lock:
            token = f"blob{len(self.uploads)}"
            self.uploads[token] = b""
            self.names[token] = body["fileName"]
        return {"token": token, "createUrl": self.sign(f"upload/{token}")}

    def create_submission(self, body: dict) -> dict:
        one, token = self.entered(body), body["blobFileTokens"]
        with self.lock:
            return one.take(self.uploads.get(token, b""), self.names.get(token, ""), body.get("submissionDescription", ""))

    def get_submission_limits(self, body: dict) -> dict:
        one = self.known(body)
        today = one.made_today()
        return {"numToday": today, "numTotal": one.elsewhere + len(one.submissions), "numAllowedNow": max(0, one.daily_limit - today)}

    def list_submissions(self, body: dict) -> dict:
        one = self.known(body)
        found = page("submissions", one.submissions, body)
        return found | {"submissions": [one.state(made) for made in found["submissions"]]}

    def get_submission(self, body: dict) -> dict:
        for one in self.competitions.values():
            for made in one.submissions:
                if made["ref"] == body.get("ref"):
                    return one.state(made)
        raise Refusal(404, "Submission not found")

    def get_leaderboard(self, body: dict) -> dict:
        when = "2024-01-01T00:00:00.000Z"
        rows = enumerate(self.known(body).standing(), 1)
        teams = [{"teamId": place, "teamName": team, "submissionDate": when, "score": str(score)} for place, (team, score) in rows]
        return page("submissions", teams, body)

    def download_leaderboard(self, body: dict) -> bytes:
        """The zip itself, no redirect."""
        one = self.known(body)
        lines = ["Rank,TeamId,TeamName,LastSubmissionDate,Score,SubmissionCount,TeamMemberUserNames"]
        lines += [f"{place},{place},{team},2024-01-01 00:00:00,{score},1,{team}" for place, (team, score) in enumerate(one.standing(), 1)]
        return content.packed({f"{one.name}-publicleaderboard-2024-01-01T00_00_00.csv": ("\n".join(lines) + "\n").encode()})


def environment(origin: str, token: str = TOKEN) -> dict[str, str]:
    """What points the client to a server; an empty `token` leaves the credentials to the caller."""
    found = {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": origin, "no_proxy": "", "NO_PROXY": ""}
    return found | ({"KAGGLE_API_TOKEN": token} if token else {})


def page(name: str, rows: list, body: dict, most: int = 200) -> dict:
    """A part of a list as the request asks for it, by `pageToken` or by the older number `page`, with the token of the next part."""
    size = min(body.get("pageSize") or LISTED, most)
    start = int(body["pageToken"]) if body.get("pageToken") else size * (max(1, body.get("page") or 1) - 1)
    more = start + size < len(rows)
    return {name: rows[start : start + size], "nextPageToken": str(start + size) if more else ""}


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
    "DownloadLeaderboard": Server.download_leaderboard,
}
