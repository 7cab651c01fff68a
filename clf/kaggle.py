"""The only door to Kaggle's client: what the competition says, its files' addresses, a submission and its score.

The official client is imported inside functions only: importing it signs in, writes a help text and may exit. It waits without a
limit, repeats no call of a competition, prints signed addresses, and reports some failures as successes; this module adds limits,
bounded repeats, checks, and messages that name the next command. No token and no signed address leaves it.
"""

import contextlib
import functools
import io
import json
import logging
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clf import credentials as places
from clf import paths, refusals
from clf.config import Mistake, progress
from clf.credentials import SITE

TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of an answer
ATTEMPTS = 4  # of a call that may be repeated, and of a download that arrives broken
PAUSE = 1.0  # seconds before the first repeat; doubled each time
LONGEST_PAUSE = 60.0  # seconds; a server that asks for more gets an end and a message instead
LISTED_PAGES = 25  # of 20 submissions each: more are not looked at
SEARCHES = 4  # for ids like a misspelt one

credentials = places.source
token_steps = places.token_steps


# -- signing in --------------------------------------------------------------------------------------------------------------------


@functools.cache
def _limit_waiting() -> None:
    """Gives every request of this process a time limit: the client sets none, neither for its calls nor for the upload."""
    import requests

    send = requests.adapters.HTTPAdapter.send

    def limited(self, request, stream=False, timeout=None, **others):
        return send(self, request, stream=stream, timeout=timeout or TIMEOUT, **others)

    requests.adapters.HTTPAdapter.send = limited
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings of a repeated upload hold the signed address


@functools.cache
def _signed_in() -> Any:
    """The client, signed in; says once by what. Raises SystemExit where the credentials are refused, requests' exceptions without a network."""
    _limit_waiting()
    with _quiet():
        import kaggle

        kaggle.api.authenticate()
    method, place = kaggle.api.config_values.get("auth_method"), places.used()
    if method == "LEGACY_API_KEY" and place.kind == "token":  # refused, and yet the client would send it in the key's place
        raise SystemExit
    name = next((one.name for one in places.hidden() if one.kind == "login"), place.name) if method == "OAUTH" else place.name
    print(f"Kaggle: signed in as {kaggle.api.config_values.get('username')}, with {name}", flush=True)
    return kaggle.api


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the client's own words off the output: they help nobody, and some hold signed addresses."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _service(api: Any) -> Any:
    return api.build_kaggle_client().competitions.competition_api_client


def try_alone(place: places.Place) -> tuple[bool, str]:
    """Whether the place's credentials work when the client finds no others, and what Kaggle says of them."""
    _limit_waiting()

    def ask() -> str:
        import kagglesdk
        from kagglesdk.competitions.types.competition_api_service import ApiListCompetitionsRequest
        from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

        name, token = place.secret.get("username", ""), place.secret.get("token")
        if place.kind == "login":
            token = kagglesdk.KaggleCredentials.load(kagglesdk.KaggleClient()).get_access_token()
        client = kagglesdk.KaggleClient(username=name, password=place.secret.get("key"), api_token=token)
        if token:
            request = IntrospectTokenRequest()
            request.token = token
            found = client.security.oauth_client.introspect_token(request)
            name = found.username if found.active else ""
        if name:
            client.competitions.competition_api_client.list_competitions(ApiListCompetitionsRequest())
        return name

    def explain(status: int, said: str) -> str:
        return f"refused (error {status}{said and f', {said}'})"

    try:
        with places.alone(place), _quiet():
            name = _repeat(ask, explain, "make login-check")
    except Mistake as mistake:
        return False, str(mistake)
    return bool(name), f"works: signed in as {name}, the competitions can be listed" if name else "refused (not active)"


# -- one call, and what goes wrong with it -------------------------------------------------------------------------------------------


