"""The files of the builders: tables and the sample submission, archives, DICOM, TFRecords, damaged files; ids, shares and what predicts best
without looking at a picture."""

import struct
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tests.zoo.entry import Built

Generator = np.random.Generator

# -- kinds and ids -----------------------------------------------------------------------------------------------------------------


def mix(counts: Sequence[int], generator: Generator) -> np.ndarray:
    """int [sum of counts]: class numbers, shuffled; the class k is there `counts[k]` times."""
    return generator.permutation(np.repeat(np.arange(len(counts)), counts))


def mixed(kinds: Sequence[int], count: int, generator: Generator, shares: Sequence[float] | None = None) -> np.ndarray:
    """int [count]: the kinds in these shares (equal ones by default), each at least twice, in random order."""
    shares = shares or [1 / len(kinds)] * len(kinds)
    counts = [max(2, round(share * count)) for share in shares]
    counts[int(np.argmax(counts))] += count - sum(counts)
    return np.asarray(kinds)[mix(counts, generator)]


def hexes(count: int, length: int, generator: Generator) -> list[str]:
    """Different names of hexadecimal digits."""
    names = {}
    while len(names) < count:
        names[generator.bytes((length + 1) // 2).hex()[:length]] = None
    return list(names)


def numbers(count: int, low: int, high: int, generator: Generator) -> list[int]:
    """Different ones, from `low` to below `high`."""
    return [int(number) for number in low + generator.choice(high - low, count, replace=False)]


# -- tables ------------------------------------------------------------------------------------------------------------------------


def write_table(path: Path, columns: Mapping[str, Sequence] | pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(path, index=False)


def fill(answers: pd.DataFrame, *values: object) -> pd.DataFrame:
    """The same values in every row, one for each column beside the id; one alone fills all of them."""
    columns = answers.columns[1:]
    return answers.assign(**dict(zip(columns, map(str, values * len(columns) if len(values) == 1 else values), strict=True)))


def submission(path: Path, ids: dict[str, Sequence], answers: dict[str, Sequence], prior: Sequence, sample: Sequence) -> Built:
    """Writes the sample submission, which says `sample` in every row; the prior says `prior` in every row."""
    frame = pd.DataFrame({**ids, **answers}).astype(str)
    write_table(path, fill(frame, *sample))
    return Built(frame, fill(frame, *prior))


def onehot(labels: Sequence[str], classes: Sequence[str]) -> dict[str, list[int]]:
    return {name: [int(label == name) for label in labels] for name in classes}


# -- what predicts best without looking --------------------------------------------------------------------------------------------


def shares(labels: Sequence[str], classes: Sequence[str]) -> list[str]:
    return [f"{sum(label == name for label in labels) / len(labels):.10f}" for name in classes]


def ranked(labels: Sequence[str]) -> list[str]:
    """The labels, the most frequent first."""
    return [name for name, _ in Counter(labels).most_common()]


def best_set(sets: Sequence[set[str]], score: Callable[[Sequence[set[str]], set[str]], float]) -> list[str]:
    """Of the sets "the m most frequent labels", the one that scores best as the answer to every row."""
    order = ranked([label for labels in sets for label in sorted(labels)])
    return max((order[:count] for count in range(1, len(order) + 1)), key=lambda chosen: score(sets, set(chosen)))


def mean_f(beta: float) -> Callable[[Sequence[set[str]], set[str]], float]:
    """The mean over the rows of each row's F."""

    def score(sets: Sequence[set[str]], chosen: set[str]) -> float:
        weight = beta**2
        return float(np.mean([(1 + weight) * len(true & chosen) / (weight * len(true) + len(chosen)) for true in sets]))

    return score


def micro_f1(sets: Sequence[set[str]], chosen: set[str]) -> float:
    return 2 * sum(len(true & chosen) for true in sets) / (sum(len(true) for true in sets) + len(sets) * len(chosen))


# -- archives ----------------------------------------------------------------------------------------------------------------------


def pack(archive: Path, contents: Sequence[Path], base: Path, inside: str = "") -> None:
    """Moves files and folders into the .zip, .7z, .tar or .tar.gz, named as below `base`, in the folder `inside`."""
    files = [file for path in contents for file in ([path] if path.is_file() else sorted(path.rglob("*"))) if file.is_file()]
    names = [f"{inside}{file.relative_to(base).as_posix()}" for file in files]
    if archive.suffix == ".7z":
        import py7zr

        with py7zr.SevenZipFile(archive, "w", filters=[{"id": py7zr.FILTER_COPY}]) as opened:
            for file, name in zip(files, names, strict=True):
                opened.write(file, name)
    elif archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
            for file, name in zip(files, names, strict=True):
                opened.write(file, name)
    else:
        with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as opened:
            for file, name in zip(files, names, strict=True):
                opened.add(file, name)
    for file in files:
        file.unlink()
    folders = [path for path in contents if path.is_dir()]
    for folder in [inner for path in folders for inner in sorted(path.rglob("*"), reverse=True)] + folders:
        folder.rmdir()


def pack_folder(folder: Path, form: str) -> Path:
    """Replaces `folder` by the archive `folder`.`form`, whose members all lie in a folder of that name."""
    archive = folder.with_name(f"{folder.name}.{form}")
    pack(archive, [folder], folder.parent)
    return archive


def pack_file(path: Path) -> None:
    """Replaces `x.csv` by `x.csv.zip`, which holds just that."""
    pack(path.with_name(f"{path.name}.zip"), [path], path.parent)


def pack_tar_7z(folder: Path) -> None:
    """`train-jpg/` → `train-jpg.tar.7z`"""
    tar = pack_folder(folder, "tar")
    pack(tar.with_name(tar.name + ".7z"), [tar], tar.parent)


def split(archive: Path, parts: int) -> None:
    """Replaces `x.zip` by `x.zip.001`, `x.zip.002`, …, which joined are the archive."""
    content = archive.read_bytes()
    step = -(-len(content) // parts)
    for part in range(parts):
        archive.with_name(f"{archive.name}.{part + 1:03d}").write_bytes(content[part * step : (part + 1) * step])
    archive.unlink()


# -- DICOM -------------------------------------------------------------------------------------------------------------------------


def write_dicom(path: Path, pixels: np.ndarray, photometric: str = "MONOCHROME2", **attributes: object) -> None:
    """uint8, uint16 or int16 [H,W], or uint8 [H,W,3], uncompressed; `attributes` by their DICOM keywords."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    content = Dataset()
    content.SOPClassUID, content.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid(entropy_srcs=[path.parent.name, path.name])
    content.file_meta = FileMetaDataset()
    content.file_meta.MediaStorageSOPClassUID = content.SOPClassUID
    content.file_meta.MediaStorageSOPInstanceUID = content.SOPInstanceUID
    content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content.Rows, content.Columns = pixels.shape[:2]
    content.SamplesPerPixel, content.PhotometricInterpretation = (3, "RGB") if pixels.ndim == 3 else (1, photometric)
    if pixels.ndim == 3:
        content.PlanarConfiguration = 0
    bits = 8 * pixels.itemsize
    content.BitsAllocated, content.BitsStored, content.HighBit = bits, bits, bits - 1
    content.PixelRepresentation = int(pixels.dtype.kind == "i")
    content.add_new(0x7FE00010, "OB" if bits == 8 else "OW", pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())
    for keyword, value in attributes.items():
        setattr(content, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    content.save_as(path, enforce_file_format=True)


# -- TFRecords (tensorflow.org/tutorials/load_data/tfrecord): length, its checksum, a serialised tf.train.Example, its checksum -------


@cache
def _remainders() -> list[int]:
    """Of every byte by the polynomial of CRC-32C (Castagnoli), bits reversed."""
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return found


def checksum(content: bytes) -> bytes:
    """CRC-32C, masked as TensorFlow does (checksums of checksums would be weak): turned by 15 bits, plus a constant."""
    table, rest = _remainders(), 0xFFFFFFFF
    for byte in content:
        rest = table[(rest ^ byte) & 0xFF] ^ rest >> 8
    rest ^= 0xFFFFFFFF
    return struct.pack("<I", ((rest >> 15 | rest << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _example(features: Mapping[str, bytes | str | int]) -> bytes:
    """A serialised `tf.train.Example`: text and bytes as bytes_list, whole numbers as int64_list."""
    entries = b""
    for name, value in features.items():
        if isinstance(value, int):
            feature = _field(3, _field(1, _varint(value)))
        else:
            feature = _field(1, _field(1, value.encode() if isinstance(value, str) else value))
        entries += _field(1, _field(1, name.encode()) + _field(2, feature))
    return _field(1, entries)


def write_tfrecord(path: Path, records: Sequence[Mapping[str, bytes | str | int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for record in map(_example, records):
            length = struct.pack("<Q", len(record))
            file.write(length + checksum(length) + record + checksum(record))


# -- damage ------------------------------------------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    """Keeps the beginning; of jpg and png the size can still be read."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 5])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def disguise(path: Path, suffix: str) -> None:
    """The same picture in another format, under its old name."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    path.write_bytes(cv2.imencode(suffix, picture)[1].tobytes())
