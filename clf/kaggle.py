"""The only door to Kaggle: what the competition says, its files, a submission and its score.

The official client is imported inside functions only: importing it signs in, writes a help text and may exit. It waits without a
limit, repeats no call of a competition, prints signed addresses, and reports some failures as successes; this module adds limits,
bounded repeats, checks, and messages that name the next command. No token and no signed address leaves it.
"""

import contextlib
import email.utils
import functools
import io
import json
import os
import re
import secrets
import shutil
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clf import archives, paths
from clf.config import Mistake

SITE = "https://www.kaggle.com"
TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of an answer
ATTEMPTS = 4  # of a call that may be repeated, and of a download that arrives broken
PAUSE = 1.0  # seconds before the first repeat; doubled each time
LONGEST_PAUSE = 60.0  # seconds; a server that asks for more gets an end and a message instead
MARKER = ".kaggle-partial"  # the client's note beside a file that it may resume
LISTED_PAGES = 25  # of 200 names each: more are not compared with the archive


# -- signing in --------------------------------------------------------------------------------------------------------------------


def token_steps(competition: str, verb: str = "download") -> str:
    return (
        f"  1. sign in at {SITE} and open {SITE}/settings/api\n"
        '  2. press "Generate New Token" and copy it\n'
        f"  3. save it as ~/.kaggle/access_token (or: export KAGGLE_API_TOKEN=…), then: make {verb} COMPETITION={competition}"
    )


def credentials() -> str | None:
    """What the client would sign in with (`"KAGGLE_API_TOKEN"`, `"~/.kaggle/kaggle.json"`, …), in its own order, or None.

    Imports nothing of the client and asks nobody, so a credential named here may still be refused.
    Raises Mistake for a `kaggle.json` that cannot be read: the client would silently pass over it.
    """
    home = Path.home() / ".kaggle"
    token = os.environ.get("KAGGLE_API_TOKEN", "")
    if token and (not _is_file(token) or Path(token).read_text().strip()):
        return "KAGGLE_API_TOKEN"
    for path in (home / "access_token", home / "access_token.txt"):
        if path.is_file() and path.read_text().strip():
            return f"~/.kaggle/{path.name}"
    stored = _read_key(_config_folder() / "kaggle.json")
    missing = [name for name in ("username", "key") if not os.environ.get(f"KAGGLE_{name.upper()}")]
    if not missing:
        return "KAGGLE_USERNAME and KAGGLE_KEY"
    if all(name in stored for name in missing):
        return paths.show(_config_folder() / "kaggle.json")
    signed_in = home / "credentials.json"  # what `kaggle auth login` leaves
    return "~/.kaggle/credentials.json" if signed_in.is_file() and _read_key(signed_in).get("refresh_token") else None


def _is_file(text: str) -> bool:
    with contextlib.suppress(OSError, ValueError):  # a token can be too long for a file name
        return Path(text).is_file()
    return False


def _config_folder() -> Path:
    """Where the client looks for `kaggle.json`."""
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        return Path(os.environ["KAGGLE_CONFIG_DIR"])
    home = Path.home() / ".kaggle"
    if home.exists() or not sys.platform.startswith("linux"):
        return home
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaggle"


def _read_key(path: Path) -> dict:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text() or "{}")
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise Mistake(f"{paths.show(path)} cannot be read as JSON: fetch a new token at {SITE}/settings/api, or delete the file.")
    return content


@functools.cache
def _limit_waiting() -> None:
    """Gives every request of this process a time limit: the client sets none, neither for its calls nor for the upload."""
    import requests

    send = requests.adapters.HTTPAdapter.send

    def limited(self, request, stream=False, timeout=None, **others):
        return send(self, request, stream=stream, timeout=timeout or TIMEOUT, **others)

    requests.adapters.HTTPAdapter.send = limited


@functools.cache
def _signed_in() -> Any:
    """The client, signed in. Raises SystemExit where the credentials are refused, requests' exceptions without a network."""
    _limit_waiting()
    with _quiet():
        import kaggle

        kaggle.api.authenticate()
    return kaggle.api


