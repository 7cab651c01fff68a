"""Names the kit's own artifacts, writes them atomically, and says what a result was made from.

No other module spells the name of a file that the kit writes. A result is *done* when its record exists and holds the same
`made_from` (input hashes, words, source of the modules used) that a new one would: `changed` tells.
"""

import ast
import contextlib
import fcntl
import functools
import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parent.parent
REHEARSAL = ".rehearsal"  # behind a competition's id: the competition that `make rehearse` makes of it


def work() -> Path:
    """The folder that holds `data/` and `submissions/`: `$CLF_WORK`, else the checkout."""
    return Path(os.environ.get("CLF_WORK") or CHECKOUT)


@dataclass(frozen=True)
class Fold:
    """The artifacts of one trained fold (or of `full`, all rows) inside a run."""

    folder: Path

    @property
    def key(self) -> str:
        """`"0"` … `"4"`, or `"full"`; with a further seed `"0.1"`, `"full.1"`."""
        return self.folder.name.removeprefix("fold")

    @property
    def plan(self) -> Path:
        return self.folder / "plan.json"

    @property
    def lock(self) -> Path:
        """Held by the process that trains the fold."""
        return self.folder / ".lock"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.npz"

    @property
    def weights(self) -> Path:
        return self.folder / "model.keras"

    @property
    def history(self) -> Path:
        return self.folder / "history.jsonl"

    @property
    def valid(self) -> Path:
        return self.folder / "valid.npz"

    @property
    def test(self) -> Path:
        return self.folder / "test.npz"

    @property
    def holdout(self) -> Path:
        """Predictions of the locked rows; only step 07 reads them."""
        return self.folder / "holdout.npz"

    @property
    def board(self) -> Path:
        return self.folder / "board"

    @property
    def record(self) -> Path:
        """Written last: the fold is whole."""
        return self.folder / "record.json"


@dataclass(frozen=True)
class Run:
    """The artifacts of one run: settings, its folds, its score."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def identity(self) -> Path:
        """What the run was made from, written first."""
        return self.folder / "identity.json"

    @property
    def score(self) -> Path:
        """Written last: the run is whole."""
        return self.folder / "score.json"

    @property
    def tried(self) -> Path:
        """What step 06 tried beside this run, kept and dropped: a copy of its table."""
        return self.folder / "tried.json"

    @property
    def page(self) -> Path:
        return self.folder / "index.html"

    @property
    def label_errors(self) -> Path:
        """The training rows whose labels are most doubtful, the most doubtful first."""
        return self.folder / "label_errors.csv"

    def fold(self, key: str | int) -> Fold:
        return Fold(self.folder / (f"fold{key}" if str(key)[0].isdigit() else str(key)))


@dataclass(frozen=True)
class Export:
    """The artifacts of one exported run."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model.keras"

    @property
    def saved_model(self) -> Path:
        """A folder, as TensorFlow writes it."""
        return self.folder / "saved_model"

    @property
    def record(self) -> Path:
        """Written last: the export is whole and was checked."""
        return self.folder / "export.json"


@dataclass(frozen=True)
class Packed:
    """The artifacts of one store of decoded pictures."""

    folder: Path

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures.npy"

    @property
    def written(self) -> Path:
        """One flag per row: a killed packing continues."""
        return self.folder / "written.npy"

    @property
    def begun(self) -> Path:
        """What a packing that has begun is made from."""
        return self.folder / "begun.json"

    @property
    def record(self) -> Path:
        """Written last: the store is whole."""
        return self.folder / "record.json"


