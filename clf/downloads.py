"""A competition's files, whole or in part, as files of the cache that were found whole.

The client's own download takes an error page for the rest of a file, loses up to a MiB at each cut and never compares a checksum. Here a
transfer goes on where it stopped, also in a later process, as long as Kaggle offers the same file; then each is checked, and one that is
broken is removed and fetched again. What was found whole is noted beside it, so that a command that is killed later asks only for the rest.
"""

import contextlib
import difflib
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from clf import archives, config, kaggle, paths
from clf.config import Mistake
from clf.paths import Place

PIECE = 1 << 16  # bytes: what a cut can lose
MARKER = ".kaggle-partial"  # the client's note beside a file that may be resumed; ours is of the same form, so either goes on with the other's


def whole(place: Place) -> Path:
    """The one archive that Kaggle makes of all files: every member's checksum is right, and names and sizes are those of Kaggle's list.

    An archive that is whole in itself but differs from the list, and comes twice like that, is kept, with a warning.
    Raises Mistake where there is no room, and where it arrives broken `kaggle.ATTEMPTS` times.
    """
    competition, listed = place.competition, kaggle.files(place.competition)
    _make_room(place, sum(listed.values()), "its contents")
    identity = paths.hash_text(repr(sorted(listed.items())))
    doubts: list[str] = []

    def flaw(archive: Path) -> str:
        zipped = archive.suffix.lower() == ".zip"
        found = archives.zip_flaw(archive) if zipped else ""
        doubt = _difference(archive, listed, zipped) if not found else ""
        if doubt and doubt in doubts:
            print(f"warning: {doubt}; the archive is whole in itself and came twice like this, so it is kept.", file=sys.stderr)
            return ""
        doubts.append(doubt or found)
        return found or doubt

    def room(size: int | None, there: int) -> None:
        contents = sum(listed.values())
        _make_room(place, contents + max(0, (contents if size is None else size) - there), "the archive and its contents")

    there = [path for path in place.cache.glob(f"{competition}.*") if path.is_file() and not path.name.endswith(MARKER)]
    return _sound(place, there[0] if len(there) == 1 else None, "", flaw, room, identity)


def part(place: Place, names: list[str]) -> dict[str, Path]:
    """Some of the files by their names in Kaggle's list, each of the size that the list gives; a few may come as `NAME.zip`.

    Raises Mistake for names that the list does not hold, where there is no room, and where a file arrives broken time and again.
    """
    listed = kaggle.files(place.competition)
    for name in names:
        if name not in listed:
            raise Mistake(_unknown(name, listed))
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise Mistake(f"Kaggle lists a file named {name!r}, which points out of the folder: it is not fetched.")
    found = {}
    for name in names:

        def flaw(file: Path, name: str = name) -> str:
            return _part_flaw(file, name, listed[name])

        def room(size: int | None, there: int, name: str = name) -> None:
            _make_room(place, max(0, (size or listed[name]) - there), name)

        there = [path for path in (place.cache / name, place.cache / f"{name}.zip") if path.is_file()]
        found[name] = _sound(place, there[0] if there else None, name, flaw, room, f"{listed[name]} bytes")
    return found


def _sound(place: Place, there: Path | None, name: str, flaw: Callable, room: Callable, identity: str) -> Path:
    """The file found whole: noted as such before, or as it lies in the cache, or fetched, a bounded number of times."""
    known = paths.read_json(place.verified) or {}
    if there and known.get(str(there.relative_to(place.cache))) == _note(there, identity):
        return there
    problem = ""
    for _ in range(kaggle.ATTEMPTS):
        file = there if there and _arrived(there) else _fetch(place, name, room)
        problem = flaw(file)
        if not problem:
            paths.write_json(place.verified, {**known, str(file.relative_to(place.cache)): _note(file, identity)})
            return file
        print(f"{file.name} {'in the cache is' if file == there else 'arrived'} broken ({problem}): fetching it again.", file=sys.stderr)
        _remove(file)
        there = None
    again = f"make download COMPETITION={place.competition}"
    raise Mistake(f"{name or place.competition} arrived broken {kaggle.ATTEMPTS} times: {problem}. Later, repeat: {again}")


def _note(file: Path, identity: str) -> list:
    """What says that the file is the one that was checked, against the same list."""
    facts = file.stat()
    return [facts.st_size, facts.st_mtime_ns, identity]


# -- checks ------------------------------------------------------------------------------------------------------------------------


def _make_room(place: Place, needed: int, what: str) -> None:
    place.cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place.cache).free
    if needed > free:
        raise Mistake(
            f"{place.competition} needs {needed / 1e9:.1f} GB for {what}, but {free / 1e9:.1f} GB are free in {paths.show(place.cache)}. "
            f"Free some space, or take a part with files=, then: make download COMPETITION={place.competition}"
        )


