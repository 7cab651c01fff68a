"""Where `raw/` comes from: Kaggle, a folder of the user's, or the embedded slice; and how a new one takes the old one's place.

A new `raw/` is made beside the old one and swapped in when it is whole. What lies outside `raw/` is never changed, and links are
removed, never followed.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clf import archives, config, credentials, downloads, embedded, kaggle, paths
from clf.config import Mistake
from clf.paths import Place

HASHED_FILES = 2_000  # a source with more files is recorded by names and sizes only …
HASHED_BYTES = 64 << 20  # … and so is every larger file: reading them all again would take minutes


@dataclass(frozen=True)
class Source:
    """`kind`: kaggle, embedded or folder; `folder`: absolute path of a folder source, else None; `files`: of Kaggle's, empty: all."""

    kind: str
    folder: Path | None = None
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.files:
            return f"Kaggle, in part: {', '.join(self.files)}"
        return {"kaggle": "Kaggle", "embedded": "the embedded slice"}.get(self.kind) or paths.show(self.folder)


def choose(competition: str, word: str, files: str, record: dict | None) -> Source:
    """The source that is asked for: the word's, else the one that `raw/` was made from, else Kaggle, else the embedded slice.

    The embedded slice gives way to Kaggle as soon as there are credentials. `files`: names with commas, only these of Kaggle's; what is
    there already is not given up for a smaller part. Raises Mistake where nothing can be had.
    """
    source = _origin(competition, word, record)
    wanted = {name.strip() for name in files.split(",") if name.strip()}
    if not wanted:
        return source
    if source.kind != "kaggle":
        raise Mistake(f"files= takes a part of Kaggle's files, but the source is {source}: leave it out, or add source=kaggle")
    made = (record or {}).get("made_from", {})
    if made.get("source") == "kaggle" and paths.Place(competition).raw.is_dir():
        wanted = wanted | set(made["files"]) if "files" in made else set()
    return Source("kaggle", files=tuple(sorted(wanted)))


def _origin(competition: str, word: str, record: dict | None) -> Source:
    if word in FILL and word != "folder":
        return _known(competition, word)
    if word:
        return _folder(competition, Path(word).expanduser())
    made = (record or {}).get("made_from", {})
    if made.get("source") == "folder":
        return _folder(competition, Path(made["folder"]))
    if made.get("source") == "kaggle" or credentials.source():
        return Source("kaggle")
    return _known(competition, "embedded")


def _known(competition: str, kind: str) -> Source:
    if kind == "embedded" and competition != embedded.COMPETITION:
        raise Mistake(
            f"no credentials for Kaggle were found, and only {embedded.COMPETITION} has an embedded default. Three steps to a token:\n"
            f"{credentials.token_steps(competition)}\n"
            f"Or, with the files at hand: make download COMPETITION={competition} source=FOLDER"
        )
    return Source(kind)


def _folder(competition: str, folder: Path) -> Source:
    again = f"make download COMPETITION={competition} source=FOLDER"
    if folder.is_file():
        raise Mistake(f"source={folder} is a file: give the folder that holds the competition's files and archives: {again}")
    if not folder.is_dir():
        raise Mistake(f"source={folder} does not exist: give the folder that holds the competition's files and archives: {again}")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise Mistake(f"source={folder} may not be read: mend its rights (chmod u+rx), then repeat: {again}")
    if not _entries(folder):
        raise Mistake(f"source={folder} is empty: give the folder that holds the competition's files and archives: {again}")
    raw = paths.Place(competition).raw
    if folder.resolve() == raw.resolve() or raw.resolve() in folder.resolve().parents or folder.resolve() in raw.resolve().parents:
        raise Mistake(f"source={folder} is where the kit itself works: give a folder outside {paths.show(raw.parent)}: {again}")
    return Source("folder", folder.resolve())


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name not in archives.JUNK and not path.name.startswith("."))


def made_from(source: Source) -> dict:
    """What `raw/` follows from. Kaggle's files do not change with the code, so no edit downloads them again."""
    if source.kind == "folder":
        found = [(path.name, path.stat()) for path in _entries(source.folder) if path.exists()]
        lines = [f"{name} {facts.st_size} {facts.st_mtime_ns}" for name, facts in found]
        contents = {"files": paths.hash_text("\n".join(lines))}
        return {"source": "folder", "folder": str(source.folder), **contents, **paths.code("archives")}
    part = {"files": list(source.files)} if source.files else {}
    return {"source": source.kind, **part, **(paths.code("embedded") if source.kind == "embedded" else {})}


def reason(place: Place, made: dict) -> str | None:
    """Why `raw/` has to be made (again), or None. Raises Mistake where it holds files that are not this step's."""
    said = paths.changed(place.download, made)
    if said:
        if paths.read_json(place.download) is None and place.raw.is_dir() and any(place.raw.iterdir()):
            raise Mistake(
                f"{paths.show(place.raw)} holds files that this step did not put there. Move them to another folder and use them from "
                f"there: make download COMPETITION={place.competition} source=FOLDER"
            )
        return said
    tops = {file["name"].split("/")[0] for file in paths.read_json(place.download)["files"]}
    gone = sorted(top for top in tops if not (place.raw / top).exists())
    return f"{paths.show(place.raw / gone[0])} is gone" if gone else None