@dataclass(frozen=True)
class Place:
    """Where everything of one competition lies."""

    competition: str

    @property
    def data(self) -> Path:
        return work() / "data" / self.competition

    @property
    def raw(self) -> Path:
        return self.data / "raw"

    @property
    def raw_next(self) -> Path:
        """`raw/` in the making: renamed when whole."""
        return self.data / ".raw.next"

    @property
    def raw_old(self) -> Path:
        """The former `raw/` on its way out."""
        return self.data / ".raw.old"

    @property
    def cache(self) -> Path:
        """Downloaded archives on their way into `raw/`."""
        return self.data / "cache"

    @property
    def verified(self) -> Path:
        """Which of the cache's files were found whole: a command that was killed after that does not ask for them again."""
        return self.cache / "verified.json"

    @property
    def download(self) -> Path:
        return self.data / "download.json"

    @property
    def download_next(self) -> Path:
        """The record of `raw_next`, written when that is whole; a command that finds it puts both in their places."""
        return self.data / ".download.next.json"

    @property
    def answers(self) -> Path:
        """The embedded slice's or a rehearsal's test labels, in the sample submission's layout; only local graders read them."""
        return self.data / "answers.csv"

    @property
    def answers_next(self) -> Path:
        return self.data / ".answers.next.csv"

    @property
    def problem(self) -> Path:
        return self.data / "problem.toml"

    @property
    def train(self) -> Path:
        return self.data / "train.csv"

    @property
    def test(self) -> Path:
        return self.data / "test.csv"

    @property
    def pictures(self) -> Path:
        return self.data / "pictures.csv"

    @property
    def quarantine(self) -> Path:
        return self.data / "quarantine.csv"

    @property
    def explore_page(self) -> Path:
        return self.data / "explore" / "index.html"

    @property
    def explore_record(self) -> Path:
        return self.data / "explore" / "record.json"

    @property
    def folds(self) -> Path:
        return self.data / "folds.csv"

    @property
    def prepare_record(self) -> Path:
        return self.data / "prepare.json"

    @property
    def augment_picture(self) -> Path:
        return self.data / "augment.png"

    @property
    def shift(self) -> Path:
        """Whether a model can tell test pictures from training pictures."""
        return self.data / "shift.json"

    def packed(self, side: int) -> "Packed":
        return Packed(self.data / "packed" / str(side))

    @property
    def runs(self) -> Path:
        return self.data / "runs"

    def run(self, name: str) -> Run:
        return Run(self.runs / name)

    @property
    def judged(self) -> Path:
        """The runs that `make judge` trains to measure the gate with; no other command reads them."""
        return self.data / "judged"

    def judged_run(self, name: str) -> Run:
        return Run(self.judged / name)

    @property
    def predictions(self) -> Path:
        return self.data / "predictions"

    def prediction(self, run: str, folder: str) -> Path:
        """A run's table for the pictures of a folder of that name."""
        return self.predictions / f"{run}-{folder}.csv"

    @property
    def exports(self) -> Path:
        return self.data / "exports"

    def export(self, run: str) -> Export:
        return Export(self.exports / run)

    @property
    def config(self) -> Path:
        return self.data / "config.toml"

    @property
    def noise(self) -> Path:
        """How far seeds move the score, as last measured: it outlives the runs that showed it."""
        return self.data / "noise.json"

    @property
    def improve(self) -> Path:
        return self.data / "improve.json"

    @property
    def improve_page(self) -> Path:
        return self.data / "improve.html"

    @property
    def splits(self) -> Path:
        """What `make split-check` found."""
        return self.data / "splits.json"

    @property
    def submissions(self) -> Path:
        return work() / "submissions" / self.competition

    def submission(self, run: str) -> Path:
        return self.submissions / f"{run}.csv"

    def submission_record(self, run: str) -> Path:
        return self.submissions / f"{run}.json"

    @property
    def ledger(self) -> Path:
        return self.submissions / "ledger.csv"

    @property
    def ledger_lock(self) -> Path:
        """Held by the process that writes the ledger."""
        return self.submissions / ".ledger.lock"

    @property
    def sending_lock(self) -> Path:
        """Held by the process that sends a file."""
        return self.submissions / ".sending.lock"

    @property
    def leaderboards(self) -> Path:
        """Kaggle's public leaderboard, a file each time that it was asked for."""
        return self.submissions / "leaderboards"

    def derived(self) -> list[Path]:
        """What the steps made from raw/ and can make again; not what a user may have edited."""
        tables = [
            self.train,
            self.test,
            self.pictures,
            self.quarantine,
            self.folds,
            self.prepare_record,
            self.augment_picture,
            self.splits,
            self.shift,
        ]
        return [path for path in (*tables, self.explore_page.parent, self.packed(0).folder.parent, self.cache) if path.exists()]

    def asked_for(self, raw: bool, runs: bool, submissions: bool) -> list[Path]:
        """What `make clean` removes only when asked."""
        wanted = [self.raw, self.download, self.answers] if raw else []
        wanted += [self.runs, self.judged, self.improve, self.improve_page, self.predictions, self.exports] if runs else []
        wanted += [self.submissions] if submissions else []
        return [path for path in wanted if path.exists()]

    def kept(self) -> list[Path]:
        everything = (self.raw, self.problem, self.config, self.runs, self.predictions, self.exports, self.submissions)
        return [path for path in everything if path.exists()]


def imagenet() -> Path:
    """Where ImageNet weights lie that were put there by hand, for all competitions."""
    return work() / "data" / "weights"


def bench() -> Path:
    """What `make bench` has measured."""
    return work() / "data" / "bench.json"


def judge() -> Path:
    """What `make judge` has found."""
    return work() / "data" / "judge.json"


def judge_picture() -> Path:
    return work() / "data" / "judge.png"


def readme() -> Path:
    return CHECKOUT / "README.md"