def call(competition: str, verb: str, what: Callable[[Any], Any], moved: Callable[[], int] = lambda: 0) -> Any:
    """`what(client)`; repeated, with growing pauses, where Kaggle is busy or the line is bad. Mistakes name the next command.

    An attempt after which `moved()` gives more than before does not count: a long download may be cut many times.
    """
    if not credentials():
        raise Mistake(f"no credentials for Kaggle were found. Three steps to them:\n{token_steps(competition, verb)}")

    def ask() -> Any:
        api = _signed_in()
        with _quiet():
            return what(api)

    def explain(status: int, said: str) -> str:
        return refusals.explain(competition, verb, status, said, lambda: like(competition))

    with refusals.guard():
        return _repeat(ask, explain, f"make {verb} COMPETITION={competition}", moved)


def _repeat(ask: Callable[[], Any], explain: Callable[[int, str], str], command: str, moved: Callable[[], int] = lambda: 0) -> Any:
    import requests

    failures = 0
    while True:
        before = moved()
        try:
            return ask()
        except SystemExit:
            raise Mistake(explain(401, "")) from None
        except requests.HTTPError as error:
            status, said = refusals.answer(error.response)
            from_store = error.response.request.method == "GET"  # a signed address that has run out: the next call gets a new one
            if not from_store and status not in (408, 429) and status < 500:
                raise Mistake(explain(status, said)) from None
            problem = f"Kaggle answers with {status}" + (f" ({said})" if said and not from_store else "")
            pause = refusals.retry_after(error.response)
        except (requests.RequestException, json.JSONDecodeError) as error:
            unreachable = isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError)
            problem = "Kaggle cannot be reached, or the line drops" if unreachable else "Kaggle's answer cannot be read"
            problem += f" ({type(error).__name__}); check the network, and http_proxy where there is one"
            pause = None
        except PermissionError as error:  # the client reads and makes its folder when it is imported
            raise Mistake(f"the Kaggle client may not use {error.filename}: mend its rights, or set KAGGLE_CONFIG_DIR.") from None
        failures = 0 if moved() > before else failures + 1
        pause = PAUSE * 2 ** max(0, failures - 1) if pause is None else pause
        if pause > LONGEST_PAUSE:
            raise Mistake(f"{problem}; it asks to wait {pause:.0f} seconds. Then repeat: {command}")
        if failures == ATTEMPTS:
            raise Mistake(f"{problem}. Tried {ATTEMPTS} times. Later, repeat: {command}")
        time.sleep(pause)


def like(competition: str) -> list[str]:
    """Ids that Kaggle's search finds for the words of a misspelt one; empty where the search fails, as this is only a hint."""
    words = sorted(re.split(r"[-_. ]+", competition), key=len, reverse=True)
    found: list[str] = []
    for text in [" ".join(re.split(r"[-_. ]+", competition)), *words][:SEARCHES]:
        with contextlib.suppress(Exception, SystemExit), _quiet():
            answer = _signed_in().competitions_list(search=text)
            found += [one.ref.rstrip("/").rsplit("/", 1)[-1] for one in answer.competitions]
        if refusals.near(competition, found):
            break
    return found


# -- what the competition says, and its files ----------------------------------------------------------------------------------------


def facts(competition: str, verb: str = "download") -> dict:
    """Metric, deadline (ISO, UTC), daily limit, kind and pages of the competition, as `download.json` keeps them."""
    found = _described(competition, verb)
    pages = call(competition, verb, lambda api: api.competition_list_pages(competition))
    return {
        "title": found.title or "",
        "metric": found.evaluation_metric or "",
        "deadline": f"{found.deadline.isoformat()}Z" if found.deadline else "",
        "daily_limit": found.max_daily_submissions,
        "code_competition": found.is_kernels_submissions_only,
        "pages": {page.name: page.content for page in pages},
    }


def _described(competition: str, verb: str) -> Any:
    def ask(api: Any) -> Any:
        from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest

        request = ApiGetCompetitionRequest()
        request.competition_name = competition
        return _service(api).get_competition(request)

    return call(competition, verb, ask)


def access(competition: str) -> str:
    """What can be told of the user's rights in the competition, in words. Raises Mistake where its files cannot be had."""
    found = _described(competition, "login-check")
    files = next(_file_pages(competition, "login-check"), {})
    if files:  # the answer to a download tells of the rules; it is closed unread
        call(competition, "login-check", lambda api: store(api, competition, min(files, key=files.get)).close())
    entered = "entered" if found.user_has_entered else "not entered, as far as Kaggle says"
    return f"{found.title or competition}: {entered}; " + ("its files can be downloaded" if files else "it lists no files")


