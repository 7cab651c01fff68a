"""`clf.downloads` with the real client, against a loopback stand-in: whatever happens on the way, what comes out is whole, or nothing."""

import hashlib
import json
import re
import zipfile

import pytest
from client import NAME, pointed, refusal
from kaggle_server import SIGNATURE, TOKEN
from test_archives import packed

from clf import downloads, kaggle, paths

PLACE = paths.Place(NAME)
MIB = 1 << 20


@pytest.fixture
def server(monkeypatch):
    with pointed(monkeypatch) as running:
        yield running


@pytest.fixture
def ranges(server, monkeypatch):
    """What each GET of a signed address asked for: `None` or a byte to start at. `served` holds headers that are left out."""
    handler = server.http.RequestHandlerClass
    asked, dropped = [], set()
    get, send_header = handler.do_GET, handler.send_header

    def do_get(self):
        asked.append(int(re.sub(r"\D", "", self.headers["Range"])) if self.headers.get("Range") else None)
        self.close_connection = bool(dropped)
        get(self)
        self.close_connection = self.close_connection or bool(dropped)

    monkeypatch.setattr(handler, "do_GET", do_get)

    def send(self, name, value):
        if self.command != "GET" or name not in dropped:
            send_header(self, name, value)

    monkeypatch.setattr(handler, "send_header", send)
    asked.append(dropped)
    return asked


def archive(server) -> bytes:
    return server.competitions[NAME].archive()


def whole(server, path) -> bool:
    return path.read_bytes() == archive(server) and sorted(other.name for other in path.parent.iterdir()) == [path.name, "verified.json"]


def test_download(server, capfd):
    assert whole(server, downloads.whole(PLACE))
    assert server.calls.count("ListDataFiles") == 2  # paged
    said = "".join(capfd.readouterr())
    assert TOKEN not in said
    assert SIGNATURE not in said
    assert said.count("signed in as tester, with KAGGLE_API_TOKEN") == 1


def test_what_was_found_whole_is_not_asked_for_again(server, monkeypatch):
    path = downloads.whole(PLACE)
    calls = server.calls.count("DownloadDataFiles")
    monkeypatch.setattr(downloads.archives, "zip_flaw", lambda file: pytest.fail("read again"))
    assert downloads.whole(PLACE) == path
    assert server.calls.count("DownloadDataFiles") == calls


def test_what_arrived_before_a_kill_is_checked_and_not_asked_for(server):
    path = downloads.whole(PLACE)
    PLACE.verified.unlink()
    downloads.whole(PLACE)
    marker = path.with_name(path.name + downloads.MARKER)
    marker.write_text(json.dumps({"validator": "x", "size": path.stat().st_size}))  # killed just before it went
    PLACE.verified.unlink()
    downloads.whole(PLACE)
    assert server.calls.count("DownloadDataFiles") == 1


def test_a_new_version_at_kaggle_is_fetched(server, capfd):
    downloads.whole(PLACE)
    server.competitions[NAME].files["more.csv"] = b"more"
    assert whole(server, downloads.whole(PLACE))
    assert "more.csv: 4 bytes, got 0" in capfd.readouterr().err


def test_a_changed_file_in_the_cache_is_noticed(server):
    path = downloads.whole(PLACE)
    content = bytearray(path.read_bytes())
    content[MIB] ^= 1
    path.write_bytes(content)
    assert whole(server, downloads.whole(PLACE))


def test_a_flipped_byte_is_fetched_again(server, capfd):
    server.plant("store", flip=True)
    assert whole(server, downloads.whole(PLACE))
    assert "arrived broken" in capfd.readouterr().err


def test_a_file_that_stays_broken_is_not_kept(server):
    server.plant("store", flip=True, times=99)
    assert f"arrived broken {kaggle.ATTEMPTS} times" in refusal(lambda: downloads.whole(PLACE))
    assert list(PLACE.cache.iterdir()) == []


def test_a_cut_download_goes_on_where_it_stopped(server, ranges, capfd):
    server.plant("store", cut=MIB + 5)
    assert whole(server, downloads.whole(PLACE))
    (start,) = [start for start in ranges[1:] if start]
    assert MIB - downloads.PIECE < start <= MIB + 5
    assert SIGNATURE not in "".join(capfd.readouterr())


def test_many_cuts_are_no_failure_as_long_as_something_arrives(server, ranges):
    for _ in range(3 * kaggle.ATTEMPTS):
        server.plant("store", cut=0)  # of the opened answer, of which nothing is read, and of the rest
        server.plant("store", cut=3 * downloads.PIECE)
    assert whole(server, downloads.whole(PLACE))
    assert len(ranges) > 2 * kaggle.ATTEMPTS


def test_a_line_that_lets_nothing_through(server):
    server.plant("store", cut=10, times=99)
    said = refusal(lambda: downloads.whole(PLACE))
    assert "the line drops (ChunkedEncodingError)" in said
    assert f"Later, repeat: make download COMPETITION={NAME}" in said


def test_an_error_page_in_place_of_the_rest_costs_nothing_that_has_arrived(server, ranges):
    server.plant("store", cut=2 * MIB)
    for status in (503, 403, 429):
        server.plant("store", cut=0)
        server.plant("store", status=status)
    assert whole(server, downloads.whole(PLACE))
    assert [start for start in ranges[1:] if start][-1] >= 2 * MIB - downloads.PIECE


def test_a_partial_file_poisoned_earlier(server):
    PLACE.cache.mkdir(parents=True)
    path = PLACE.cache / f"{NAME}.zip"
    path.write_bytes(b'{"code": 503, "message": "busy"}')
    etag = f'"{hashlib.sha256(archive(server)).hexdigest()[:16]}"'
    path.with_name(path.name + downloads.MARKER).write_text(json.dumps({"validator": etag, "size": len(archive(server))}))
    assert whole(server, downloads.whole(PLACE))


