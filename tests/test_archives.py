"""`clf.archives` on real archives, whole ones and ones with real defects."""

import gzip
import io
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

import py7zr
import pytest
from tqdm import tqdm

from clf import archives, config, paths
from clf.config import Mistake

FILES = {"train/a/1.jpg": b"one", "train/a/2.jpg": b"two" * 1000, "train/3.jpg": b""}


def packed(kind: str, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, content in files.items():
                opened.writestr(name, content)
    elif kind == "7z":
        with py7zr.SevenZipFile(buffer, "w") as opened:
            for name, content in files.items():
                opened.writestr(content, name)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz" if kind == "tar.gz" else "w") as opened:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                opened.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below, those with a dot in front included."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(archive: Path, into: Path) -> str:
    """The message; nothing of the archive may be left behind."""
    before = tree(into) if into.exists() else {}
    with pytest.raises(Mistake) as caught:
        archives.unpack(archive, into)
    assert (tree(into) if into.exists() else {}) == before
    assert archive.name in str(caught.value)
    return str(caught.value)


KINDS = ["zip", "7z", "tar", "tar.gz"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_top_folder_is_not_doubled(tmp_path, kind):
    archive = put(tmp_path / f"train.{kind}", packed(kind, FILES))
    assert archives.unpack(archive, tmp_path / "raw") == tmp_path / "raw" / "train"
    assert tree(tmp_path / "raw") == FILES
    assert archive.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_progress_bar_that_is_switched_off_counts_for_nothing(tmp_path, kind, monkeypatch):
    """TQDM_DISABLE=1, which tqdm reads when it is imported: such a bar stays at 0."""
    monkeypatch.setattr(config, "progress", lambda items=None, **settings: tqdm(items, disable=True, **settings))
    archive = put(tmp_path / f"train.{kind}", packed(kind, FILES))
    archives.unpack(archive, tmp_path / "raw")
    assert tree(tmp_path / "raw") == FILES


@pytest.mark.parametrize("kind", KINDS)
def test_files_without_the_folder_get_it(tmp_path, kind):
    archive = put(tmp_path / f"train.{kind}", packed(kind, {"1.jpg": b"1", "other/2.jpg": b"2"}))
    archives.unpack(archive, tmp_path / "raw")
    assert tree(tmp_path / "raw") == {"train/1.jpg": b"1", "train/other/2.jpg": b"2"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_does_nothing(tmp_path, kind):
    archive = put(tmp_path / f"train.{kind}", packed(kind, FILES))
    first = archives.unpack(archive, tmp_path / "raw")
    before = [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in paths.files(tmp_path / "raw")]
    assert archives.unpack(archive, tmp_path / "raw") == first
    assert before == [(path, path.stat().st_mtime_ns, path.stat().st_ino) for path in paths.files(tmp_path / "raw")]


@pytest.mark.parametrize(
    ("name", "kind", "files", "wanted"),
    [
        ("train.csv.zip", "zip", {"train.csv": b"x"}, {"train.csv": b"x"}),
        ("train.json.7z", "7z", {"data/processed/train.json": b"x"}, {"train.json": b"x"}),
        ("labels.zip", "zip", {"train.csv": b"x"}, {"train.csv": b"x"}),
        ("train.zip", "zip", {"train/1.jpg": b"x"}, {"train/1.jpg": b"x"}),
        ("train.zip", "zip", {"pictures/1.jpg": b"x"}, {"train/pictures/1.jpg": b"x"}),
    ],
)
def test_archives_of_one_file(tmp_path, name, kind, files, wanted):
    archive = put(tmp_path / name, packed(kind, files))
    archives.unpack(archive, tmp_path / "raw")
    archives.unpack(archive, tmp_path / "raw")
    assert tree(tmp_path / "raw") == wanted


def test_gz(tmp_path):
    archives.unpack(put(tmp_path / "train.csv.gz", gzip.compress(b"a,b\n")), tmp_path / "raw")
    assert tree(tmp_path / "raw") == {"train.csv": b"a,b\n"}
    assert not archives.is_archive(put(tmp_path / "brain.nii.gz", gzip.compress(b"a,b\n")))


def test_nested_until_nothing_is_left(tmp_path):
    inner = packed("zip", {"deep.csv.zip": packed("zip", {"deep.csv": b"d"}), "1.jpg": b"1"})
    outer = {"train.zip": inner, "test.7z": packed("7z", {"test/2.jpg": b"2"}), "labels.csv.zip": packed("zip", {"labels.csv": b"l"})}
    archives.extract(put(tmp_path / "dogs.zip", packed("zip", outer)), tmp_path / "raw")
    assert tree(tmp_path / "raw") == {"train/deep.csv": b"d", "train/1.jpg": b"1", "test/2.jpg": b"2", "labels.csv": b"l"}
    assert (tmp_path / "dogs.zip").exists()


def test_tar_in_7z(tmp_path):
    archive = put(tmp_path / "train-jpg.tar.7z", packed("7z", {"train-jpg.tar": packed("tar", {"train-jpg/1.jpg": b"1", "train-jpg/2.jpg": b"2"})}))
    assert archives.unpack(archive, tmp_path / "raw") == tmp_path / "raw" / "train-jpg"
    assert tree(tmp_path / "raw") == {"train-jpg/1.jpg": b"1", "train-jpg/2.jpg": b"2"}


@pytest.mark.parametrize("kind", KINDS)
def test_two_folders_in_one_archive_stay_below_its_name(tmp_path, kind):
    archive = put(tmp_path / f"imgs.{kind}", packed(kind, {"train/c0/1.jpg": b"1", "test/2.jpg": b"2"}))
    archives.unpack(archive, tmp_path / "raw")
    assert tree(tmp_path / "raw") == {"imgs/train/c0/1.jpg": b"1", "imgs/test/2.jpg": b"2"}


def test_junk_beside_the_top_folder_does_not_double_it(tmp_path):
    files = {"train/1.jpg": b"1", "__MACOSX/._train": b"j", ".DS_Store": b"j"}
    archives.unpack(put(tmp_path / "train.zip", packed("zip", files)), tmp_path / "raw")
    assert tree(tmp_path / "raw") == {"train/1.jpg": b"1"}


# -- in parts ----------------------------------------------------------------------------------------------------------------------


def cut(path: Path, content: bytes, count: int) -> list[Path]:
    """`path.001` …, of unequal sizes."""
    edges = [0, *sorted(random.Random(0).sample(range(1, len(content)), count - 1)), len(content)]
    pairs = enumerate(pairwise(edges), start=1)
    return [put(path.with_name(f"{path.name}.{number:03d}"), content[start:end]) for number, (start, end) in pairs]


@pytest.mark.parametrize("kind", KINDS)
def test_numbered_parts_are_one_archive(tmp_path, kind):
    noise = random.Random(1)
    files = {f"train/{number}.bin": noise.randbytes(3000) for number in range(5)}
    found = cut(tmp_path / "in" / f"train.{kind}", packed(kind, files), 12)
    assert all(archives.is_archive(part) for part in found)
    for part in found:  # callers may name any of them, or all
        assert archives.unpack(part, tmp_path / "raw") == tmp_path / "raw" / "train"
    assert tree(tmp_path / "raw") == files
    assert all(part.exists() for part in found)


def test_parts_of_one_file_and_of_a_gz(tmp_path):
    for part in cut(tmp_path / "in" / "train.csv.gz", gzip.compress(b"a,b\n" * 100), 3):
        archives.unpack(part, tmp_path / "raw")
    for part in cut(tmp_path / "in" / "labels.zip", packed("zip", {"test.csv": b"c" * 100}), 3):
        archives.unpack(part, tmp_path / "raw")
    assert tree(tmp_path / "raw") == {"train.csv": b"a,b\n" * 100, "test.csv": b"c" * 100}


def test_parts_inside_an_archive_are_unpacked_and_removed(tmp_path):
    found = cut(tmp_path / "in" / "train.tar.7z", packed("7z", {"train.tar": packed("tar", FILES)}), 3)
    outer = {part.name: part.read_bytes() for part in found}
    archives.extract(put(tmp_path / "all.zip", packed("zip", {**outer, "labels.csv": b"l"})), tmp_path / "raw")
    assert tree(tmp_path / "raw") == {**FILES, "labels.csv": b"l"}


def test_a_missing_part_is_named(tmp_path):
    found = cut(tmp_path / "train.zip", packed("zip", FILES), 4)
    found[1].rename(tmp_path / "elsewhere")
    for part in (found[0], found[2]):
        with pytest.raises(Mistake, match=r"train\.zip\.002 is missing"):
            archives.unpack(part, tmp_path / "raw")
    (tmp_path / "elsewhere").rename(found[1])
    found[3].unlink()
    assert "damaged or no archive" in refusal(found[0], tmp_path / "raw")


def test_a_number_at_the_end_of_another_file_means_nothing(tmp_path):
    assert not archives.is_archive(put(tmp_path / "scan.001", b"x"))
    assert not archives.is_archive(put(tmp_path / "brain.nii.gz.001", b"x"))


def test_a_split_zip_says_how_to_join_it(tmp_path):
    put(tmp_path / "train.z01", b"PK\7\x08")
    said = refusal(put(tmp_path / "train.zip", packed("zip", FILES)), tmp_path / "raw")
    assert "zip -s 0 train.zip --out joined_train.zip" in said


def test_packed_twice_under_one_name(tmp_path):
    archive = put(tmp_path / "train.zip", packed("zip", {"train.zip": packed("zip", FILES)}))
    archives.unpack(archive, tmp_path / "raw")
    assert tree(tmp_path / "raw") == FILES


def test_archives_without_end(tmp_path):
    content = packed("zip", {"a.csv": b"x", "b.csv": b"y"})
    for depth in range(12):
        content = packed("zip", {f"level{depth}.zip": content, "note.txt": b"n"})
    assert "archives deep" in refusal_of_nested(put(tmp_path / "bomb.zip", content), tmp_path / "raw")


def refusal_of_nested(archive: Path, into: Path) -> str:
    with pytest.raises(Mistake) as caught:
        archives.unpack(archive, into)
    assert tree(into) == {}
    return str(caught.value)


def test_junk_is_left_out(tmp_path):
    junk = {"__MACOSX/train/._1.jpg": b"j", "train/.DS_Store": b"j", "train/._1.jpg": b"j", "train/Thumbs.db": b"j"}
    archives.unpack(put(tmp_path / "train.zip", packed("zip", {"train/1.jpg": b"1", **junk})), tmp_path / "raw")
    assert tree(tmp_path / "raw") == {"train/1.jpg": b"1"}


def test_backslashes_are_folders(tmp_path):
    archives.unpack(put(tmp_path / "train.zip", packed("zip", {"train\\a\\1.jpg": b"1", "train\\2.jpg": b"2"})), tmp_path / "raw")
    assert tree(tmp_path / "raw") == {"train/a/1.jpg": b"1", "train/2.jpg": b"2"}


# -- refused -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "C:\\out.txt", "..\\out.txt"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_members_that_point_outside(tmp_path, kind, name):
    archive = put(tmp_path / "in" / f"x.{kind}", packed(kind, {name: b"x", "good.txt": b"g"}))
    assert "points out of the archive" in refusal(archive, tmp_path / "raw")


def test_a_7z_member_that_points_outside(tmp_path):
    honest = packed("7z", {"aa/out.txt": b"x"})
    names = "aa/out.txt".encode("utf-16-le")
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as opened:
        opened.set_encoded_header_mode(False)  # the header is plain, so that the name can be changed in place
        opened.writestr(b"x", "aa/out.txt")
    changed = buffer.getvalue().replace(names, "../out.txt".encode("utf-16-le"))
    assert changed != honest
    refusal(put(tmp_path / "x.7z", with_header_checksum(changed)), tmp_path / "raw")
    assert not (tmp_path / "out.txt").exists()


def with_header_checksum(content: bytes) -> bytes:
    """A 7z file whose header was changed in place, with the two checksums that cover it made right."""
    offset, size, _ = struct.unpack("<QQL", content[12:32])
    start = struct.pack("<QQL", offset, size, zlib.crc32(content[32 + offset : 32 + offset + size]))
    return content[:8] + struct.pack("<L", zlib.crc32(start)) + start + content[32:]


def test_links_in_zip(tmp_path):
    entry = zipfile.ZipInfo("train/link.jpg")
    entry.create_system = 3
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as opened:
        opened.writestr(entry, "/etc/passwd")
    assert "is a link" in refusal(tmp_path / "x.zip", tmp_path / "raw")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tar(tmp_path, kind):
    with tarfile.open(tmp_path / "x.tar", "w") as opened:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = kind, "/etc/passwd"
        opened.addfile(entry)
    assert "is a link or a device" in refusal(tmp_path / "x.tar", tmp_path / "raw")


def test_links_in_7z(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "real.txt").write_text("r")
    (tmp_path / "src" / "link.txt").symlink_to("real.txt")
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w") as opened:
        opened.writeall(tmp_path / "src", "src")
    assert "is a link" in refusal(tmp_path / "x.7z", tmp_path / "raw")


@pytest.mark.parametrize("header", [False, True])
def test_encrypted_7z(tmp_path, header):
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w", password="p", header_encryption=header) as opened:
        opened.writestr(b"x", "x.txt")
    assert "is encrypted" in refusal(tmp_path / "x.7z", tmp_path / "raw")


def test_encrypted_zip(tmp_path):
    content = bytearray(packed("zip", {"x.txt": b"x"}))
    for start in (content.index(b"PK\3\4") + 6, content.index(b"PK\1\2") + 8):
        content[start] |= 1
    assert "is encrypted" in refusal(put(tmp_path / "x.zip", bytes(content)), tmp_path / "raw")


def test_a_name_that_occurs_twice(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as opened:
        for content in (b"1", b"2"):
            entry = tarfile.TarInfo("a.jpg")
            entry.size = 1
            opened.addfile(entry, io.BytesIO(content))
    assert "is there twice" in refusal(tmp_path / "x.tar", tmp_path / "raw")


def test_a_file_where_a_folder_is_needed(tmp_path):
    refusal(put(tmp_path / "x.zip", packed("zip", {"a": b"1", "a/b": b"2"})), tmp_path / "raw")


def test_more_than_the_disk_holds(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: usage)
    assert "GB are free" in refusal(put(tmp_path / "train.zip", packed("zip", FILES)), tmp_path / "raw")


def zeros(size: int) -> bytes:
    """A zip of zeros that says so many bytes; only its directory is ever read."""
    content = bytearray(packed("zip", {"zeros.bin": bytes(100_000)}))
    start = content.index(b"PK\1\2") + 24
    content[start : start + 4] = struct.pack("<I", size)
    return bytes(content)


def test_more_than_any_picture_packs_is_refused_before_it_is_written(tmp_path):
    assert "MB would become 2.0 GB" in refusal(put(tmp_path / "x.zip", zeros(2_000_000_000)), tmp_path / "raw")
    assert "does not hold what it lists" in refusal(put(tmp_path / "y.zip", zeros(900_000_000)), tmp_path / "raw")


def test_zip_members_that_share_their_bytes(tmp_path):
    """One member's content is the other's record: a small file whose directory names the same bytes many times."""
    inner = packed("zip", {"b.txt": b"b" * 20})
    record = inner[: inner.index(b"PK\1\2")]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("a.txt", record)
        opened.writestr("b.txt", b"b" * 20, zipfile.ZIP_DEFLATED)
    content = bytearray(buffer.getvalue())
    first = content.index(b"PK\1\2")
    second = content.index(b"PK\1\2", first + 4)
    content[second + 42 : second + 46] = struct.pack("<I", 30 + len("a.txt"))
    assert "lies inside another member" in refusal(put(tmp_path / "x.zip", bytes(content)), tmp_path / "raw")


@pytest.mark.parametrize("kind", [*KINDS, "gz"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\3\4", b"7z\xbc\xaf\x27\x1c" + bytes(40), b"\x1f\x8b" + bytes(30)])
def test_no_archive(tmp_path, kind, content):
    assert "repeat the command" in refusal(put(tmp_path / f"x.{kind}", content), tmp_path / "raw")


def test_broken_bz2(tmp_path):
    with tarfile.open(tmp_path / "x.tar.bz2", "w:bz2") as opened:
        entry = tarfile.TarInfo("a")
        entry.size = 5000
        opened.addfile(entry, io.BytesIO(random.Random(0).randbytes(5000)))
    content = bytearray((tmp_path / "x.tar.bz2").read_bytes())
    content[2000] ^= 1
    assert "damaged" in refusal(put(tmp_path / "x.tar.bz2", bytes(content)), tmp_path / "raw")


def test_missing_and_unknown(tmp_path):
    assert "missing or no archive" in refusal(tmp_path / "none.zip", tmp_path / "raw")
    assert "missing or no archive" in refusal(put(tmp_path / "x.rar", b"Rar!"), tmp_path / "raw")


@pytest.mark.parametrize("kind", ["zip", "7z", "tar.gz"])
def test_damage_anywhere_is_a_refusal_or_harmless(tmp_path, kind):
    """Flipped bytes and cuts at random places: either the exact files come out, or a Mistake and nothing."""
    noise = random.Random(1)
    files = {f"train/{number}.bin": noise.randbytes(300) for number in range(8)}
    content = packed(kind, files)
    for trial in range(60):
        broken = bytearray(content)
        if trial % 3 == 0:
            broken = broken[: noise.randrange(1, len(broken))]
        else:
            broken[noise.randrange(len(broken))] ^= noise.randrange(1, 256)
        archive = put(tmp_path / f"{trial}" / f"train.{kind}", bytes(broken))
        said = ""
        try:
            archives.unpack(archive, archive.parent / "raw")
        except Mistake as mistake:
            said = str(mistake)
        if said:
            assert archive.name in said
            assert tree(archive.parent) == {archive.name: bytes(broken)}
        else:
            assert sorted(tree(archive.parent / "raw").values()) == sorted(files.values())


def test_a_directory_that_lists_a_wrong_size(tmp_path):
    content = bytearray(packed("zip", {"big.bin": b"x"}))
    content[content.index(b"PK\1\2") + 24] = 200
    assert "does not hold what it lists" in refusal(put(tmp_path / "big.zip", bytes(content)), tmp_path / "raw")


def test_zip_check(tmp_path):
    content = bytearray(packed("zip", {"a.bin": random.Random(0).randbytes(5000)}))
    archive = put(tmp_path / "a.zip", bytes(content))
    assert archives.zip_flaw(archive) == ""
    content[2500] ^= 1
    archive.write_bytes(bytes(content))
    assert "a.zip is damaged" in archives.zip_flaw(archive)


def test_a_killed_unpacking_leaves_no_half_folder(tmp_path):
    archive = put(tmp_path / "train.zip", packed("zip", FILES))
    code = (
        "import os, sys; from pathlib import Path; from clf import archives; write = archives.Sink.write\n"
        "archives.Sink.write = lambda sink, content: os._exit(9) if len(content) > 100 else write(sink, content)\n"
        "archives.unpack(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(archive), str(tmp_path / "raw")]
    assert subprocess.run(command, cwd=Path(__file__).parent.parent).returncode == 9
    assert not (tmp_path / "raw" / "train").exists()
    archives.unpack(archive, tmp_path / "raw")
    assert tree(tmp_path / "raw") == FILES
