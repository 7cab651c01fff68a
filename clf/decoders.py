"""The bytes of one picture, whatever its format → an array, or the reason why there is none. What a file is, its content says, not its name.

Pictures of 8 bits are uint8 from the start. Deeper ones keep their own numbers until `expose` maps them to 0..255, either by a window that
was measured over the whole competition or, without one, by fixed rules. EXIF orientation is applied and transparency lies on white,
everywhere alike. What cannot be decoded whole is `Unreadable`: half a picture is never returned.
"""

import hashlib
import io
import mmap
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError
from simplejpeg import decode_jpeg, decode_jpeg_header

MOST_PIXELS = 250_000_000  # of three bytes: 750 MB, one decoded picture
MOST_CHANNELS = 8
MOST_QUICK = 30_000_000  # px of a JPEG: a larger one may be progressive, whose memory only Pillow's way tells before
STRIP = 512  # rows copied at once of a picture that is larger
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"P5", b"P6")
DICOM_BEGINNINGS = (b"\x02\0\0\0UL\x04\0", b"\x08\0\x05\0CS\x0a\0", b"\x08\0\x05\0\x0a\0\0\0")  # of files without the preamble
ORIENTATION = 0x0112  # the EXIF and TIFF tag
EXIF_BLOCKS = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")  # where Pillow looks for an orientation
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # orientation → upright, as EXIF numbers them
    2: np.fliplr,
    3: lambda array: np.rot90(array, 2),
    4: np.flipud,
    5: lambda array: array.swapaxes(0, 1),
    6: lambda array: np.rot90(array, -1),
    7: lambda array: np.rot90(array, 2).swapaxes(0, 1),
    8: np.rot90,
}

Image.MAX_IMAGE_PIXELS = None  # replaced by MOST_PIXELS, which counts after a JPEG's scaled decoding
ImageFile.LOAD_TRUNCATED_IMAGES = False

Content = bytes | mmap.mmap


class Unreadable(Exception):
    """No picture can be had; `str()` is the reason, for `quarantine.csv`."""


class Large(Exception):
    """The picture takes more memory than the caller has allowed for now."""


class Loaded(NamedTuple):
    """One decoded picture and what its file said of it; height and width in px before any scaled decoding, upright."""

    array: np.ndarray  # [H,W,C] of any depth, see `expose`
    format: str
    height: int
    width: int
    digest: int  # 63-bit hash of the file's content; 0 where nobody asked for it


class Limits(NamedTuple):
    """What a decoder is asked for: the short side that suffices (px; 0: full size), the bytes above which it raises Large, and whether
    the file is hashed, which takes a thirtieth of a photo's decoding."""

    at_least: int = 0
    memory: int | None = None
    digest: bool = False

    def check(self, height: int, width: int, bytes_per_pixel: int) -> None:
        """Raises Unreadable for a picture that is never decoded, Large for one that is not decoded now."""
        if height * width * max(bytes_per_pixel, 3) > 3 * MOST_PIXELS:
            depth = f" of {bytes_per_pixel} bytes" if bytes_per_pixel > 3 else ""
            raise Unreadable(f"{width} × {height} px{depth} is more than the {MOST_PIXELS / 1e6:.0f} million (of 3 bytes) that are decoded")
        if self.memory is not None and height * width * bytes_per_pixel > self.memory:
            raise Large


# -- one file ----------------------------------------------------------------------------------------------------------------------


def decode(content: Content, at_least: int = 0, window: Sequence[str] = ()) -> np.ndarray:
    """The bytes of a picture file → uint8 [H,W,C].

    A JPEG may be decoded at half of its size, a quarter or an eighth, its short side never below `at_least` px; 0: full size. Raises
    Unreadable.
    """
    return expose(load(content, Limits(at_least)).array, window)


def load(content: Content, limits: Limits) -> Loaded:
    """Raises Unreadable, and Large where `limits` says so."""
    if not len(content):
        raise Unreadable("empty file (0 bytes)")
    try:
        array, form, size = _decode_quickly(content, limits) or _decoder(content)(content, limits)
    except UnidentifiedImageError:
        raise Unreadable(f"no picture: the file begins with {content[:12]!r}") from None
    except (Unreadable, Large):
        raise
    except Exception as error:  # the decoders raise many kinds on damaged files (OSError, SyntaxError, ValueError, zlib.error …)
        raise Unreadable(f"damaged: {str(error) or type(error).__name__}") from None
    return Loaded(array, form, *size, digest(content) if limits.digest else 0)


def is_picture(content: Content) -> bool:
    """Does it begin as a picture file does?"""
    return content[:12].startswith(BEGINNINGS)


def digest(content: Content | memoryview) -> int:
    return int.from_bytes(hashlib.sha1(content, usedforsecurity=False).digest()[:8], "big") >> 1


