"""What the stand-in serves: bytes in memory, or a file on disk that is read in pieces and never held as a whole."""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

Content = bytes | Path
PIECE = 1 << 20  # bytes


def size(content: Content) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


def tag(content: Content) -> str:
    """An ETag: it changes with the content, for a file with its size and time."""
    if isinstance(content, Path):
        facts = content.stat()
        return f'"{facts.st_size:x}-{facts.st_mtime_ns:x}"'
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def pieces(content: Content, start: int, end: int, piece: int = PIECE) -> Iterator[bytes]:
    """The bytes from `start` up to `end`."""
    with open(content, "rb") if isinstance(content, Path) else io.BytesIO(content) as file:
        file.seek(start)
        while start < end:
            found = file.read(min(piece, end - start))
            if not found:
                return
            yield found
            start += len(found)


def pack(files: Mapping[str, Content], target: BinaryIO | Path) -> None:
    """All files as one zip archive, stored, as pictures do not get smaller; the same bytes every time."""
    with zipfile.ZipFile(target, "w") as opened:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            if isinstance(content, bytes):
                opened.writestr(entry, content)
                continue
            with opened.open(entry, "w", force_zip64=size(content) >= 1 << 31) as member:
                for part in pieces(content, 0, size(content)):
                    member.write(part)


def packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    pack(files, buffer)
    return buffer.getvalue()


def members(archive: Path) -> dict[str, int]:
    """Name → bytes of a zip archive's files."""
    with zipfile.ZipFile(archive) as opened:
        return {entry.filename: entry.file_size for entry in opened.infolist() if not entry.is_dir()}