def files(competition: str) -> dict[str, int]:
    """Name → bytes of all the competition's files, page by page."""
    found: dict[str, int] = {}
    for page in progress(_file_pages(competition, "download"), desc="listing files", unit="page"):
        found |= page
    return found


def _file_pages(competition: str, verb: str) -> Iterator[dict[str, int]]:
    seen, token = set(), ""
    while token not in seen:  # a server that repeats itself ends the list
        seen.add(token)
        page = call(competition, verb, lambda api, token=token: api.competition_list_files(competition, token, 200))
        yield {file.name: file.total_bytes for file in page.files}
        token = page.next_page_token or ""


def store(api: Any, competition: str, name: str = "") -> Any:
    """The answer that holds the file, or without a name the archive of all: open, and nothing of it read yet (see `requests`, stream)."""
    from kagglesdk.competitions.types import competition_api_service as types

    request = types.ApiDownloadDataFileRequest() if name else types.ApiDownloadDataFilesRequest()
    request.competition_name = competition
    if not name:
        return _service(api).download_data_files(request)
    request.file_name = name
    return _service(api).download_data_file(request)


# -- submitting ----------------------------------------------------------------------------------------------------------------------


def submit(competition: str, file: Path, message: str, mark: str) -> int:
    """Uploads the file and submits it under the message and the mark, which no other submission bears; returns the submission's ref.

    The upload is repeated where the line is bad, the submission itself never: where its answer is lost, the list of submissions is
    searched for the mark. Raises Mistake where Kaggle refuses, or where it stays unknown whether the submission counted.
    """
    import requests

    if not file.is_file() or not file.stat().st_size:
        raise Mistake(f"there is no submission in {paths.show(file)}: make submit COMPETITION={competition} writes it.")
    _check_allowance(competition)
    token = _upload(competition, file)
    try:
        with _quiet():
            answer = _create(_signed_in(), competition, token, f"{message} {mark}")
        if answer.ref:
            return answer.ref
        status, said = 400, refusals.clean(answer.message or "")
    except requests.HTTPError as error:
        status, said = refusals.answer(error.response)
    except Exception as error:  # whatever it is, the submission may have arrived
        status, said = 0, type(error).__name__
    lost = status == 0 or status >= 500
    with contextlib.suppress(Mistake):
        if ref := find(competition, mark, ATTEMPTS if lost else 1):
            return ref
    if lost:
        raise Mistake(
            f"Kaggle's answer to the submission was lost ({said or status}), and {mark} is not in its list. Look at "
            f"{SITE}/competitions/{competition}/submissions; only if it is not there, repeat: make submit COMPETITION={competition}"
        )
    raise Mistake(refusals.explain(competition, "submit", status, said, lambda: like(competition)))


def _create(api: Any, competition: str, token: str, description: str) -> Any:
    from kagglesdk.competitions.types.competition_api_service import ApiCreateSubmissionRequest

    request = ApiCreateSubmissionRequest()
    request.competition_name = competition
    request.blob_file_tokens = token
    request.submission_description = description
    return _service(api).create_submission(request)


def wait(competition: str, ref: int, seconds: float) -> dict[str, str]:
    """The submission's state as `submissions` gives it, asked for until it is scored or the seconds are over."""
    end = time.monotonic() + seconds
    pause = 2 * PAUSE
    while True:
        found = _find(competition, lambda one: one.ref == ref)
        state = _state(found) if found else dict.fromkeys(STATE, "") | {"ref": str(ref), "status": "PENDING"}
        if state["status"] != "PENDING" or time.monotonic() + pause > end:
            return state
        time.sleep(pause)
        pause = min(1.5 * pause, 30.0)


STATE = ("ref", "file", "message", "time", "status", "public", "private", "reason")


def _state(one: Any) -> dict[str, str]:
    scores = one.public_score or "", one.private_score or ""
    when = f"{one.date.isoformat()}Z" if one.date else ""
    found = (str(one.ref), one.file_name or "", one.description or "", when, one.status.name, *scores, refusals.clean(one.error_description or ""))
    return dict(zip(STATE, found, strict=True))


