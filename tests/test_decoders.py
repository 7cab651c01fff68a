"""One real file of every kind: what comes out of it, and that half of it is refused."""

import io
import mmap
import zlib

import cv2
import numpy as np
import pydicom
import pytest
import tifffile
from imagecodecs import ljpeg_encode, png_encode
from PIL import Image, ImageOps
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, generate_uid

from clf import decoders
from tests import layouts


def encoded(picture, form="PNG", mode=None, **options) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, form, **options)
    return buffer.getvalue()


def tif(array, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def npy(array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def dicom(array, syntax=ExplicitVRLittleEndian, photometric="MONOCHROME2", bits=12, **fields) -> bytes:
    """[H,W] of uint16 or int16, or uint8 [H,W,3]; several frames: [N,H,W] with NumberOfFrames."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.PhotometricInterpretation = photometric
    data.SamplesPerPixel = 3 if photometric == "RGB" else 1
    data.Rows, data.Columns = array.shape[:2] if photometric == "RGB" else array.shape[-2:]
    if photometric == "RGB":
        data.PlanarConfiguration = 0
    data.BitsAllocated, data.BitsStored, data.HighBit = array.itemsize * 8, bits, bits - 1
    data.PixelRepresentation = int(array.dtype.kind == "i")
    data.PixelData = array.tobytes()
    for name, value in fields.items():
        setattr(data, name, value)
    if syntax == JPEG2000Lossless:
        data.compress(syntax)
    elif syntax == JPEGLosslessSV1:
        data.PixelData = pydicom.encaps.encapsulate([ljpeg_encode(array, bitspersample=16)])
        data["PixelData"].VR = "OB"
        data.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def raw(content: bytes) -> np.ndarray:
    """What the file holds, before it becomes 8 bits."""
    return decoders.load(content, decoders.Limits()).array


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(layouts.photos()[0][:120, :200])


@pytest.fixture(scope="module")
def deep() -> np.ndarray:
    """uint16 [40,56,4]"""
    return np.random.default_rng(0).integers(0, 65536, (40, 56, 4)).astype(np.uint16)


# -- 8 bits ------------------------------------------------------------------------------------------------------------------------


def test_every_mode_becomes_grey_or_rgb(photo):
    expected = {"1": 1, "L": 1, "LA": 1, "P": 3, "RGB": 3, "RGBA": 3}
    for mode, channels in expected.items():
        assert decoders.decode(encoded(photo, mode=mode)).shape == (120, 200, channels), mode
    cmyk = decoders.decode(encoded(photo, "JPEG", "CMYK", quality=95))
    assert np.abs(cmyk.astype(int) - photo).mean() < 6


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "JPEG2000", "WEBP"])
def test_lossless_formats_give_every_pixel(photo, form):
    options = {"WEBP": {"lossless": True}, "JPEG2000": {"irreversible": False}}.get(form, {})
    assert (decoders.decode(encoded(photo, form, **options)) == photo).all()


def test_grey_files_stay_grey(photo):
    grey = photo[:, :, 0].copy()
    for form in ("PPM", "BMP", "TIFF", "JPEG2000", "GIF"):
        assert (decoders.decode(encoded(grey, form))[:, :, 0] == grey).all(), form


def test_the_first_frame_of_a_gif_counts(photo):
    frames = [Image.fromarray(np.full((20, 30, 3), value, np.uint8)) for value in (40, 200)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decoders.decode(content) == 40).all()


def test_transparency_lies_on_white(photo):
    layer = np.dstack([photo, np.zeros(photo.shape[:2], np.uint8)])
    for form in ("PNG", "TIFF"):
        assert (decoders.decode(encoded(layer, form)) == 255).all()
    assert (decoders.decode(png_encode(layer.astype(np.uint16) * 257)) == 255).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0] * 256)
    assert (decoders.decode(encoded(palette, transparency=0)) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for form in ("JPEG", "PNG", "TIFF", "WEBP"):
        content = encoded(photo, form, exif=exif)
        loaded = decoders.load(content, decoders.Limits())
        with Image.open(io.BytesIO(content)) as image:
            assert (loaded.array == np.asarray(ImageOps.exif_transpose(image))).all(), form
        assert loaded.array.shape[:2] == (loaded.height, loaded.width)


def test_orientation_of_deep_tiffs(deep):
    content = tif(deep[:, :, :3], photometric="rgb", extratags=[(0x0112, 3, 1, 6, True)])
    loaded = decoders.load(content, decoders.Limits())
    assert (loaded.array == np.rot90(deep[:, :, :3], -1)).all()
    assert (loaded.height, loaded.width) == (56, 40)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{"form": "JPEG"}, {"form": "JPEG", "progressive": True, "subsampling": 0}, {"form": "PNG"}], ids=str)
def test_the_quick_way_gives_pillows_pixels(photo, mode, options, monkeypatch):
    content = encoded(photo, mode=mode, **options)
    quick = decoders.load(content, decoders.Limits())
    monkeypatch.setattr(decoders, "_decode_quickly", lambda content, limits: None)
    slow = decoders.load(content, decoders.Limits())
    assert (quick.array == slow.array).all()
    assert quick[1:] == slow[1:]


def test_faults_that_cost_no_pixel_are_forgiven(photo):
    """A few bytes too many before a marker, as some cameras write them, and text after the end."""
    content = encoded(photo, "JPEG")
    whole = decoders.decode(content)
    assert (decoders.decode(content[:-2] + b"\0\0\0" + content[-2:]) == whole).all()
    assert (decoders.decode(content + b"text") == whole).all()
    assert (decoders.decode(encoded(photo) + b"text") == photo).all()


def test_large_pictures_are_copied_in_strips_without_a_seam(monkeypatch, photo):
    expected = decoders.decode(encoded(photo, "BMP"))
    monkeypatch.setattr(decoders, "MOST_QUICK", 100)
    monkeypatch.setattr(decoders, "STRIP", 7)
    for content in (encoded(photo, "BMP"), encoded(photo, "WEBP", lossless=True), encoded(photo)):
        assert (decoders.decode(content) == expected).all()
    assert (decoders.decode(encoded(photo[:, :, 0].copy(), "BMP"))[:, :, 0] == photo[:, :, 0]).all()


def test_scaled_decoding_never_falls_below():
    large = np.asarray(Image.fromarray(layouts.photos()[0]).resize((1000, 700)))
    content = encoded(large, "JPEG")
    for at_least in (1, 32, 90, 160, 350, 351, 699, 2000):
        picture = decoders.decode(content, at_least)
        assert min(picture.shape[:2]) >= min(at_least, 700)
    assert decoders.decode(content, 160).shape[0] == 175
    assert decoders.decode(content).shape == (700, 1000, 3)


# -- what is refused ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000"])
def test_truncated_files_are_refused(photo, form):
    whole = encoded(photo, form)
    decoders.decode(whole)
    for part in (0.3, 0.6, 0.9):
        with pytest.raises(decoders.Unreadable):
            decoders.decode(whole[: int(len(whole) * part)])
    if form == "JPEG":
        with pytest.raises(decoders.Unreadable, match="truncated"):
            decoders.decode(whole[: len(whole) // 2], at_least=32)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of a value that is too short
@pytest.mark.parametrize("kind", ["tif", "tif strips", "tif lzw", "png", "npy", "dicom", "dicom jpeg 2000"])
def test_truncated_deep_files_are_refused(deep, kind):
    whole = {
        "tif": lambda: tif(deep, photometric="minisblack", planarconfig="contig"),
        "tif strips": lambda: tif(deep, photometric="minisblack", planarconfig="contig", rowsperstrip=4),
        "tif lzw": lambda: tif(deep, photometric="minisblack", planarconfig="contig", compression="lzw"),
        "png": lambda: png_encode(deep[:, :, :3].copy()),
        "npy": lambda: npy(deep),
        "dicom": lambda: dicom(deep[:, :, 0] // 16),
        "dicom jpeg 2000": lambda: dicom(deep[:, :, 0] // 16, JPEG2000Lossless),
    }[kind]()
    decoders.decode(whole)
    for part in (0.05, 0.3, 0.6, 0.9):
        with pytest.raises(decoders.Unreadable):
            decoders.decode(whole[: int(len(whole) * part)])


def test_reasons_are_clear(photo):
    for content, reason in (
        (b"", "0 bytes"),
        (b"<html>not found</html>", "<html>"),
        (npy(np.zeros((4, 4), complex)), "complex"),
        (npy(np.zeros(4)), r"\[4\]"),
        (npy(np.array([[{}]])), "object"),
        (npy(np.zeros((9, 9, 9))), "9 × 9 × 9"),
        (dicom(np.zeros((3, 8, 8), np.uint16), NumberOfFrames=3), "3 frames"),
        (dicom(np.zeros((8, 8), np.uint16))[:-140], "without a picture|damaged"),
        (tif(np.zeros((9, 9, 9), np.uint16), photometric="minisblack", planarconfig="contig"), "9 channels"),
    ):
        with pytest.raises(decoders.Unreadable, match=reason):
            decoders.decode(content)


def test_too_large_pictures_are_refused_before_they_are_decoded(photo, deep, monkeypatch):
    monkeypatch.setattr(decoders, "MOST_PIXELS", 1000)
    with pytest.raises(decoders.Unreadable, match="200 × 120 px is more than"):
        decoders.decode(encoded(photo))
    for form in ("PNG", "TIFF", "BMP", "WEBP"):
        assert decoders.decode(encoded(photo[:20, :50], form)).shape == (20, 50, 3)
    for content in (tif(deep), npy(deep), dicom(deep[:, :, 0] // 16)):
        with pytest.raises(decoders.Unreadable, match=r"px.* is more than"):
            decoders.decode(content)
    assert decoders.decode(encoded(photo, "JPEG"), at_least=15).shape == (15, 25, 3)
    with pytest.raises(decoders.Unreadable, match="200 × 120 px is more than"):
        decoders.decode(encoded(photo, "JPEG", progressive=True), at_least=15)


def test_a_png_of_400_million_pixels_is_refused_within_a_second():
    bomb = cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()
    header = b"IHDR" + (20_000).to_bytes(4, "big") * 2 + bomb[24:29]
    bomb = bomb[:12] + header + zlib.crc32(header).to_bytes(4, "big") + bomb[33:]
    with pytest.raises(decoders.Unreadable, match="20000 × 20000 px is more than the 250 million"):
        decoders.decode(bomb)


def test_what_is_larger_than_allowed_now_says_so(photo, deep):
    for content in (encoded(photo), tif(deep), npy(deep), dicom(deep[:, :, 0] // 16)):
        with pytest.raises(decoders.Large):
            decoders.load(content, decoders.Limits(memory=5000))
        decoders.load(content, decoders.Limits(memory=100_000))


def test_mapped_files_decode_as_read_ones(photo, deep, tmp_path):
    for content in (encoded(photo), tif(deep), npy(deep), dicom(deep[:, :, 0] // 16), png_encode(deep), encoded(photo, "TIFF")):
        (tmp_path / "x").write_bytes(content)
        with open(tmp_path / "x", "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        found, expected = decoders.load(mapped, decoders.Limits()), decoders.load(content, decoders.Limits())
        assert (found.array == expected.array).all()
        assert found[1:] == expected[1:]


# -- more than 8 bits --------------------------------------------------------------------------------------------------------------


def test_16_bit_grey_is_scaled_and_not_cut():
    deep = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    for content in (encoded(deep, "PNG"), encoded(deep, "TIFF"), b"P5 64 64 65535\n" + deep.astype(">u2").tobytes()):
        picture = decoders.decode(content)
        assert (picture.min(), picture.max()) == (0, 255)
        assert np.abs(picture[:, :, 0].astype(int) - deep // 257).max() == 0


def test_16_bit_colour_png_keeps_its_depth(deep):
    assert (raw(png_encode(deep[:, :, :3].copy())) == deep[:, :, :3]).all()


@pytest.mark.parametrize("layout", ["rgb", "4 bands", "4 planes", "4 bands called alpha", "8 bit 4 bands", "6 bands, tiles, lzw", "float", "int16"])
def test_tiffs_of_any_depth_and_number_of_bands(deep, layout):
    bands = {"photometric": "minisblack", "planarconfig": "contig"}
    array, options = {
        "rgb": (deep[:, :, :3], {"photometric": "rgb"}),
        "4 bands": (deep, bands),
        "4 planes": (deep, {"photometric": "minisblack", "planarconfig": "separate"}),
        "4 bands called alpha": (deep, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        "8 bit 4 bands": ((deep >> 8).astype(np.uint8), bands),
        "6 bands, tiles, lzw": (np.tile(deep, (2, 2, 2))[:, :, :6], {**bands, "tile": (64, 64), "compression": "lzw"}),
        "float": (deep / np.float32(100), bands),
        "int16": (deep[:, :, :1].astype(np.int16), {}),
    }[layout]
    stored = array.transpose(2, 0, 1) if layout == "4 planes" else array
    assert (raw(tif(np.ascontiguousarray(stored), **options)) == array).all()


def test_tiffs_whose_white_is_0():
    for deep in (np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000, np.arange(64, dtype=np.uint8).reshape(8, 8)):
        assert (raw(tif(deep, photometric="miniswhite"))[:, :, 0] == np.iinfo(deep.dtype).max - deep).all()


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int64, np.uint16, np.uint8, np.bool_, ">f4"])
def test_arrays_of_any_type_and_order_of_axes(kind):
    array = np.random.default_rng(0).normal(0, 40, (27, 25, 6)).clip(0, 100).astype(kind)
    expected = array.astype(np.uint8) * 255 if kind is np.bool_ else array.astype(np.float32) if array.dtype.kind == "f" else array
    assert (raw(npy(array)) == expected).all()
    assert (raw(npy(array.transpose(2, 0, 1))) == expected).all()
    assert (raw(npy(np.asfortranarray(array))) == expected).all()
    assert (raw(npy(array[:, :, 0])) == expected[:, :, :1]).all()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1])
def test_dicom_in_the_unit_of_its_modality(deep, syntax):
    stored = deep[:, :, 0] // 16
    content = dicom(stored, syntax, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=80)
    assert (raw(content)[:, :, 0] == stored.astype(np.float32) * 2 - 1024).all()


def test_dicom_dark_is_low_and_colour_stays(deep, photo):
    stored = deep[:, :, 0] // 16
    assert (raw(dicom(stored, photometric="MONOCHROME1"))[:, :, 0] == 4095 - stored).all()
    signed = stored.astype(np.int16) - 2048
    assert (raw(dicom(signed, photometric="MONOCHROME1"))[:, :, 0] == -1 - signed).all()
    assert (raw(dicom(signed))[:, :, 0] == signed).all()
    found = raw(dicom(photo, photometric="RGB", bits=8))
    assert found.dtype == np.uint8
    assert (found == photo).all()


def test_dicom_without_the_preamble_or_the_header(deep):
    stored = deep[:, :, 0] // 16
    content = dicom(stored, SpecificCharacterSet="ISO_IR 100")
    assert (raw(content[132:])[:, :, 0] == stored).all()
    for implicit in (False, True):
        data = pydicom.dcmread(io.BytesIO(content))
        data.preamble = None
        del data.file_meta
        buffer = io.BytesIO()
        data.save_as(buffer, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert buffer.getvalue().startswith(b"\x08\0\x05\0")
        assert (raw(buffer.getvalue())[:, :, 0] == stored).all(), implicit


def test_dicom_of_8_bit_colour_jpeg(photo):
    """As siim-isic-melanoma-classification has them."""
    data = pydicom.dcmread(io.BytesIO(dicom(photo, photometric="RGB", bits=8)))
    data.PhotometricInterpretation = "YBR_FULL_422"
    data.PixelData = pydicom.encaps.encapsulate([encoded(photo, "JPEG", quality=95)])
    data["PixelData"].VR = "OB"
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    buffer = io.BytesIO()
    data.save_as(buffer)
    found = raw(buffer.getvalue())
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - photo).mean() < 4


# -- to 8 bits ---------------------------------------------------------------------------------------------------------------------


def column(values, kind) -> np.ndarray:
    return np.array(values, kind).reshape(-1, 1, 1)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([0, 256, 257, 65535], np.uint16, [0, 0, 1, 255]),
        ([0, 7, 255], np.int64, [0, 7, 255]),
        ([0, 257, 65535], np.int32, [0, 1, 255]),
        ([-100, 0, 100], np.int16, [0, 128, 255]),
        ([0, 0.5, 1], np.float32, [0, 128, 255]),
        ([-40, -20, 0], np.float32, [0, 128, 255]),
        ([np.nan, -40, -20, 0], np.float32, [0, 0, 128, 255]),
        ([np.inf, 10, 20, 30], np.float32, [255, 0, 128, 255]),
        ([7, 7], np.float32, [0, 0]),
        ([np.nan, np.nan], np.float32, [0, 0]),
    ],
)
def test_without_a_window_the_rules_hold(values, kind, expected):
    assert decoders.expose(column(values, kind)).ravel().tolist() == expected


def test_a_window_is_each_channels_own_and_leaves_8_bits_alone():
    deep = np.array([[[-10, 0], [0, 500], [10, 1000], [99, 9999]]], np.float32)
    assert decoders.expose(deep, ("-10 10", "0 1000")).tolist() == [[[0, 0], [128, 128], [255, 255], [255, 255]]]
    assert decoders.expose(deep, ("-10 10",))[0, :, 1].tolist() == [128, 255, 255, 255]
    assert decoders.expose(column([0, 100, 300], np.uint16), ("0 200",)).ravel().tolist() == [0, 128, 255]
    eight = column([0, 100, 255], np.uint8)
    assert decoders.expose(eight, ("0 10",)) is eight