@contextlib.contextmanager
def _quiet():
    """Keeps the client's own words off the output: they help nobody, and some hold signed addresses. Its progress bar stays."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _service(api: Any) -> Any:
    return api.build_kaggle_client().competitions.competition_api_client


# -- one call, and what goes wrong with it -------------------------------------------------------------------------------------------


def _call(competition: str, verb: str, what: Callable[[Any], Any]) -> Any:
    """`what(client)`; repeated, with growing pauses, where Kaggle is busy or the line is bad. Mistakes name the next command."""
    if not credentials():
        raise Mistake(f"no credentials for Kaggle were found. Three steps to them:\n{token_steps(competition, verb)}")
    import requests

    problem = ""
    for attempt in range(ATTEMPTS):
        try:
            with _quiet():
                return what(_signed_in())
        except SystemExit:
            raise Mistake(_refused(competition, verb)) from None
        except requests.HTTPError as error:
            status, problem = _answer(error.response)
            from_store = error.response.request.method == "GET"  # a signed address that has run out: the next call gets a new one
            if not from_store and status not in (408, 429) and status < 500:
                raise Mistake(_explain(competition, verb, status, problem)) from None
            problem = f"Kaggle answers with {status}" + (f" ({problem})" if problem and not from_store else "")
            pause = _retry_after(error.response)
        except (requests.RequestException, json.JSONDecodeError) as error:
            unreachable = isinstance(error, requests.ConnectionError | requests.Timeout)
            problem = "Kaggle cannot be reached, or the line drops" if unreachable else "Kaggle's answer cannot be read"
            problem += f" ({type(error).__name__}); check the network, and http_proxy where there is one"
            pause = None
        except PermissionError as error:  # the client reads and makes its folder when it is imported
            raise Mistake(f"the Kaggle client may not use {error.filename}: mend its rights, or set KAGGLE_CONFIG_DIR.") from error
        pause = PAUSE * 2**attempt if pause is None else pause
        if pause > LONGEST_PAUSE:
            raise Mistake(f"{problem}; it asks to wait {pause:.0f} seconds. Then repeat: make {verb} COMPETITION={competition}")
        if attempt + 1 < ATTEMPTS:
            time.sleep(pause)
    raise Mistake(f"{problem}. Tried {ATTEMPTS} times. Later, repeat: make {verb} COMPETITION={competition}")


def _answer(response: Any) -> tuple[int, str]:
    """Status and words of an error, whose body has one of two shapes: `{"code", "message"}` or `{"error": {"code", "message"}}`."""
    try:
        body = response.json()
        body = body.get("error", body)
        message, status = body.get("message", ""), int(body.get("code") or 0)
    except (ValueError, AttributeError, TypeError):
        message, status = "", 0
    return (response.status_code if response.status_code >= 400 else status), _clean(str(message))


def _clean(text: str) -> str:
    """The words without what signs an address, and without the credentials."""
    text = re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", text)
    for secret in _secrets():
        text = text.replace(secret, "…")
    return " ".join(text.split())[:500]


def _secrets() -> list[str]:
    kept = sys.modules["kaggle"].api.config_values if "kaggle" in sys.modules else {}
    found = [kept.get("token"), kept.get("key"), os.environ.get("KAGGLE_API_TOKEN"), os.environ.get("KAGGLE_KEY")]
    return [text for text in found if text]


def _retry_after(response: Any) -> float | None:
    """Seconds that the server asks to wait, given as a number or as a date."""
    text = response.headers.get("Retry-After", "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return None


def _refused(competition: str, verb: str) -> str:
    return (
        f"Kaggle refuses the credentials from {credentials()}. A token, also an old one, wins over kaggle.json. "
        f"Remove it, or get a new one:\n" + token_steps(competition, verb)
    )


def _denied(competition: str, verb: str, said: str) -> str:
    page = f"{SITE}/competitions/{competition}"
    if "rule" in said.lower():
        return f"Kaggle wants the rules accepted: open {page}/rules and accept them, then repeat: make {verb} COMPETITION={competition}"
    return (
        f"Kaggle denies access to {competition!r} ({said or 'no reason given'}). Either the id is misspelt (it is the last part of the "
        f"address), or the rules are not accepted: open {page}/rules, then repeat: make {verb} COMPETITION={competition}"
    )


def _unknown(competition: str, verb: str, said: str) -> str:
    if verb == "submit":
        return f"Kaggle takes no submission for {competition!r} ({said or 'not found'}). See {SITE}/competitions/{competition}"
    return (
        f"Kaggle knows no competition {competition!r} ({said or 'not found'}). The id is the last part of its address, as in "
        f"{SITE}/competitions/digit-recognizer; then: make {verb} COMPETITION=THE-ID"
    )


EXPLAIN = {401: lambda competition, verb, said: _refused(competition, verb), 403: _denied, 404: _unknown}


def _explain(competition: str, verb: str, status: int, said: str) -> str:
    if status in EXPLAIN:
        return EXPLAIN[status](competition, verb, said)
    return f"Kaggle says: {said or f'error {status}'}. See {SITE}/competitions/{competition}"


# -- what the competition says, and its files ----------------------------------------------------------------------------------------


def facts(competition: str) -> dict:
    """Metric, deadline (ISO, UTC), daily limit, kind and pages of the competition, as `download.json` keeps them."""

    def ask(api: Any) -> Any:
        from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

        request = ApiGetCompetitionRequest()
        request.competition_name = competition
        return _service(api).get_competition(request)

    found = _call(competition, "download", ask)
    pages = _call(competition, "download", lambda api: api.competition_list_pages(competition))
    return {
        "title": found.title or "",
        "metric": found.evaluation_metric or "",
        "deadline": f"{found.deadline.isoformat()}Z" if found.deadline else "",
        "daily_limit": found.max_daily_submissions,
        "code_competition": found.is_kernels_submissions_only,
        "pages": {page.name: page.content for page in pages},
    }


def download(competition: str, folder: Path) -> list[Path]:
    """All files of the competition, in the one archive that Kaggle makes of them, checked; returns the paths.

    Every member's checksum is compared, and names and sizes with Kaggle's list. What is broken is removed and fetched again, at most
    `ATTEMPTS` times: the client resumes onto an error page that it took for data, and then calls the result whole. An archive that is
    whole in itself but differs from the list is kept, with a warning. A cut download goes on where it stopped, also in a later command.
    """
    listed = _listed(competition)
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if sum(listed.values()) > free:
        needed = f"{sum(listed.values()) / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free"
        raise Mistake(f"{competition} needs {needed} in {paths.show(folder)}. Free some space, then: make download COMPETITION={competition}")
    doubts: list[str] = []
    for _ in range(ATTEMPTS):
        archive = _fetch(competition, folder)
        zipped = archive.suffix.lower() == ".zip"
        flaw = archives.zip_flaw(archive) if zipped else ""
        doubt = _difference(archive, listed, zipped) if not flaw else ""
        if not flaw and (not doubt or doubt in doubts):
            if doubt:
                print(f"warning: {doubt}; the archive is whole in itself and came twice like this, so it is kept.", file=sys.stderr)
            return [archive]
        print(f"{archive.name} arrived broken ({flaw or doubt}): fetching it again.", file=sys.stderr)
        doubts.append(doubt)
        _remove(archive)
    raise Mistake(f"{competition} arrived broken {ATTEMPTS} times: {flaw or doubt}. Later, repeat: make download COMPETITION={competition}")


def _listed(competition: str) -> dict[str, int]:
    """Name → bytes of the competition's files, as far as `LISTED_PAGES` go."""
    found: dict[str, int] = {}
    token = ""
    for _ in range(LISTED_PAGES):
        page = _call(competition, "download", lambda api, token=token: api.competition_list_files(competition, token, 200))
        found |= {file.name: file.total_bytes for file in page.files}
        token = page.next_page_token
        if not token:
            break
    return found