def readme_picture() -> Path:
    """The curve of `make judge` as the README shows it."""
    return CHECKOUT / ".github" / "judge.png"


def show(path: Path) -> str:
    """The path as a person would type it: relative to the current folder where that is shorter."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


# -- writing ---------------------------------------------------------------------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Writes the whole text or nothing: a temporary name in the same folder, then a rename."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    with writing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def writing(path: Path):
    """A temporary name in the same folder to write to; the file takes the path's place when its block ends well, else nothing is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: dict | list) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n")


def write_predictions(path: Path, rows: np.ndarray, probabilities: np.ndarray) -> None:
    """`rows` int [n] of a table and `probabilities` float32 [n,K], classes in the problem's order."""
    buffer = io.BytesIO()
    np.savez(buffer, rows=rows, probabilities=probabilities)
    write_bytes(path, buffer.getvalue())


def read_predictions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """`(rows, probabilities)`, the latter as float64."""
    with np.load(path) as stored:
        return stored["rows"], stored["probabilities"].astype(np.float64)


def read_json(path: Path) -> dict | None:
    """The content, or None where the file is missing or was cut."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


@contextlib.contextmanager
def locked(path: Path):
    """Holds the lock of a file while its block runs; waits for another process that holds it. A killed process holds nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# -- what a result was made from ---------------------------------------------------------------------------------------------------


def _short(found) -> str:
    return "sha256:" + found.hexdigest()[:16]


def hash_bytes(content: bytes) -> str:
    return _short(hashlib.sha256(content))


def hash_text(text: str) -> str:
    return hash_bytes(text.encode())


def hash_file(path: Path) -> str:
    """Hash of the content; of a missing file: `"missing"`."""
    if not path.exists():
        return "missing"
    with open(path, "rb") as file:
        return _short(hashlib.file_digest(file, "sha256"))


def names(folder: Path) -> list[str]:
    """Every file below the folder as a path relative to it, with `/`, links followed, sorted part by part; macOS and Windows litter left out."""
    top, found = os.path.join(folder, ""), []
    for root, folders, there in os.walk(top, followlinks=True):
        folders[:] = [name for name in folders if name != "__MACOSX"]
        inside = root[len(top) :] and root[len(top) :] + "/"
        found += [inside + name for name in there if name not in (".DS_Store", "Thumbs.db") and not name.startswith("._")]
    return sorted(found, key=lambda name: name.replace("/", "\0"))  # as by lists of parts, which take more memory


def files(folder: Path) -> list[Path]:
    """The same as paths."""
    return [folder / name for name in names(folder)]


def hash_tree(folder: Path) -> str:
    """Hash of names, sizes and times of change of all files below: contents are not read."""
    found, end = hashlib.sha256(), ""
    for name in names(folder):
        facts = os.stat(os.path.join(folder, name))
        found.update(f"{end}{name} {facts.st_size} {facts.st_mtime_ns}".encode())
        end = "\n"
    return _short(found)


@functools.cache
def _clf_imports(source: Path) -> tuple[Path, ...]:
    """The `clf` modules that a source file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "clf":
            found |= {CHECKOUT / "clf" / f"{name.name}.py" for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clf."):
            found.add(CHECKOUT / (node.module.replace(".", "/") + ".py"))
        elif isinstance(node, ast.Import):
            found |= {CHECKOUT / (name.name.replace(".", "/") + ".py") for name in node.names if name.name.startswith("clf.")}
    return tuple(sorted(found))


def code(*modules: str) -> dict[str, str]:
    """`{"clf/store.py": hash, …}` for the named modules (`"store"`) and every `clf` module that they import in turn.

    `paths` and `config` are left out: they move files and words, and the words themselves are part of what a result is made from.
    """
    todo = [CHECKOUT / "clf" / f"{name}.py" for name in modules]
    seen = {}
    while todo:
        path = todo.pop()
        name = str(path.relative_to(CHECKOUT))
        if name not in seen and path.exists() and path.stem not in ("paths", "config"):
            seen[name] = hash_file(path)
            todo += _clf_imports(path)
    return dict(sorted(seen.items()))


def difference(old: dict, new: dict) -> str | None:
    """What differs between two `made_from`, in words (`"clf/augment.py changed"`, `"side was 32, is 64"`), or None."""
    said = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        hashes = any(str(value).startswith(("sha256:", "missing")) for value in (before, after))
        said.append(f"{key} changed" if hashes else f"{key} was {before}, is {after}")
    return ", ".join(said) or None


def changed(record: Path, made_from: dict) -> str | None:
    """None where the record says that the result was made from just this; else the reason to make it (again)."""
    stored = read_json(record)
    if stored is None:
        return "not made yet"
    return difference(stored.get("made_from", {}), json.loads(json.dumps(made_from, default=str)))
