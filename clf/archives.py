"""Unpacks whatever Kaggle ships (zip, 7z, tar, gz, whole or in parts, one inside the other), safely.

An archive is data from outside: absolute names, `..`, links, encrypted members, names that occur twice and contents larger than the
free disk, or beyond all reason, are refused before anything is written, and every checksum is compared while writing. Everything goes to
a temporary name first and is renamed when whole, so a folder that is there is a whole one.
"""

import gzip
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import py7zr
from tqdm import tqdm

from clf import config, parts, paths
from clf.config import Mistake

CHUNK = 1 << 20  # bytes
DEEPEST = 8  # archives within archives
DENSEST = 1000  # times an archive's size, above BOMB, are no pictures but a trap for the disk
BOMB = 1e9  # bytes
JUNK = {"__MACOSX", ".DS_Store", "Thumbs.db"}

# What the readers raise on a file that is cut, changed, or something else.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    gzip.BadGzipFile,
    py7zr.exceptions.ArchiveError,
    struct.error,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    FileExistsError,  # one member is a file where another needs a folder
    NotADirectoryError,
)


@dataclass(frozen=True)
class Member:
    """A file inside an archive: its name as stored, its unpacked size in bytes, and why it cannot be unpacked (or "")."""

    name: str
    size: int
    refused: str = ""


class Sink(py7zr.io.Py7zIO):
    """A file being written, or nothing where `path` is None; `count` gets the bytes; also what py7zr wants to write to."""

    def __init__(self, path: Path | None, count: Callable[[int], object]):
        self._file = open(path, "xb") if path else None  # x: two names may be one on this file system
        self._count = count

    def write(self, content: bytes) -> int:
        self._count(len(content))
        return self._file.write(content) if self._file else len(content)

    def close(self) -> None:
        if self._file:
            self._file.close()

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return 0

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, *problem) -> None:
        self.close()


# -- formats: each opens an archive and yields its members and a function that pours them into sinks by name ------------------------

Pour = Callable[[Callable[[str], Sink]], None]


@contextmanager
def _zip(archive: Path) -> Iterator[tuple[list[Member], Pour]]:
    if archive.with_suffix(".z01").exists():
        joined = f"joined_{archive.name}"
        raise Mistake(
            f"{paths.show(archive)} is the last part of a split zip, which Python cannot read. Join the parts (zip -s 0 {archive.name} --out "
            f"{joined}), remove them ({archive.stem}.z01 …), name {joined} {archive.name}, then repeat the command."
        )

    def refused(entry: zipfile.ZipInfo) -> str:
        link = stat.S_ISLNK(entry.external_attr >> 16)
        return "is encrypted" if entry.flag_bits & 1 else "is a link" if link else "lies inside another member" if entry in inside else ""

    with parts.opened(archive) as file, zipfile.ZipFile(file) as opened:
        _count(file, len(opened.infolist()), opened.comment)
        entries = [entry for entry in opened.infolist() if not entry.is_dir()]
        in_order = sorted(opened.infolist(), key=lambda entry: entry.header_offset)
        inside = {after for entry, after in pairwise(in_order) if entry.header_offset + 30 + entry.compress_size > after.header_offset}

        def pour(sink: Callable[[str], Sink]) -> None:
            for entry in entries:
                with opened.open(entry) as source, sink(entry.filename) as target:
                    shutil.copyfileobj(source, target, CHUNK)

        yield [Member(entry.filename, entry.file_size, refused(entry)) for entry in entries], pour


def _count(file: BinaryIO, found: int, comment: bytes) -> None:
    """Raises BadZipFile where the directory's end counts other members than were found: zipfile does not compare."""
    file.seek(-22 - len(comment), os.SEEK_END)
    counted = struct.unpack("<H", file.read(12)[10:])[0]
    if counted not in (0xFFFF, found % 0x10000):  # the first: counted elsewhere (zip64)
        raise zipfile.BadZipFile(f"{found} members, but {counted} are counted")


@contextmanager
def _tar(archive: Path) -> Iterator[tuple[list[Member], Pour]]:
    with parts.opened(archive) as file, tarfile.open(fileobj=file) as opened:
        entries = [entry for entry in opened.getmembers() if not entry.isdir()]

        def pour(sink: Callable[[str], Sink]) -> None:
            for entry in entries:
                with opened.extractfile(entry) as source, sink(entry.name) as target:
                    shutil.copyfileobj(source, target, CHUNK)
            while opened.fileobj.read(CHUNK):  # a compressed stream compares its checksum at its very end
                pass

        yield [Member(entry.name, entry.size, "" if entry.isreg() else "is a link or a device") for entry in entries], pour