# -- filling: each writes a new raw folder and returns what Kaggle says of the competition, and answers where they are known ----------


def _from_folder(place: Place, source: Source, folder: Path) -> tuple[dict, str]:
    """Links to every file and folder, absolute so that they hold from anywhere; archives are unpacked instead."""
    folder.mkdir(parents=True)
    entries = _entries(source.folder)
    packed = [path for path in entries if archives.is_archive(path)]
    for path in entries:
        if path not in packed:
            (folder / path.name).symlink_to(path)
    for path in packed:
        made = archives.unpack(path, folder)
        if made.name == place.competition and made.is_dir() and not made.is_symlink():
            _lift(made)  # everything in one archive, as Kaggle's "Download All" gives it
    return {}, ""


def _lift(folder: Path) -> None:
    """Moves what is in the folder one up, and removes the folder; what is there already stays."""
    inside = folder.rename(folder.with_name(f".{folder.name}.lifting"))
    for path in inside.iterdir():
        if not (folder.parent / path.name).exists():
            path.rename(folder.parent / path.name)
    remove(inside)


def _from_kaggle(place: Place, source: Source, folder: Path) -> tuple[dict, str]:
    facts = kaggle.facts(place.competition)
    if source.files:
        _from_parts(place, source, folder)
        return facts, ""
    archive = downloads.whole(place)
    if archives.is_archive(archive):
        archives.extract(archive, folder)
    else:
        _take(archive, folder / archive.name)
    return facts, ""


def _from_parts(place: Place, source: Source, folder: Path) -> None:
    """Only the named files; what is in `raw/` already is not fetched again, unless its size is no longer the one that Kaggle lists."""
    if (paths.read_json(place.download) or {}).get("source") == "kaggle":
        for name in source.files:
            if (place.raw / name).is_file() and not (place.cache / name).exists():
                _take(place.raw / name, place.cache / name)
    for name, file in downloads.part(place, list(source.files)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if archives.is_archive(file):
            archives.unpack(file, (folder / name).parent)
        else:
            _take(file, folder / name)


def _take(file: Path, target: Path) -> None:
    """The file under a second name, without a copy where the file system can do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copy2(file, target)


def _from_package(place: Place, source: Source, folder: Path) -> tuple[dict, str]:
    return {}, embedded.write(folder)


FILL: dict[str, Callable[[Place, Source, Path], tuple[dict, str]]] = {
    "folder": _from_folder,
    "kaggle": _from_kaggle,
    "embedded": _from_package,
}


def make(place: Place, source: Source, made: dict) -> dict:
    """A whole new `raw/` in the old one's place; returns its record, which is written as well.

    Until the new one is whole, the old one and its record stay as they are. Killed at any point, the same command goes on.
    """
    place.download_next.unlink(missing_ok=True)
    place.answers_next.unlink(missing_ok=True)
    remove(place.raw_next)
    facts, answers = FILL[source.kind](place, source, place.raw_next)
    if answers:
        paths.write_text(place.answers_next, answers)
    record = {
        "made_from": made,
        "competition": place.competition,
        "source": source.kind,
        "slice": source.kind == "embedded",
        "part": bool(source.files),
        "files": listing(place.raw_next),
        "facts": facts,
    }
    paths.write_json(place.download_next, record)
    settle(place)
    return record


def settle(place: Place) -> None:
    """Puts a new `raw/` that is whole, as its record says, in the old one's place; also one that a killed command left."""
    if not place.download_next.exists():
        return
    place.download.unlink(missing_ok=True)
    if place.raw_next.exists():
        if place.raw.exists():
            remove(place.raw_old)
            os.rename(place.raw, place.raw_old)
        place.answers.unlink(missing_ok=True)
        os.rename(place.raw_next, place.raw)
    if place.answers_next.exists():
        os.replace(place.answers_next, place.answers)
    remove(place.raw_old)
    remove(place.cache)
    os.replace(place.download_next, place.download)


def remove(folder: Path) -> None:
    """The folder with all that is in it; of links only themselves."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def listing(folder: Path) -> list[dict]:
    """`{"name", "bytes", "sha256"}` of every file below; the checksum is empty where the source or the file is big."""
    found = [path for path in paths.files(folder) if path.exists()]  # a link of the user's may lead nowhere
    hashed = len(found) <= HASHED_FILES
    listed = []
    for path in config.progress(found, desc="recording", unit="file"):
        size = path.stat().st_size
        checksum = _sha256(path) if hashed and size <= HASHED_BYTES else ""
        listed.append({"name": path.relative_to(folder).as_posix(), "bytes": size, "sha256": checksum})
    return listed


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