def _fetch(competition: str, folder: Path) -> Path:
    """One download by the client, which itself takes up cut lines five times. The file may be broken."""

    def ask(api: Any) -> None:
        try:
            api.competition_download_files(competition, path=str(folder), quiet=False)
        except ValueError as error:  # the client's "size does not match": the caller's check finds it as well
            if isinstance(error, json.JSONDecodeError):
                raise

    _call(competition, "download", ask)
    arrived = [path for path in folder.glob(f"{competition}.*") if not path.name.endswith(MARKER)]
    if len(arrived) != 1:
        raise Mistake(f"{len(arrived)} files named {competition}.* lie in {paths.show(folder)}: delete that folder, then repeat the command.")
    return arrived[0]


def _difference(archive: Path, listed: dict[str, int], zipped: bool) -> str:
    """What of Kaggle's list the download does not hold, in words, or ""."""
    if zipped:
        with zipfile.ZipFile(archive) as opened:
            held = {entry.filename: entry.file_size for entry in opened.infolist()}
    else:
        held = {name: archive.stat().st_size for name in listed}
    wrong = [name for name, size in listed.items() if held.get(name) != size]
    if not wrong:
        return ""
    return f"{len(wrong)} of {len(listed)} listed files differ, for example {wrong[0]}: {listed[wrong[0]]} bytes, got {held.get(wrong[0], 0)}"


def _remove(archive: Path) -> None:
    """The file and the client's note that would let it resume there."""
    archive.unlink(missing_ok=True)
    archive.with_name(archive.name + MARKER).unlink(missing_ok=True)


# -- submitting ----------------------------------------------------------------------------------------------------------------------