@contextmanager
def _gz(archive: Path) -> Iterator[tuple[list[Member], Pour]]:
    with parts.opened(archive) as file, gzip.open(file) as opened:
        file.seek(max(0, _packed(archive) - 4))
        size = struct.unpack("<I", file.read(4))[0]  # modulo 2^32; a larger file meets the end of the disk instead
        file.seek(0)
        opened.peek(1)  # what is no gz at all has no size either

        def pour(sink: Callable[[str], Sink]) -> None:
            with sink(stem(archive.name)) as target:
                shutil.copyfileobj(opened, target, CHUNK)

        yield [Member(stem(archive.name), size)], pour


@contextmanager
def _7z(archive: Path) -> Iterator[tuple[list[Member], Pour]]:
    with parts.opened(archive) as file:
        try:
            opened = py7zr.SevenZipFile(archive if parts.of(archive) == [archive] else file)  # several threads read only what has a name
        except py7zr.exceptions.PasswordRequired:
            raise Mistake(f"{paths.show(archive)} is encrypted: it cannot be unpacked.") from None
        with opened:
            locked = "is encrypted" if opened.needs_password() else ""
            entries = [entry for entry in opened.list() if not entry.is_directory]

            def pour(sink: Callable[[str], Sink]) -> None:
                class Factory(py7zr.io.WriterFactory):
                    def create(self, filename: str) -> Sink:
                        return sink(filename)

                opened.extractall(factory=Factory())

            yield [Member(entry.filename, entry.uncompressed, "is a link" if entry.is_symlink else locked) for entry in entries], pour


# By the end of the name, longer ends first; `.nii.gz` is a picture format, not an archive.
FORMATS = {
    ".tar.gz": _tar,
    ".tar.bz2": _tar,
    ".tar.xz": _tar,
    ".tgz": _tar,
    ".tar": _tar,
    ".zip": _zip,
    ".7z": _7z,
    ".gz": _gz,
}


def _suffix(name: str) -> str:
    """The end of the name that makes it an archive's, with a part's number (`.zip.001`), or ""."""
    whole = parts.whole(name)
    known = next((suffix for suffix in FORMATS if whole.lower().endswith(suffix) and not whole.lower().endswith(".nii.gz")), "")
    return known and known + name[len(whole) :]


def is_archive(path: Path) -> bool:
    return bool(_suffix(path.name)) and path.is_file()


def stem(name: str) -> str:
    """`train.tar.gz` → `train`, `train.csv.zip` → `train.csv`."""
    return name[: len(name) - len(_suffix(name))]


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[Member], Pour]]:
    """The archive's members and their pour; what its readers raise becomes a Mistake that names the file and what to do."""
    if not is_archive(archive):
        raise Mistake(f"{paths.show(archive)} is missing or no archive: known are {', '.join(FORMATS)}.")
    try:
        with FORMATS[parts.whole(_suffix(archive.name))](archive) as found:
            yield found
    except (NotImplementedError, py7zr.exceptions.UnsupportedCompressionMethodError) as error:
        raise Mistake(
            f"{paths.show(archive)} uses a compression that Python cannot read ({error}). "
            "Unpack it by hand (7z x FILE), then give that folder: make download source=FOLDER"
        ) from error
    except (*DAMAGE, OSError) as error:
        if not isinstance(error, DAMAGE) and error.errno is not None:  # the disk, not the archive; bz2 has no errors of its own
            raise
        raise Mistake(
            f"{paths.show(archive)} is damaged or no archive ({str(error) or type(error).__name__}). "
            "Put a whole copy in its place, then repeat the command."
        ) from error


# -- unpacking -----------------------------------------------------------------------------------------------------------------------


def extract(archive: Path, folder: Path) -> None:
    """The archive's contents as `folder`, nested archives unpacked in their places; does nothing where the folder exists."""
    if not folder.exists():
        with _temporary(folder) as temporary:
            _pour(archive, temporary)
            _settle(temporary, 1)
            os.rename(temporary, folder)


def unpack(archive: Path, into: Path) -> Path:
    """What the archive holds, as `into/STEM`; returns the path made, or the one of an earlier time.

    A top folder that is named like the archive is not doubled, and a single file comes out as that file (`train.csv.zip` → `train.csv`).
    The archive itself stays; archives inside it are unpacked until none is left, and removed.
    """
    return _unpack(archive, into, 0)


def zip_flaw(archive: Path) -> str:
    """Why the zip file is not whole (every member is read and its checksum compared), or ""."""
    try:
        with _opened(archive) as (members, pour), _bar(archive, "checking", members) as bar:
            pour(lambda name: Sink(None, bar.update))
    except Mistake as mistake:
        return str(mistake)
    return ""


