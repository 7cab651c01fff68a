"""What Kaggle's refusals mean, and the next command: one message for each, from both shapes of error body, without secrets."""

import contextlib
import difflib
import email.utils
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from clf import credentials
from clf.config import Mistake
from clf.credentials import SITE

LONGEST = 500  # characters of Kaggle's own words


def answer(response: Any) -> tuple[int, str]:
    """Status and words of an error, whose body has one of two shapes: `{"code", "message"}` or `{"error": {"code", "message"}}`."""
    try:
        body = response.json()
        body = body.get("error", body)
        message, status = body.get("message", ""), int(body.get("code") or 0)
    except (ValueError, AttributeError, TypeError):
        message, status = "", 0
    return (response.status_code if response.status_code >= 400 else status), clean(str(message))


def clean(text: str) -> str:
    """The words on one line, without what signs an address, and without any credentials."""
    return " ".join(_bare(text).split())[:LONGEST]


def _bare(text: str) -> str:
    text = re.sub(r"(/[^\s?'\"]*)\?[^\s'\")]*", r"\1", text)
    for secret in credentials.secrets():
        text = text.replace(secret, "…")
    return text


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Lets no error out whose words hold a secret or a signed address; its place in the code stays, what led to it goes."""
    try:
        yield
    except Mistake:
        raise
    except Exception as error:
        if _bare(str(error)) == str(error):
            raise error from None
        raise RuntimeError(f"{type(error).__name__}: {clean(str(error))}").with_traceback(error.__traceback__) from None


def retry_after(response: Any) -> float | None:
    """Seconds that the server asks to wait, given as a number or as a date."""
    text = response.headers.get("Retry-After", "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return None


def near(competition: str, known: list[str]) -> str:
    """`" Did you mean …?"`, or "" where no known id is like it."""
    found = difflib.get_close_matches(competition, known, 3, 0.6)
    return f" Did you mean {' or '.join(found)}?" if found else ""


# -- by status: each takes the competition, the verb to repeat, Kaggle's words, and a function that asks for ids like the competition's --

Ask = Callable[[], list[str]]


def refused(competition: str, verb: str, said: str = "", ask: Ask | None = None) -> str:
    used, behind = credentials.used(), credentials.hidden()
    text = f"Kaggle refuses the credentials from {used.name if used else 'nowhere'}"
    if behind:
        text += (
            f", and {behind[0].name}, which would be next, is hidden by it. To use that one: {used.remove} "
            f"(make login-check tells whether it works), then: make {verb} COMPETITION={competition}\nOr get a new token:\n"
        )
    else:
        text += f". Get a new one, and remove the old one ({used.remove if used else 'nothing'}), as an old token wins over kaggle.json:\n"
    return text + credentials.token_steps(competition, verb)


def denied(competition: str, verb: str, said: str, ask: Ask) -> str:
    page = f"{SITE}/competitions/{competition}"
    if "rule" in said.lower():
        return f"Kaggle wants the rules accepted: open {page}/rules and accept them, then repeat: make {verb} COMPETITION={competition}"
    return (
        f"Kaggle denies access to {competition!r} ({said or 'no reason given'}). Either the id is misspelt (it is the last part of the "
        f"address), or the rules are not accepted: open {page}/rules, then repeat: make {verb} COMPETITION={competition}{near(competition, ask())}"
    )


def unknown(competition: str, verb: str, said: str, ask: Ask) -> str:
    if verb == "submit":
        return f"Kaggle takes no submission for {competition!r} ({said or 'not found'}). See {SITE}/competitions/{competition}"
    return (
        f"Kaggle knows no competition {competition!r} ({said or 'not found'}).{near(competition, ask())} The id is the last part of its "
        f"address, as in {SITE}/competitions/digit-recognizer; then: make {verb} COMPETITION=THE-ID"
    )


def spent(competition: str, verb: str, said: str, ask: Ask) -> str:
    return f"Kaggle refuses the submission: {said.rstrip('.')}. The day ends at 00:00 UTC; after that, repeat: make {verb} COMPETITION={competition}"


def closed(competition: str, verb: str, said: str, ask: Ask) -> str:
    page = f"{SITE}/competitions/{competition}"
    return f"Kaggle takes no submission for {competition!r} ({said}). Whether late ones are taken stands at {page}; nothing was submitted."


EXPLAIN: dict[int, Callable[[str, str, str, Ask], str]] = {401: refused, 403: denied, 404: unknown}
WORDS = {r"allowance|submission limit": spent, r"\b(is|has been|was) closed|has ended|deadline has passed": closed}


def explain(competition: str, verb: str, status: int, said: str, ask: Ask) -> str:
    """The message for an error that will not pass by itself."""
    for words, made in WORDS.items():
        if verb == "submit" and status != 401 and re.search(words, said, re.IGNORECASE):
            return made(competition, verb, said, ask)
    if status in EXPLAIN:
        return EXPLAIN[status](competition, verb, said, ask)
    says = "refuses the submission" if verb == "submit" else "says"
    return f"Kaggle {says}: {said or f'error {status}'}. See {SITE}/competitions/{competition}"
