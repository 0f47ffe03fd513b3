"""Tools that work on images: `image.info`, `image.resize`, `image.convert`, `image.crop`.

A picture is refused by its size before it is unpacked, and only formats that are listed here are opened or written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from typing import Annotated, Any, Literal

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from pydantic import BaseModel, Field

from ..manifest import Permission
from ..place import FilePath, place, reads, reads_path, writes
from ..tool import BadArguments, ToolCall, ToolError, tool
from ..workspace import Workspace

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
ENDINGS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "gif": "GIF", "webp": "WEBP", "bmp": "BMP", "tiff": "TIFF"}
MOST_PIXELS = 40_000_000
EXIF_SHOWN = ("Make", "Model", "DateTime", "Orientation", "Software", "Artist", "Copyright", "ImageDescription")

Target = Annotated[
    str, Field(description="File to write, whose ending names the format: png, jpg, gif, webp, bmp, tiff.")
]
Side = Annotated[int, Field(description="Pixels.", ge=1, le=10_000)]
Offset = Annotated[int, Field(description="Pixels from the left or the top.", ge=0, le=100_000)]
Quality = Annotated[int, Field(description="Of JPEG and WebP.", ge=1, le=100)]


class Picture(BaseModel):
    path: str
    format: str
    width: int
    height: int
    mode: str = Field(description="as in RGB, RGBA, L")
    size: int = Field(description="bytes of the file")


class PictureInfo(Picture):
    frames: int
    has_transparency: bool
    exif: dict[str, str]


def _reads_and_writes(arguments: Any) -> tuple[Permission, ...]:
    return reads(arguments.path), writes(arguments.to)


_changes = partial(
    tool,
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read", "files.write"),
    needs=_reads_and_writes,
    danger="low",
)


@tool(
    "image.info",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=reads_path,
    tags=("picture", "exif"),
)
def info(call: ToolCall, path: FilePath) -> PictureInfo:
    """Gives format, size in pixels, frames and EXIF data of a picture."""
    with _opened(call, path) as (image, size):
        named = {ExifTags.TAGS.get(tag, ""): value for tag, value in image.getexif().items()}
        return PictureInfo(
            path=path,
            format=image.format or "",
            width=image.width,
            height=image.height,
            mode=image.mode,
            size=size,
            frames=getattr(image, "n_frames", 1),
            has_transparency=image.has_transparency_data,
            exif={name: str(named[name])[:500] for name in EXIF_SHOWN if name in named},
        )


@_changes("image.resize", tags=("picture", "thumbnail", "scale"))
def resize(
    call: ToolCall,
    path: FilePath,
    to: Target,
    width: Side,
    height: Side,
    fit: Annotated[
        Literal["inside", "cover", "exact"],
        Field(description="`inside`: all of it, within the size. `cover`: fill the size, cut. `exact`: distort."),
    ] = "inside",
    quality: Quality = 85,
) -> Picture:
    """Writes a picture in another size."""
    with _opened(call, path) as (image, _):
        upright = ImageOps.exif_transpose(image)
        match fit:
            case "inside":
                scaled = ImageOps.contain(upright, (width, height))
            case "cover":
                scaled = ImageOps.fit(upright, (width, height))
            case "exact":
                scaled = upright.resize((width, height))
        return _written(call, scaled, path, to, quality)


@_changes("image.convert", tags=("picture", "format", "grey"))
def convert(
    call: ToolCall,
    path: FilePath,
    to: Target,
    grey: Annotated[bool, Field(description="Without colours.")] = False,
    quality: Quality = 85,
) -> Picture:
    """Writes a picture in another format, without what it says of camera and place."""
    with _opened(call, path) as (image, _):
        upright = ImageOps.exif_transpose(image)
        return _written(call, upright.convert("L") if grey else upright, path, to, quality)


@_changes("image.crop", tags=("picture", "cut"))
def crop(
    call: ToolCall,
    path: FilePath,
    to: Target,
    left: Offset,
    top: Offset,
    width: Side,
    height: Side,
    quality: Quality = 85,
) -> Picture:
    """Writes a rectangle of a picture."""
    with _opened(call, path) as (image, _):
        upright = ImageOps.exif_transpose(image)
        if left + width > upright.width or top + height > upright.height:
            raise BadArguments(
                f"the rectangle leaves the picture, which has {upright.width} × {upright.height} pixels."
            )
        return _written(call, upright.crop((left, top, left + width, top + height)), path, to, quality)


@contextmanager
def _opened(call: ToolCall, path: str) -> Iterator[tuple[Image.Image, int]]:
    content = Workspace(call.workspace).read(path)
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ToolError(f"`{path}` has {image.width:,} × {image.height:,} pixels; {MOST_PIXELS:,} are read.")
            yield image, len(content)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise ToolError(f"`{path}` is no picture that is read here: give {', '.join(FORMATS)}.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ToolError(f"`{path}` is damaged: {str(error).rstrip('.')}.") from None


def _written(call: ToolCall, image: Image.Image, path: str, to: str, quality: int) -> Picture:
    if place(to) == place(path):
        raise BadArguments("a picture is not written over itself: give another `to`.")
    target = ENDINGS.get(to.rpartition(".")[2].lower())
    if target is None:
        raise BadArguments(f"`{to}` names no format: let it end in {', '.join(ENDINGS)}.")
    if target in ("JPEG", "BMP"):
        image = _opaque(image)
    image.info.clear()  # where it was taken, and by what
    written = BytesIO()
    options = {"quality": quality} if target in ("JPEG", "WEBP") else {}
    image.save(written, target, **options)
    Workspace(call.workspace).write(to, written.getvalue())
    return Picture(path=to, format=target, width=image.width, height=image.height, mode=image.mode, size=written.tell())


def _opaque(image: Image.Image) -> Image.Image:
    """On white, for formats that know no transparency."""
    if not image.has_transparency_data:
        return image if image.mode in ("L", "RGB") else image.convert("RGB")
    seen = image.convert("RGBA")
    under = Image.new("RGB", image.size, "white")
    under.paste(seen, mask=seen.getchannel("A"))
    return under


TOOLS = (info, resize, convert, crop)