Decoded = tuple[np.ndarray, str, tuple[int, int]]  # the array, the format in words, (height, width) before scaled decoding


def _decoder(content: Content) -> Callable[[Content, Limits], Decoded]:
    head = bytes(content[:132])
    if head.startswith(np.lib.format.MAGIC_PREFIX):
        return _decode_numpy
    if head[128:] == b"DICM" or head[:8] in DICOM_BEGINNINGS:
        return _decode_dicom
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _decode_tiff
    return _decode_common


def _file(content: Content) -> io.BytesIO | mmap.mmap:
    if isinstance(content, mmap.mmap):
        content.seek(0)
        return content
    return io.BytesIO(content)


def _decode_quickly(content: Content, limits: Limits) -> Decoded | None:
    """The files that most competitions are made of: plain JPEG and PNG of 8 bits, in a fifth to a half of Pillow's time, with its pixels.

    None for all that has a turn, transparency or a palette, is large, or is not without fault: Pillow decides.
    """
    if not isinstance(content, bytes):
        return None
    try:
        if content.startswith(b"\xff\xd8\xff") and _is_plain_jpeg(content):
            height, width, colours, _ = decode_jpeg_header(content)
            mode = {"Gray": "L", "YCbCr": "RGB"}.get(colours)
            if mode and height * width <= MOST_QUICK and _is_allowed(height, width, limits):
                least = _scaled(height, width, limits.at_least)
                array = decode_jpeg(content, {"L": "GRAY"}.get(mode, mode), min_height=least[0], min_width=least[1])
                return array, f"JPEG {mode}", (height, width)
        elif content.startswith(b"\x89PNG") and content[24:29] in (b"\x08\0\0\0\0", b"\x08\2\0\0\0"):  # 8 bits, grey or colour, not interlaced
            height, width = int.from_bytes(content[20:24], "big"), int.from_bytes(content[16:20], "big")
            if _is_allowed(height, width, limits) and _is_plain_png(content):
                from imagecodecs import png_decode

                array = png_decode(content)
                return array.reshape(height, width, -1), "PNG RGB" if content[25] else "PNG L", (height, width)
    except (ValueError, RuntimeError):  # imagecodecs' errors are RuntimeErrors
        pass
    return None


def _is_plain_jpeg(content: bytes) -> bool:
    """No block of EXIF or XMP before the first scan. From block to block, as searching all bytes costs a twentieth of their decoding."""
    place = 2
    while content[place : place + 1] == b"\xff":
        kind = content[place + 1]
        if kind in (0xDA, 0xE1):  # a scan begins; APP1
            return kind == 0xDA
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return False