def submissions(competition: str) -> list[dict[str, str]]:
    """The team's submissions, newest first, all text: ref, file, message, time (UTC), status (COMPLETE, PENDING, ERROR), public and private
    score (empty where Kaggle does not show it), and Kaggle's reason for an ERROR."""
    return [_state(one) for one in _listing(competition, "scores")]


def leaderboard(competition: str, folder: Path) -> Path:
    """The public leaderboard, as Kaggle's CSV file in the folder, named by the time of this call.

    The client would save it under the name of the competition's data archive, and repeat a cut download without a body.
    """

    def ask(api: Any) -> bytes:
        from kagglesdk.competitions.types.competition_api_service import ApiDownloadLeaderboardRequest

        request = ApiDownloadLeaderboardRequest()
        request.competition_name = competition
        return _service(api).download_leaderboard(request).content

    content = call(competition, "leaderboard", ask)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            name = next(name for name in opened.namelist() if name.endswith(".csv"))
            table = opened.read(name)
    except (zipfile.BadZipFile, StopIteration):
        raise Mistake(f"the leaderboard of {competition} arrived broken. Repeat: make leaderboard COMPETITION={competition}") from None
    file = folder / f"{time.strftime('%Y-%m-%dT%H%M%SZ', time.gmtime())}.csv"
    paths.write_bytes(file, table)
    return file


def allowance(competition: str) -> dict[str, Any]:
    """Submissions made `today` and in `total`, `allowed` now (None for a team that has not submitted yet), and whether `by_total` limits."""
    limits = call(competition, "submit", lambda api: api.competition_get_submission_limits(competition))
    fresh = not (limits.num_allowed_now or limits.num_today or limits.num_total)  # all counts are 0 then
    allowed = None if fresh else limits.num_allowed_now
    return {"today": limits.num_today, "total": limits.num_total, "allowed": allowed, "by_total": limits.limited_by_total}


def _check_allowance(competition: str) -> None:
    """Says how many submissions are left; Mistake where none is."""
    left = allowance(competition)
    if left["allowed"]:
        print(f"{left['allowed']} submissions are left today, this one included.")
    elif left["allowed"] == 0:
        when = "in all" if left["by_total"] else "today; the day ends at 00:00 UTC"
        raise Mistake(f"no submission is left for {competition} {when} ({left['today']} made today, {left['total']} in all).")


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
        token = call(competition, "submit", ask)
        if token:
            return token
        time.sleep(PAUSE * 2**attempt)
    raise Mistake(
        f"Kaggle did not take the upload of {paths.show(file)}, tried {ATTEMPTS} times; nothing was submitted. "
        f"Later, repeat: make submit COMPETITION={competition}"
    )


def find(competition: str, mark: str, looks: int = 1) -> int:
    """Ref of the newest submission whose message ends with the mark, or 0; the list may lag behind, so it is read `looks` times.

    Raises Mistake where the last look cannot read the list: whether the submission is there is not known then.
    """
    for look in range(looks):
        if look:
            time.sleep(2 * PAUSE * look)
        try:
            found = _find(competition, lambda one: (one.description or "").endswith(mark))
        except Mistake:
            if look + 1 == looks:
                raise
            continue
        if found:
            return found.ref
    return 0


def _find(competition: str, wanted: Callable[[Any], bool]) -> Any:
    """The newest of the submissions that is wanted, or None."""
    return next((one for one in _listing(competition, "submit") if wanted(one)), None)


def _listing(competition: str, verb: str) -> Iterator[Any]:
    """The submissions, newest first, page by page."""

    def ask(api: Any, token: str) -> Any:
        from kagglesdk.competitions.types.competition_api_service import ApiListSubmissionsRequest

        request = ApiListSubmissionsRequest()
        request.competition_name = competition
        request.page_token = token
        request.page_size = 20
        return _service(api).list_submissions(request)

    token = ""
    for _ in range(LISTED_PAGES):
        page = call(competition, verb, lambda api, token=token: ask(api, token))
        yield from page.submissions
        token = page.next_page_token
        if not token:
            return
