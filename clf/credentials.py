"""Where Kaggle's credentials lie: every place that the official client looks in, in its order, and the secrets of a Kaggle notebook.

The client is not imported: importing it signs in. What it passes over in silence (a token that is no token, a file that cannot be read, a
key behind an old token) has a word here. No function prints a secret, and no text that is made here holds one.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clf import paths
from clf.config import Mistake

SITE = "https://www.kaggle.com"
VARIABLES = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY")  # also the names that a notebook's secrets need
LONGEST = 255  # characters of a token in a variable: the client asks whether it is a file, and a longer name stops it


@dataclass(frozen=True)
class Place:
    """One place, as a person names it. `kind`: token, key (with a user's name), or login (`kaggle auth login`); `said`: what lies there.

    `secret` is empty where nothing lies there that can be used; `problem` says what is wrong with what lies there; `remove` takes it away.
    """

    name: str
    kind: str
    said: str
    secret: dict[str, str] = field(default_factory=dict, repr=False)
    problem: str = ""
    remove: str = ""


def token_steps(competition: str, verb: str = "download") -> str:
    notebook = 'in the notebook, "Add-ons", "Secrets": attach it as KAGGLE_API_TOKEN'
    keep = notebook if on_kaggle() else "save it as ~/.kaggle/access_token (or: export KAGGLE_API_TOKEN=…)"
    return (
        f"  1. sign in at {SITE} and open {SITE}/settings/api\n"
        '  2. press "Generate New Token" and copy it\n'
        f"  3. {keep}, then: make {verb} COMPETITION={competition}"
    )


# -- looking -----------------------------------------------------------------------------------------------------------------------


def used() -> Place | None:
    """What the client would sign in with; asks nobody, so it may still be refused. Mistake where the client would stumble over it."""
    for place in places():
        if place.problem:
            raise Mistake(f"{place.name} {place.problem}. Mend it, or: {place.remove}. New tokens: {SITE}/settings/api")
        if place.secret:
            return place
    return None


def source() -> str | None:
    """The name of the place that is used (`"KAGGLE_API_TOKEN"`, `"~/.kaggle/kaggle.json"`, …), or None. Raises Mistake as `used`."""
    found = used()
    return found.name if found else None


def hidden() -> list[Place]:
    """The places that hold credentials, but behind the one that is used."""
    return [place for place in places() if place.secret][1:]


def secrets() -> list[str]:
    """Every token, key and refresh token that lies anywhere: what no output may hold."""
    found = {text for place in places() for name, text in place.secret.items() if name != "username"}
    return sorted(filter(None, found), key=len, reverse=True)


def places() -> list[Place]:
    """All places, in the client's order."""
    names = _adopt()
    home = Path.home() / ".kaggle"
    variable = _variable(names[VARIABLES[0]])
    token_files = [_token_file(f"~/.kaggle/{name}", home / name) for name in ("access_token", "access_token.txt")]
    if os.environ.get("KAGGLE_API_TOKEN") and not variable.secret and not variable.problem:  # the client then looks at no other token
        token_files = [Place(place.name, "token", "not looked at: KAGGLE_API_TOKEN names an empty file") for place in token_files]
    return [*_notebook_token(), variable, *token_files, *_keys(names), *_passed_over(), _login(home / "credentials.json")]


def on_kaggle() -> bool:
    return importlib.util.find_spec("kaggle_secrets") is not None


@functools.cache
def _adopt() -> dict[str, str]:
    """Hands a Kaggle notebook's secrets to the client as variables; returns how each variable is called, by its name.

    Variables that are set but empty are dropped: the client would take them for a name and a key.
    """
    for name in VARIABLES:
        if os.environ.get(name) == "":
            del os.environ[name]
    names = {name: name for name in VARIABLES}
    if on_kaggle():
        from kaggle_secrets import UserSecretsClient

        for name in VARIABLES:
            with contextlib.suppress(Exception):  # not attached, or no internet: its errors have no common class
                text = "" if name in os.environ else (UserSecretsClient().get_secret(name) or "").strip()
                if text:
                    os.environ[name] = text
                    names[name] = f"the notebook's secret {name}"
    return names


def _notebook_token() -> list[Place]:
    """The token that Kaggle gives to a notebook of its own; the client takes it before all others."""
    path = os.environ.get("KAGGLE_API_V1_TOKEN", "")
    inside = all(name in os.environ for name in ("KAGGLE_KERNEL_RUN_TYPE", "KAGGLE_DATA_PROXY_URL"))
    return [_token_file("KAGGLE_API_V1_TOKEN", Path(path), "unset KAGGLE_API_V1_TOKEN")] if inside and path else []


def _variable(name: str) -> Place:
    """The variable KAGGLE_API_TOKEN, called by the name: a token, or the path of a file that holds one."""
    text, remove = os.environ.get(VARIABLES[0], ""), f"unset {name}" if name == VARIABLES[0] else f"detach {name}"
    if not text:
        return Place(name, "token", "not set")
    with contextlib.suppress(OSError, ValueError):  # a token can be no file name at all
        if Path(text).exists():
            found = _token_file(name, Path(text), remove)
            return dataclasses.replace(found, said=f"names a file: {found.said}")
    problem = _flaw(text) or (f"is longer than {LONGEST} characters: save it as ~/.kaggle/access_token" if len(text) > LONGEST else "")
    return Place(name, "token", "a token", {"token": text}, problem, remove)


def _token_file(name: str, path: Path, remove: str = "") -> Place:
    remove = remove or f"rm {name}"
    if not path.exists():
        return Place(name, "token", "not there")
    try:
        text = path.read_text().strip()
    except (OSError, ValueError) as error:
        return Place(name, "token", "cannot be read", problem=f"cannot be read ({type(error).__name__})", remove=remove)
    if not text:
        return Place(name, "token", "empty")
    return Place(name, "token", "a token", {"token": text}, _flaw(text), remove)


def _flaw(text: str) -> str:
    """Why the text cannot be a token or a key, or "": a header takes neither blanks nor line ends."""
    return "" if text.isascii() and text.isprintable() and " " not in text else "holds blanks, line ends or foreign letters, as no token does"


def _keys(names: dict[str, str]) -> list[Place]:
    """A user's name and key: from the variables, and from the file, where one variable alone takes the place of the file's entry."""
    given = {field: os.environ[name] for field, name in (("username", VARIABLES[1]), ("key", VARIABLES[2])) if name in os.environ}
    title = f"{names[VARIABLES[1]]} and {names[VARIABLES[2]]}"
    if len(given) == 2:
        variables = Place(title, "key", "a user's name and a key", given, _flaw("".join(given.values())), "unset KAGGLE_USERNAME KAGGLE_KEY")
    else:
        variables = Place(title, "key", f"only KAGGLE_{next(iter(given)).upper()} is set" if given else "not set")
    path = _config_folder() / "kaggle.json"
    stored, problem = _read(path)
    stored = {field: str(stored[field]) for field in ("username", "key") if stored.get(field)}
    secret = {**stored, **given} if stored and len(given) == 1 else stored
    if len(secret) < 2:
        file = Place(_show(path), "key", "holds no name and key" if path.is_file() else "not there", problem=problem, remove=f"rm {_show(path)}")
    else:
        said = "a user's name and a key" + (f", with KAGGLE_{next(iter(given)).upper()}" if len(given) == 1 else "")
        file = Place(_show(path), "key", said, secret, _flaw("".join(secret.values())), f"rm {_show(path)}")
    return [variables, file]


def _config_folder() -> Path:
    """Where the client looks for `kaggle.json`."""
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        return Path(os.environ["KAGGLE_CONFIG_DIR"])
    home = Path.home() / ".kaggle"
    return home if home.exists() or not sys.platform.startswith("linux") else _xdg()


def _xdg() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaggle"


def _passed_over() -> list[Place]:
    """Key files where the client would look if another place did not come first."""
    chosen = _config_folder()
    others = [folder / "kaggle.json" for folder in (Path.home() / ".kaggle", _xdg()) if folder.resolve() != chosen.resolve()]
    return [Place(_show(path), "key", f"not looked at: the client reads {_show(chosen / path.name)}") for path in others if path.is_file()]


def _login(path: Path) -> Place:
    name = "~/.kaggle/credentials.json"
    stored, problem = _read(path)
    if not stored.get("refresh_token"):
        return Place(name, "login", "cannot be read" if problem else "not there" if not path.is_file() else "holds no login")
    secret = {field: str(stored[field]) for field in ("refresh_token", "access_token", "username") if stored.get(field)}
    return Place(name, "login", "a login (kaggle auth login)", secret, remove=f"rm {name}")


def _read(path: Path) -> tuple[dict, str]:
    """The file's entries, and what is wrong with it."""
    if not path.is_file():
        return {}, ""
    try:
        content = json.loads(path.read_text() or "{}")
    except (OSError, ValueError):
        content = None
    return (content, "") if isinstance(content, dict) else ({}, "cannot be read as JSON")


def _show(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return f"~/{path.relative_to(Path.home())}"
    return paths.show(path)


# -- one place without the others ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def alone(place: Place) -> Iterator[None]:
    """Within the block the client finds this place's credentials and no others: variables and home are exchanged, nothing is changed."""
    before = {name: os.environ.get(name) for name in (*VARIABLES, "HOME", "KAGGLE_CONFIG_DIR", "KAGGLE_API_V1_TOKEN")}
    login = Path.home() / ".kaggle" / "credentials.json"
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / ".kaggle"
        folder.mkdir(mode=0o700)
        if place.kind == "token":  # as a file: a long one is no trouble there
            (folder / "access_token").write_text(place.secret["token"])
        elif place.kind == "login":
            shutil.copy(login, folder)
        given = {"KAGGLE_USERNAME": place.secret["username"], "KAGGLE_KEY": place.secret["key"]} if place.kind == "key" else {}
        try:
            for name in before:
                os.environ.pop(name, None)
            os.environ.update({"HOME": home, "KAGGLE_CONFIG_DIR": str(folder), **given})
            yield
        finally:
            for name, text in before.items():
                os.environ.pop(name, None)
                if text is not None:
                    os.environ[name] = text