def _scaled(height: int, width: int, at_least: int) -> tuple[int, int]:
    """The size at which a JPEG is decoded. Other eighths than these are decoded more slowly than the whole."""
    sizes = [(-(-height // by), -(-width // by)) for by in (8, 4, 2)]
    return next((size for size in sizes if at_least and min(size) >= at_least), (height, width))


def _is_plain_png(content: bytes) -> bool:
    """No chunk of transparency, EXIF or XMP anywhere. From chunk to chunk, as searching all bytes costs a seventh of their decoding."""
    place = 8
    while place + 8 <= len(content):
        kind = content[place + 4 : place + 8]
        if kind == b"IEND":
            return True
        if kind in (b"tRNS", b"eXIf", b"iTXt") or (kind in (b"tEXt", b"zTXt") and content.startswith(b"Raw profile type", place + 8)):
            return False
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    return False


def _is_allowed(height: int, width: int, limits: Limits) -> bool:
    return height * width <= MOST_PIXELS and (limits.memory is None or 3 * height * width <= limits.memory)


def _decode_common(content: Content, limits: Limits) -> Decoded:
    """What Pillow reads."""
    with Image.open(_file(content)) as image:
        (width, height), mode = image.size, image.mode
        if limits.at_least and image.format in ("JPEG", "MPO"):
            image.draft(None, (limits.at_least, limits.at_least))
        whole = image.info.get("progressive")  # its coefficients are all in memory before the first pixel: scaled decoding saves nothing
        limits.check(height if whole else image.height, width if whole else image.width, _bytes_per_pixel(image))
        if deep := _is_deep(image):
            from imagecodecs import png_decode

            array = _on_white(png_decode(content))
        else:
            image.load()
            array = _as_array(image)
        array, turned = _upright(array, _orientation(image))
    return array, f"{image.format} {mode}{' 16 bit' if deep else ''}", (width, height) if turned else (height, width)


def _is_deep(image: Image.Image) -> bool:
    """PNG with 16 bits in several channels, of which Pillow keeps 8."""
    return image.format == "PNG" and bool(image.tile) and str(image.tile[0].args) in ("RGB;16B", "RGBA;16B", "LA;16B")


def _bytes_per_pixel(image: Image.Image) -> int:
    return len(image.getbands()) * {"I": 4, "F": 4, "I;16": 2, "I;16B": 2}.get(image.mode, 2 if _is_deep(image) else 1)


def _as_array(image: Image.Image) -> np.ndarray:
    """[H,W,1] for grey modes, else uint8 [H,W,3]."""
    if image.mode.startswith("I"):  # 16 bit, or 32 that hold 16
        array = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
    elif image.mode in ("F", "L", "RGB") and not image.has_transparency_data:
        array = _pixels(image)
    elif image.mode in ("1", "L"):
        array = np.asarray(image.convert("L"))
    elif image.has_transparency_data:
        layer = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        array = np.asarray(flat.convert("L" if image.mode in ("LA", "La") else "RGB"))
    else:
        array = _pixels(image.convert("RGB"))
    return array.reshape(*array.shape[:2], -1)


def _pixels(image: Image.Image) -> np.ndarray:
    """As np.asarray, which would take the memory of two more pictures, for a large one in strips."""
    if image.width * image.height <= MOST_QUICK:
        return np.asarray(image)
    strips = [(top, min(top + STRIP, image.height)) for top in range(0, image.height, STRIP)]
    first = np.asarray(image.crop((0, 0, 1, 1)))
    array = np.empty((image.height, image.width, *first.shape[2:]), first.dtype)
    for top, end in strips:
        array[top:end] = np.asarray(image.crop((0, top, image.width, end)))
    return array


def _orientation(image: Image.Image) -> int:
    if image.format != "TIFF" and not any(name in image.info for name in EXIF_BLOCKS):
        return 1
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged EXIF block says nothing of the picture
        return 1


def _upright(array: np.ndarray, orientation: int) -> tuple[np.ndarray, bool]:
    """The picture as it is meant to be seen, and whether its sides have changed places."""
    turn = TURNS.get(orientation)
    return (np.ascontiguousarray(turn(array)) if turn else array), orientation in (5, 6, 7, 8)


def _on_white(array: np.ndarray) -> np.ndarray:
    """uint16 [H,W,1..4] → without the alpha channel that 2 and 4 channels end with."""
    if array.ndim == 2 or array.shape[2] not in (2, 4):
        return array.reshape(*array.shape[:2], -1)
    alpha = array[:, :, -1:].astype(np.float32) / 65535
    return (array[:, :, :-1] * alpha + 65535 * (1 - alpha) + 0.5).astype(np.uint16)


def _decode_tiff(content: Content, limits: Limits) -> Decoded:
    """tifffile reads any depth and number of channels; palettes, transparency, CMYK and YCbCr of 8 bits, and fewer bits, are Pillow's.

    Beyond 8 bits an extra channel is never taken for transparency: satellite pictures call their infrared so. Several pages: the first.
    """
    from tifffile import PHOTOMETRIC, TiffFile

    with TiffFile(_file(content)) as file:
        page = file.pages.first
        plain = page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB) and all(int(kind) == 0 for kind in page.extrasamples)
        if page.bitspersample < 8 or (page.bitspersample == 8 and not plain):
            return _decode_common(content, limits)
        height, width, channels = page.imagelength, page.imagewidth, page.samplesperpixel
        if channels > MOST_CHANNELS:
            raise Unreadable(f"{channels} channels are more than {MOST_CHANNELS}")
        limits.check(height, width, channels * ((page.bitspersample + 7) // 8))
        orientation = int(page.tags.valueof(ORIENTATION, default=1))
        array = page.asarray(maxworkers=1)
        if page.photometric == PHOTOMETRIC.MINISWHITE and array.dtype.kind == "u":
            array = np.iinfo(array.dtype).max - array
    array, turned = _upright(as_picture(array), orientation)
    return array, f"TIFF {_mode(array)}", (width, height) if turned else (height, width)


def _decode_numpy(content: Content, limits: Limits) -> Decoded:
    file = _file(content)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, kind = read(file)
    if kind.hasobject or len(shape) not in (2, 3):
        raise Unreadable(f"no picture: an array {list(shape)} of {kind}")
    limits.check(shape[0], int(np.prod(shape[1:])), kind.itemsize)
    array = np.frombuffer(content, kind, int(np.prod(shape)), file.tell())
    array = as_picture(array.reshape(shape, order="F" if fortran else "C"))
    return array, f"NPY {_mode(array)}", array.shape[:2]


def _decode_dicom(content: Content, limits: Limits) -> Decoded:
    """Numbers in the modality's unit (rescale slope and intercept); dark is low (MONOCHROME1 is inverted). The windows that a file
    proposes (VOI) are not used: they differ from file to file. Raises Unreadable for several frames."""
    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    with pydicom.dcmread(_file(content), force=True) as file:
        frames = int(file.get("NumberOfFrames") or 1)
        if "PixelData" not in file or frames > 1:
            raise Unreadable(f"a DICOM file of {frames} frames" if frames > 1 else "a DICOM file without a picture")
        if "TransferSyntaxUID" not in file.file_meta:  # files without the preamble are not compressed
            file.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if file.original_encoding[0] else ExplicitVRLittleEndian
        limits.check(file.Rows, file.Columns, int(file.get("SamplesPerPixel", 1)) * (4 if file.BitsAllocated > 8 else 1))
        array, kind = file.pixel_array, file.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        array = apply_color_lut(array, file)
    elif kind == "MONOCHROME1":
        array = ~array if file.PixelRepresentation else ((1 << file.BitsStored) - 1 - array.astype(np.int64)).astype(array.dtype)
    slope, intercept = float(file.get("RescaleSlope", 1)), float(file.get("RescaleIntercept", 0))
    if array.dtype != np.uint8 or (slope, intercept) != (1, 0):
        array = array.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    array = as_picture(array)
    return array, f"DICOM {kind} {file.BitsStored} bit", array.shape[:2]


# -- arrays and their depth --------------------------------------------------------------------------------------------------------


def as_picture(array: np.ndarray) -> np.ndarray:
    """[H,W], [C,H,W] or [H,W,C] of any real numbers → [H,W,C]; bool becomes 0 and 255, half and double precision float32.

    The channels are the axis that is at most 8 long and shorter than the others. Raises Unreadable for anything else.
    """
    if array.dtype.kind not in "buif":
        raise Unreadable(f"no picture: an array of {array.dtype}")
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim == 3 and array.shape[0] < min(array.shape[1:]) and array.shape[0] <= MOST_CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] > MOST_CHANNELS or not array.size:
        raise Unreadable(f"no picture: an array of {' × '.join(map(str, array.shape))} values")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    elif array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def of_array(array: np.ndarray, container: str) -> Loaded:
    """A picture that lies as an array in a container. Raises Unreadable."""
    array = as_picture(array)
    Limits().check(*array.shape[:2], array.shape[2] * array.itemsize)
    return Loaded(array, f"{container} {_mode(array)}", *array.shape[:2], digest(memoryview(array).cast("B")))


def _mode(array: np.ndarray) -> str:
    """Depth and channels in words: "RGB", "4 × uint16"."""
    named = {1: "L", 3: "RGB"} if array.dtype == np.uint8 else {}
    return named.get(array.shape[2], f"{array.shape[2]} × {array.dtype}")


def as_grey(array: np.ndarray) -> np.ndarray:
    """[H,W,C] → [H,W,1] of the same depth: luma (ITU-R BT.601, as in JPEG) of three channels, the mean of any other number."""
    if array.shape[2] == 1:
        return array
    weights = np.array([0.299, 0.587, 0.114] if array.shape[2] == 3 else [1 / array.shape[2]] * array.shape[2], np.float32)
    grey = array.astype(np.float32) @ weights
    return (grey if array.dtype.kind == "f" else np.rint(grey).astype(array.dtype))[:, :, None]


def expose(array: np.ndarray, window: Sequence[str] = ()) -> np.ndarray:
    """[H,W,C] of any depth → uint8. Pictures of 8 bits stay as they are.

    window: "low high" of each channel become 0 and 255, what lies beyond is cut; a picture of more channels repeats the last entry.
    Without one, by the numbers of this picture: 16 bits are divided by 257; other whole numbers stay where all fit into 8 bits and are
    divided by 257 where all fit into 16; fractions 0..1 are taken times 255; of anything else the least and greatest become 0 and 255.
    """
    if array.dtype == np.uint8:
        return array
    if window:
        entries = [window[min(channel, len(window) - 1)].split() for channel in range(array.shape[2])]
        low, high = np.array(entries, np.float32).T
        return _scale(array, low, high)
    if array.dtype == np.uint16:
        return (array // 257).astype(np.uint8)
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if array.dtype.kind != "f" and low >= 0 and high <= 65535:
        return (array // (1 if high <= 255 else 257)).astype(np.uint8)
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return _scale(array, np.float32(low), np.float32(high))


def _scale(array: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    scaled = array.astype(np.float32)
    scaled -= low
    scaled *= 255 / np.maximum(high - low, np.float32(1e-9))
    np.clip(scaled, 0, 255, out=scaled)
    np.nan_to_num(scaled, copy=False)
    scaled += 0.5
    return scaled.astype(np.uint8)
