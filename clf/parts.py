"""Files that were cut into numbered parts (`train.zip.001`, `train.zip.002` …), read as the one file that they are."""

import io
import re
from pathlib import Path
from typing import BinaryIO

from clf import paths
from clf.config import Mistake

NUMBER = re.compile(r"\.(\d{3})$")


def whole(name: str) -> str:
    """`train.zip.002` → `train.zip`; other names stay."""
    return NUMBER.sub("", name)


def of(path: Path) -> list[Path]:
    """All parts of the file that the path is one of, in order; of a file in one piece the path alone. Raises Mistake for a missing part."""
    if not NUMBER.search(path.name):
        return [path]
    found = {int(other.name[-3:]): other for other in path.parent.glob("*.[0-9][0-9][0-9]") if whole(other.name) == whole(path.name)}
    gaps = [number for number in range(1, max(found, default=1) + 1) if number not in found]
    if gaps:
        raise Mistake(
            f"{paths.show(path.with_name(whole(path.name)))}.{gaps[0]:03d} is missing: put all parts beside each other, then repeat the command."
        )
    return [found[number] for number in sorted(found) if number]


def opened(path: Path) -> BinaryIO:
    """For reading, anywhere in it."""
    parts = of(path)
    return open(path, "rb") if len(parts) == 1 and parts[0] == path else io.BufferedReader(_Joined(parts), 1 << 20)


class _Joined(io.RawIOBase):
    """Parts one after the other; each is opened when it is read."""

    def __init__(self, parts: list[Path]):
        self._parts = parts
        self._sizes = [part.stat().st_size for part in parts]
        self._at = 0
        self._open: tuple[int, BinaryIO] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: sum(self._sizes)}[whence]
        if start + offset < 0:
            raise ValueError("before the start of the file")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        inside = self._at
        for number, size in enumerate(self._sizes):
            if inside < size:
                file = self._part(number)
                file.seek(inside)
                count = file.readinto(memoryview(buffer)[: size - inside])
                self._at += count
                return count
            inside -= size
        return 0

    def _part(self, number: int) -> BinaryIO:
        if self._open is None or self._open[0] != number:
            self.close_part()
            self._open = number, open(self._parts[number], "rb")
        return self._open[1]

    def close_part(self) -> None:
        if self._open:
            self._open[1].close()
            self._open = None

    def close(self) -> None:
        self.close_part()
        super().close()