def _unpack(archive: Path, into: Path, depth: int) -> Path:
    if depth > DEEPEST:
        raise Mistake(f"{paths.show(archive)} lies more than {DEEPEST} archives deep: no competition ships that. Unpack it by hand.")
    names = (stem(archive.name), stem(stem(archive.name)))
    earlier = next((into / name for name in names if name != archive.name and (into / name).exists()), None)
    if earlier:
        return earlier
    into.mkdir(parents=True, exist_ok=True)
    with _temporary(into / archive.name) as temporary:
        _pour(archive, temporary)
        _settle(temporary, depth + 1)
        whole, target = _place(archive, temporary, into)
        if depth:
            for part in parts.of(archive):
                part.unlink()
        if not target.exists():  # an archive of one file under another name says only now what it makes
            os.rename(whole, target)
    return target


def _place(archive: Path, temporary: Path, into: Path) -> tuple[Path, Path]:
    """What of the unpacked contents to move, and where to."""
    name = stem(stem(archive.name)) if parts.whole(archive.name).lower().endswith(".tar.7z") else stem(archive.name)
    tops = list(temporary.iterdir())
    if len(tops) == 1 and (tops[0].is_file() or tops[0].name == name):
        return tops[0], into / tops[0].name
    every = paths.files(temporary)
    if len(every) == 1 and every[0].name == name:  # one file, stored with the path it had on somebody's disk
        return every[0], into / name
    return temporary, into / name


def _settle(folder: Path, depth: int) -> None:
    """Unpacks the archives that lie in a freshly unpacked folder, and removes them."""
    for archive in [path for path in paths.files(folder) if is_archive(path)]:
        if archive.exists():  # further parts are gone with the first
            _unpack(archive, archive.parent, depth)


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A new folder beside the target; what a killed earlier time left there is removed, and so is what is left at the end."""
    temporary = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _bar(archive: Path, verb: str, members: list[Member]) -> tqdm:
    total = sum(member.size for member in members)
    return config.progress(desc=f"{verb} {archive.name}", total=total, unit="B", unit_scale=True)


def _pour(archive: Path, folder: Path) -> None:
    """Writes the archive's files below the folder; junk of macOS and Windows is read, for its checksum, but not written."""
    made = {folder}

    with _opened(archive) as (members, pour):
        kept = _names(archive, members)
        total = sum(member.size for member in members)
        if total > max(BOMB, DENSEST * _packed(archive)):
            raise Mistake(
                f"{paths.show(archive)} is refused: {_packed(archive) / 1e6:.1f} MB would become {total / 1e9:.1f} GB. "
                "Unpack it by hand if you trust it."
            )
        free = shutil.disk_usage(folder).free
        if sum(kept.values()) > free:
            raise Mistake(
                f"{paths.show(archive)} needs {sum(kept.values()) / 1e9:.1f} GB unpacked, but {free / 1e9:.1f} GB are free "
                f"in {paths.show(folder.parent)}. Free some space, then repeat the command."
            )
        written, lock = 0, threading.Lock()  # py7zr writes from several threads
        with _bar(archive, "unpacking", members) as bar:

            def count(size: int) -> None:  # the bar does not: TQDM_DISABLE switches it off
                nonlocal written
                with lock:
                    written += size
                bar.update(size)

            def sink(name: str) -> Sink:
                if _tidy(name) not in kept:
                    return Sink(None, count)
                path = folder / _tidy(name)
                if path.parent not in made:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    made.add(path.parent)
                return Sink(path, count)

            pour(sink)
            # gz knows its size modulo 2^32 only
            whole = (written - total) % (1 << 32) == 0 and sum(1 for _ in _walk(folder)) == len(kept)
    if not whole:
        raise Mistake(f"{paths.show(archive)} does not hold what it lists. Put a whole copy in its place, then repeat the command.")


def _packed(archive: Path) -> int:
    return sum(part.stat().st_size for part in parts.of(archive))


def _walk(folder: Path) -> Iterator[str]:
    return (name for _, _, names in os.walk(folder) for name in names)


def _tidy(name: str) -> str:
    """The member's name with `/` between its parts, whatever system packed it."""
    return str(PurePosixPath(name.replace("\\", "/")))


def _names(archive: Path, members: list[Member]) -> dict[str, int]:
    """Sizes in bytes of the members to be written, by tidy name. Raises Mistake for what must not be unpacked."""
    found: dict[str, int] = {}
    for member in members:
        name = _tidy(member.name)
        steps = PurePosixPath(name).parts
        unsafe = name.startswith("/") or ".." in steps or "\0" in name or re.match(r"[A-Za-z]:", name)
        refused = "points out of the archive" if unsafe else "is there twice" if name in found else member.refused
        if refused:
            raise Mistake(f"{paths.show(archive)} is refused: its member {member.name!r} {refused}. Unpack it by hand if you trust it.")
        if not (JUNK & set(steps) or steps[-1].startswith("._")):
            found[name] = member.size
    if not found:
        raise Mistake(f"{paths.show(archive)} holds no file. Put a whole copy in its place, then repeat the command.")
    return found