@pytest.mark.parametrize("note", [b'{"validator": "other", "size": 9}', b'{"valid', b""])
def test_a_partial_file_of_another_version(server, ranges, note):
    PLACE.cache.mkdir(parents=True)
    (PLACE.cache / f"{NAME}.zip").write_bytes(b"o" * 100)
    (PLACE.cache / f"{NAME}.zip{downloads.MARKER}").write_bytes(note)
    assert whole(server, downloads.whole(PLACE))
    assert set(ranges[1:]) == {None}


@pytest.mark.parametrize("dropped", [{"Content-Length"}, {"ETag", "Last-Modified"}, {"Accept-Ranges"}])
def test_without_what_going_on_needs(server, ranges, dropped):
    ranges[0].update(dropped)
    server.plant("store", cut=MIB)
    assert whole(server, downloads.whole(PLACE))
    assert set(ranges[1:]) == {None}


def test_a_signed_address_that_has_run_out(server):
    server.plant("store", status=403, text="expired")
    path = downloads.whole(PLACE)
    assert whole(server, path)
    server.plant("store", status=403, text=f"expired {SIGNATURE}", times=99)
    path.unlink()
    assert "answers with 403" in refusal(lambda: downloads.whole(PLACE))


def test_a_list_that_differs_is_fetched_twice_and_warned_of(server, capfd):
    server.competitions[NAME].listed = {"train.csv": 99, "gone.csv": 5}
    downloads.whole(PLACE)
    assert server.calls.count("store") == 2
    assert "4 files arrived, 2 are listed; 2 differ, for example train.csv: 99 bytes, got 15" in capfd.readouterr().err


def test_files_beside_the_list_are_kept(server, capfd):
    server.competitions[NAME].listed = {"train.csv": 15}
    downloads.whole(PLACE)
    assert server.calls.count("store") == 1
    assert "4 files arrived, 1 are listed; those that are not listed are kept" in capfd.readouterr().err


def test_no_room_for_the_contents(server):
    server.competitions[NAME].listed = {"train.csv": 1 << 60}
    assert "GB are free" in refusal(lambda: downloads.whole(PLACE))
    assert "DownloadDataFiles" not in server.calls


def test_no_room_for_archive_and_contents_together(server, monkeypatch):
    size = sum(map(len, server.competitions[NAME].files.values()))
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: type("", (), {"free": size + 1000}))
    assert "for the archive and its contents" in refusal(lambda: downloads.whole(PLACE))
    assert not list(PLACE.cache.glob("*.zip"))


# -- a part --------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def names(server):
    """A competition whose names collide, hold blanks, and of which one file comes packed."""
    one = server.competitions[NAME]
    one.files |= {"test/5.jpg": b"other 5", "my notes, 100%.txt": b"notes", "images.zip": packed("zip", {"1.jpg": b"1"})}
    plain = server.download_data_file
    one.listed = {name: len(content) for name, content in one.files.items()} | {"labels.csv": 9}

    def download_data_file(body: dict) -> str:
        if body["fileName"] == "labels.csv":
            one.files["labels.csv.zip"] = packed("zip", {"labels.csv": b"id,breed\n"})
            body = body | {"fileName": "labels.csv.zip"}
        return plain(body)

    server.download_data_file = download_data_file
    return one


def route(monkeypatch, server):
    import kaggle_server

    monkeypatch.setitem(kaggle_server.CALLS, "DownloadDataFile", lambda running, body: running.download_data_file(body))


def test_a_part(server, names, monkeypatch):
    route(monkeypatch, server)
    wanted = ["train/5.jpg", "test/5.jpg", "my notes, 100%.txt", "labels.csv", "images.zip"]
    found = downloads.part(PLACE, wanted)
    assert {name: file.read_bytes() for name, file in found.items() if name not in ("labels.csv", "images.zip")} == {
        name: names.files[name] for name in wanted[:3]
    }
    assert zipfile.ZipFile(found["labels.csv"]).read("labels.csv") == b"id,breed\n"
    assert found["images.zip"].read_bytes() == names.files["images.zip"]
    assert "DownloadDataFiles" not in server.calls
    calls = server.calls.count("DownloadDataFile")
    assert downloads.part(PLACE, wanted) == found
    assert server.calls.count("DownloadDataFile") == calls == len(wanted)


def test_a_part_that_arrives_with_another_size(server):
    server.competitions[NAME].listed = {"train.csv": 99}
    assert "99 bytes are listed, 15 arrived" in refusal(lambda: downloads.part(PLACE, ["train.csv"]))
    assert not (PLACE.cache / "train.csv").exists()


def test_a_part_with_a_flipped_byte_in_its_archive(server):
    server.competitions[NAME].files["images.zip"] = packed("zip", {"1.jpg": b"1" * 99})
    server.plant("store", flip=True)
    found = downloads.part(PLACE, ["images.zip"])
    assert found["images.zip"].read_bytes() == server.competitions[NAME].files["images.zip"]


def test_names_that_are_not_there(server):
    assert "Did you mean train.csv" in refusal(lambda: downloads.part(PLACE, ["tran.csv"]))
    assert "Did you mean train/6.jpg" in refusal(lambda: downloads.part(PLACE, ["6.jpg"]))
    assert "none of the 4 files. Some of them: train.csv" in refusal(lambda: downloads.part(PLACE, ["zzz"]))
    assert "DownloadDataFile" not in server.calls


def test_a_name_that_points_out_of_the_folder(server):
    server.competitions[NAME].files["../../x"] = b"1"
    assert "points out of the folder" in refusal(lambda: downloads.part(PLACE, ["../../x"]))
