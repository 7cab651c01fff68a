"""What goes wrong at the stand-in: `Fault`, and the ones that have a name, for `make kaggle-local fault=…` and for the tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CUT = (1 << 20) + 5  # bytes; the client keeps whole pieces of 1 MiB only
PAGE = b"<html><title>Sign in to the hotel</title></html>"
QUOTA = b'{"message": "Your team has used its submission allowance (5 of 5).", "ref": 0}'
RULES = "You must accept this competition's rules before you'll be able to download files."
MISSPELT = "Permission 'competitions.get' was denied"


@dataclass
class Fault:
    """What goes wrong, `times` times, at a call, at "store" (a signed download) or at "upload" (the PUT).

    `after`: the call takes effect, then its answer is lost. What is said of a download holds for "store" only.
    """

    status: int = 0  # of the error answer
    text: str = "planted fault"
    nested: bool = False  # the other shape of error body
    body: bytes | None = None  # instead of an error body
    retry_after: str = ""
    after: bool = False
    seconds: float = 0.0  # before anything is answered
    reset: bool = False  # the connection ends with RST: a download behind its cut, a call or an upload without an answer
    cut: int = -1  # bytes of a download that are sent
    flip: bool = False  # one byte of a download
    slow: float = 0.0  # seconds before each piece of a download
    piece: int = 1 << 16  # bytes of such a piece
    no_length: bool = False  # a download without Content-Length
    no_range: bool = False  # Range is not known
    expires: bool = False  # the signed address works no more after this
    times: int = 1


def _planted(where: str, **what) -> Callable[[Any, Any], None]:
    return lambda server, competition: server.plant(where, **what)


def _set(**what) -> Callable[[Any, Any], None]:
    return lambda server, competition: vars(competition).update(what)


# Name → (meaning, function of the server and a competition).
NAMED: dict[str, tuple[str, Callable[[Any, Any], None]]] = {
    "cut": ("the next download is cut", _planted("store", cut=CUT)),
    "reset": ("the next download's connection is reset", _planted("store", cut=CUT, reset=True)),
    "slow": ("the next download dribbles, 64 kB at a time", _planted("store", slow=0.05)),
    "flip": ("one byte of the next download is wrong", _planted("store", flip=True)),
    "page": ("a page of a hotel comes instead of the next download", _planted("store", status=200, body=PAGE)),
    "poison": ("the next download is cut, then two error pages come", lambda server, competition: _poison(server)),
    "expired": ("the next download is cut and its address runs out", _planted("store", cut=CUT, expires=True)),
    "no_length": ("the next download says no length and is cut", _planted("store", cut=CUT, no_length=True)),
    "no_range": ("the next download is cut and cannot be resumed", lambda server, competition: _no_range(server)),
    "silent": ("the next call for facts is never answered", _planted("GetCompetition", seconds=3600.0)),
    "401": ("the next call for facts is refused with 401", _planted("GetCompetition", status=401, text="Unauthenticated")),
    "rules": ("the rules are not accepted", _set(accepted=False)),
    "misspelt": ("the next call for facts is refused as for a misspelt id", _planted("GetCompetition", status=403, text=MISSPELT)),
    "404": ("the next call for facts knows no competition", _planted("GetCompetition", status=404, text="Competition not found")),
    "busy": ("429, wait a second, at the next call for facts", _planted("GetCompetition", status=429, text="Too many requests", retry_after="1")),
    "busy_upload": ("429, wait a second, at the next upload", _planted("upload", status=429, retry_after="1")),
    "500": ("500 at the next call for facts", _planted("GetCompetition", status=500, text="Internal error")),
    "lost": ("the next submission counts, but its answer is lost", _planted("CreateSubmission", status=500, text="Internal error", after=True)),
    "upload": ("the next upload is refused with 503", _planted("upload", status=503)),
    "quota": ("the day's submissions are used up", _set(elsewhere=5, daily_limit=5)),
    "quota_200": ("the next submission is refused inside a 200 answer", _planted("CreateSubmission", status=200, body=QUOTA)),
    "closed": ("the competition is closed, 400", _set(closed=400)),
    "closed_404": ("the competition is closed, 404", _set(closed=404)),
    "pending": ("scores come after five looks", _set(polls=5)),
    "scoring": ("the next submission cannot be scored", _set(failing=1)),
    "nested": ("error bodies have the other shape", lambda server, competition: setattr(server, "nested", True)),
}


def _poison(server) -> None:
    server.plant("store", cut=CUT)
    server.plant("store", status=503, text="busy", times=2)


def _no_range(server) -> None:
    server.plant("store", cut=CUT, no_range=True)
    server.plant("store", no_range=True)