def submit(competition: str, file: Path, message: str) -> int:
    """Uploads the file and submits it under the message and a unique mark; returns the submission's ref.

    The upload is repeated where the line is bad, the submission itself never: where its answer is lost, the list of submissions is
    searched for the mark. Raises Mistake where Kaggle refuses, or where it stays unknown whether the submission counted.
    """
    import requests

    if not file.is_file() or not file.stat().st_size:
        raise Mistake(f"there is no submission in {paths.show(file)}: make submit COMPETITION={competition} writes it.")
    _check_allowance(competition)
    mark = f"#{secrets.token_hex(4)}"
    token = _upload(competition, file)

    def create(api: Any) -> Any:
        from kagglesdk.competitions.types.competition_api_service import ApiCreateSubmissionRequest

        request = ApiCreateSubmissionRequest()
        request.competition_name = competition
        request.blob_file_tokens = token
        request.submission_description = f"{message} {mark}"
        return _service(api).create_submission(request)

    try:
        with _quiet():
            answer = create(_signed_in())
        if answer.ref:
            return answer.ref
        status, said = 400, _clean(answer.message)
    except requests.HTTPError as error:
        status, said = _answer(error.response)
    except (requests.RequestException, ValueError) as error:
        status, said = 0, type(error).__name__
    lost = status == 0 or status >= 500
    ref = _search(competition, mark, ATTEMPTS if lost else 1)
    if ref:
        return ref
    if lost:
        raise Mistake(
            f"Kaggle's answer to the submission was lost ({said or status}), and {mark} is not in its list. Look at "
            f"{SITE}/competitions/{competition}/submissions; only if it is not there, repeat: make submit COMPETITION={competition}"
        )
    if status in EXPLAIN:
        raise Mistake(EXPLAIN[status](competition, "submit", said))
    raise Mistake(f"Kaggle refuses the submission: {said or f'error {status}'}. See {SITE}/competitions/{competition}/submissions")


def wait(competition: str, ref: int, seconds: float) -> dict:
    """The submission's state, asked for until it is scored or the seconds are over.

    Returns `{"status": "COMPLETE" | "PENDING" | "ERROR", "public", "private", "reason"}`, all text; the private score stays empty until
    the deadline, and the reason is Kaggle's for an ERROR.
    """
    end = time.monotonic() + seconds
    pause = 2 * PAUSE
    while True:
        found = _find(competition, lambda one: one.ref == ref)
        state = found.status.name if found else "PENDING"
        if state != "PENDING" or time.monotonic() + pause > end:
            break
        time.sleep(pause)
        pause = min(1.5 * pause, 30.0)
    return {
        "status": state,
        "public": (found and found.public_score) or "",
        "private": (found and found.private_score) or "",
        "reason": _clean((found and found.error_description) or ""),
    }


def _check_allowance(competition: str) -> None:
    """Says how many submissions are left; Mistake where none is. All counts are 0 for a team that has not submitted yet."""
    limits = _call(competition, "submit", lambda api: api.competition_get_submission_limits(competition))
    if limits.num_allowed_now:
        print(f"{limits.num_allowed_now} submissions are left today, this one included.")
    elif limits.num_total or limits.num_today:
        when = "in all" if limits.limited_by_total else "today; the day ends at 00:00 UTC"
        raise Mistake(f"no submission is left for {competition} {when} ({limits.num_today} made today, {limits.num_total} in all).")


def _upload(competition: str, file: Path) -> str:
    """The token of the uploaded file; nothing is submitted by this."""

    def ask(api: Any) -> str:
        from kaggle.models.kaggle_models_extended import ResumableUploadResult
        from kagglesdk.competitions.types.competition_api_service import ApiStartSubmissionUploadRequest

        request = ApiStartSubmissionUploadRequest()
        request.competition_name = competition
        request.file_name = file.name
        request.content_length = file.stat().st_size
        request.last_modified_epoch_seconds = int(file.stat().st_mtime)
        begun = _service(api).start_submission_upload(request)
        done = api.upload_complete(str(file), begun.create_url, quiet=True) == ResumableUploadResult.COMPLETE
        return begun.token if done else ""

    for attempt in range(ATTEMPTS):
        token = _call(competition, "submit", ask)
        if token:
            return token
        time.sleep(PAUSE * 2**attempt)
    raise Mistake(
        f"Kaggle did not take the upload of {paths.show(file)}, tried {ATTEMPTS} times; nothing was submitted. "
        f"Later, repeat: make submit COMPETITION={competition}"
    )


def _search(competition: str, mark: str, looks: int) -> int:
    """Ref of the submission that bears the mark, or 0; the list may lag behind, so it is read several times."""
    for look in range(looks):
        if look:
            time.sleep(2 * PAUSE * look)
        with contextlib.suppress(Mistake):
            found = _find(competition, lambda one: (one.description or "").endswith(mark))
            if found:
                return found.ref
    return 0


def _find(competition: str, wanted: Callable[[Any], bool]) -> Any:
    """The first of the newest submissions (five pages) that is wanted, or None."""

    def ask(api: Any, token: str) -> Any:
        from kagglesdk.competitions.types.competition_api_service import ApiListSubmissionsRequest

        request = ApiListSubmissionsRequest()
        request.competition_name = competition
        request.page_token = token
        request.page_size = 20
        return _service(api).list_submissions(request)

    token = ""
    for _ in range(5):
        page = _call(competition, "submit", lambda api, token=token: ask(api, token))
        found = next((one for one in page.submissions if wanted(one)), None)
        token = page.next_page_token
        if found or not token:
            return found
    return None