def _difference(archive: Path, listed: dict[str, int], zipped: bool) -> str:
    """What of Kaggle's list the download does not hold, in words, or ""; of what it holds beside the list, only a warning."""
    if zipped:
        with zipfile.ZipFile(archive) as opened:
            held = {entry.filename: entry.file_size for entry in opened.infolist() if not entry.is_dir()}
    else:
        held = {name: archive.stat().st_size for name in listed}
    wrong = [name for name, size in listed.items() if held.get(name) != size]
    counts = f"{len(held)} files arrived, {len(listed)} are listed"
    if wrong:
        return f"{counts}; {len(wrong)} differ, for example {wrong[0]}: {listed[wrong[0]]} bytes, got {held.get(wrong[0], 0)}"
    if len(held) > len(listed):
        print(f"warning: {counts}; those that are not listed are kept.", file=sys.stderr)
    return ""


def _part_flaw(file: Path, name: str, size: int) -> str:
    found, got = "", file.stat().st_size
    if file.suffix.lower() == ".zip":
        with contextlib.suppress(RuntimeError):  # encrypted: unpacking says so
            found = archives.zip_flaw(file)
    if not found and file.name == f"{PurePosixPath(name).name}.zip":  # the site packs some files
        with zipfile.ZipFile(file) as opened:
            got = sum(entry.file_size for entry in opened.infolist())
    return found or ("" if got == size else f"{size} bytes are listed, {got} arrived")


def _unknown(name: str, listed: dict[str, int]) -> str:
    near = difflib.get_close_matches(name, listed, 3, 0.5) or [other for other in listed if PurePosixPath(other).name == name][:3]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"files= names {name!r}, which is none of the {len(listed)} files.{hint} Some of them: {', '.join(list(listed)[:10])}"


# -- one transfer ------------------------------------------------------------------------------------------------------------------


def _fetch(place: Place, name: str, room: Callable[[int | None, int], None]) -> Path:
    """The file `name`, or the archive of all, from Kaggle, gone on with where it stopped. It may be broken."""
    target: list[Path] = []

    def ask(api: Any) -> Path:
        with kaggle.store(api, place.competition, name) as answer:
            last = unquote(urlsplit(answer.url).path.rsplit("/", 1)[-1])
            packed = name and last == f"{PurePosixPath(name).name}.zip"
            file = place.cache / (f"{name}.zip" if packed else name or f"{place.competition}.{last.rsplit('.', 1)[-1]}")
            file.parent.mkdir(parents=True, exist_ok=True)
            target[:] = [file]
            _transfer(answer, file, room)
        return file

    return kaggle.call(place.competition, "download", ask, lambda: target[0].stat().st_size if target and target[0].exists() else 0)


def _transfer(answer: Any, file: Path, room: Callable[[int | None, int], None]) -> None:
    """Pours the answer into the file, behind what is there of the same file; what has arrived stays when it is cut.

    Without a length, a name for this version, or ranges, it starts from the beginning. Raises requests' exceptions.
    """
    import requests

    headers = answer.headers
    size = int(headers["Content-Length"]) if "Content-Length" in headers and "Content-Encoding" not in headers else None
    version = headers.get("ETag") or headers.get("Last-Modified")
    named = size is not None and version is not None and headers.get("Accept-Ranges") == "bytes"
    note = {"validator": version, "size": size}
    there = file.stat().st_size if file.exists() else 0
    if not (named and 0 < there <= size and paths.read_json(_marker(file)) == note):
        _remove(file)
        there = 0
    room(size, there)
    if named and not there:
        paths.write_json(_marker(file), note)
    if there and there < size:
        answer.close()
        wanted = {"Range": f"bytes={there}-", "If-Range": version, "Accept-Encoding": "identity"}
        answer = requests.get(answer.url, headers=wanted, stream=True, timeout=kaggle.TIMEOUT)
        if answer.status_code == 416:
            _remove(file)
        answer.raise_for_status()
    if there != size:
        with answer, open(file, "ab" if answer.status_code == 206 else "wb") as out:
            with config.progress(desc=f"downloading {file.name}", total=size, initial=out.tell(), unit="B", unit_scale=True) as bar:
                for piece in answer.iter_content(PIECE):
                    out.write(piece)
                    bar.update(len(piece))
    if size is not None and file.stat().st_size != size:
        raise requests.exceptions.ChunkedEncodingError("other length")
    _marker(file).unlink(missing_ok=True)


def _arrived(file: Path) -> bool:
    """Whether all of it came: the marker goes when it did, or the process was killed just before that."""
    note = paths.read_json(_marker(file)) or {}
    return not _marker(file).exists() or note.get("size") == file.stat().st_size


def _marker(file: Path) -> Path:
    return file.with_name(file.name + MARKER)


def _remove(file: Path) -> None:
    """The file, then the note that would let another go on there."""
    file.unlink(missing_ok=True)
    _marker(file).unlink(missing_ok=True)
