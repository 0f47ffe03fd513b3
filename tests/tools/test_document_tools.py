"""Documents, pictures and drawings: made by other libraries or by hand, and some that mean harm."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from PIL import Image
from resprout.activities.tools.builtin import image, papers, plot
from resprout.activities.tools.tool import BadArguments, Tool, ToolError
from support.tool_calls import Hands
from support.tool_calls import hands as bare_hands

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
ODF = 'xmlns:office="o" xmlns:text="t"'


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    return bare_hands(tmp_path)


def pdf(*pages: str, title: str = "A title") -> bytes:
    """By hand, with a table of where things lie."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, said in enumerate(pages):
        drawn = f"BT /F1 12 Tf 50 700 Td ({said}) Tj ET"
        font = "<< /Font << /F1 3 0 R >> >>"
        box = "/MediaBox [0 0 600 800]"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} /Resources {font} /Contents {5 + 2 * n} 0 R >>")
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    objects.append(f"<< /Title ({title}) /Author (Ada) >>")
    written, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(written))
        written += f"{number} 0 obj\n{one}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    tail = (
        f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\nstartxref\n{len(written)}\n%%EOF"
    )
    return written + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{tail}".encode()


def zipped(parts: dict[str, str | bytes]) -> bytes:
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return made.getvalue()


DOCX = zipped(
    {
        "word/document.xml": f"<w:document {W}><w:body><w:p><w:r><w:t>One</w:t></w:r><w:r><w:tab/><w:t>two</w:t></w:r>"
        "</w:p><w:p/><w:p><w:r><w:t>Three</w:t></w:r></w:p></w:body></w:document>",
        "docProps/core.xml": f"<c {DC}><dc:title>Report</dc:title><dc:creator>Ada</dc:creator></c>",
    }
)
ODT = zipped(
    {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": f"<office:document-content {ODF}><text:h>Head</text:h><text:p>One <text:span>two</text:span> "
        "three</text:p></office:document-content>",
        "meta.xml": f"<m {DC}><dc:title>Letter</dc:title></m>",
    }
)
EPUB = zipped(
    {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="in/book.opf"/></rootfiles></container>',
        "in/book.opf": f'<package {DC}><dc:title>Book</dc:title><manifest><item id="b" href="two.xhtml"/>'
        '<item id="a" href="on%65.xhtml"/></manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        "in/one.xhtml": "<html><body><h1>First</h1><p>Once</p></body></html>",
        "in/two.xhtml": "<html><body><p>Twice</p></body></html>",
    }
)


async def test_pages_of_a_pdf_are_read(hands: Hands) -> None:
    path = hands.put("a.pdf", pdf("First page", "Second page", "Third page"))

    assert await hands.use(papers.text, path=path) == {
        "kind": "pdf",
        "parts": 3,
        "text": "First page\n\nSecond page\n\nThird page",
        "is_cut": False,
    }
    assert (await hands.use(papers.text, path=path, first=2, last=2))["text"] == "Second page"
    assert (await hands.use(papers.text, path=path, most=5))["is_cut"]
    assert await hands.use(papers.metadata, path=path) == {
        "kind": "pdf",
        "parts": 3,
        "about": {"title": "A title", "author": "Ada"},
    }


@pytest.mark.parametrize(
    ("content", "kind", "said", "about"),
    [
        (DOCX, "docx", "One\ttwo\nThree", {"title": "Report", "creator": "Ada"}),
        (ODT, "odt", "Head\nOne two three", {"title": "Letter"}),
        (EPUB, "epub", "First\nOnce\n\nTwice", {"title": "Book"}),
    ],
    ids=["docx", "odt", "epub"],
)
async def test_other_documents_are_read(
    hands: Hands, content: bytes, kind: str, said: str, about: dict[str, str]
) -> None:
    path = hands.put("document", content)

    text = await hands.use(papers.text, path=path)
    metadata = await hands.use(papers.metadata, path=path)

    assert (text["kind"], text["text"]) == (kind, said)
    assert (metadata["kind"], metadata["about"]) == (kind, about)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"just text", "neither PDF, DOCX, ODT nor EPUB"),
        (b"%PDF-1.4\nnothing", "the PDF is damaged"),
        (DOCX[:200], "the document is damaged"),
        (zipped({"word/document.xml": b" " * (65 << 20)}), "unpacks to more than 64 MB"),
        (zipped({"word/document.xml": '<!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>'}), "declares entities"),
        (zipped({"word/document.xml": "<a"}), "is no XML"),
    ],
    ids=["text", "cut-pdf", "cut-zip", "bomb", "entities", "no-xml"],
)
@pytest.mark.parametrize("tool", [papers.text])
async def test_what_cannot_be_read_is_said(hands: Hands, tool: Tool, content: bytes, said: str) -> None:
    path = hands.put("document", content)

    with pytest.raises(ToolError, match=said):
        await hands.use(tool, path=path)


async def test_a_page_that_is_not_there_is_said(hands: Hands) -> None:
    with pytest.raises(ToolError, match="it has 1 pages, and 2 was asked for"):
        await hands.use(papers.text, path=hands.put("a.pdf", pdf("x")), first=2)
    with pytest.raises(ToolError, match="neither PDF"):
        await hands.use(papers.metadata, path=hands.put("b.txt", "text"))


def picture(width: int = 40, height: int = 20, mode: str = "RGBA", kind: str = "PNG") -> bytes:
    made = BytesIO()
    made_of = Image.new(mode, (width, height), (200, 10, 10, 0)[: len(mode)])
    exif = Image.Exif()
    exif[0x010F] = "Camera Inc"
    made_of.save(made, kind, exif=exif)
    return made.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


async def test_a_picture_is_described(hands: Hands) -> None:
    about = await hands.use(image.info, path=hands.put("a.png", picture()))

    assert (about["format"], about["width"], about["height"], about["frames"]) == ("PNG", 40, 20, 1)
    assert (about["has_transparency"], about["exif"]) == (True, {"Make": "Camera Inc"})


@pytest.mark.parametrize(
    ("fit", "size"), [("inside", (10, 5)), ("cover", (10, 10)), ("exact", (10, 10))], ids=lambda one: str(one)
)
async def test_a_picture_is_resized(hands: Hands, fit: str, size: tuple[int, int]) -> None:
    path = hands.put("a.png", picture())

    await hands.use(image.resize, path=path, to="small/a.webp", width=10, height=10, fit=fit)

    with Image.open(hands.workspace / "small/a.webp") as small:
        assert (small.size, small.format) == (size, "WEBP")


async def test_a_picture_is_converted_without_what_it_says_of_its_maker(hands: Hands) -> None:
    path = hands.put("a.png", picture())

    about = await hands.use(image.convert, path=path, to="a.jpg")
    grey = await hands.use(image.convert, path=path, to="a.bmp", grey=True)

    with Image.open(hands.workspace / "a.jpg") as converted:
        assert converted.getpixel((1, 1)) == (255, 255, 255)  # it was transparent
        assert not converted.getexif()
    assert (about["format"], about["mode"], grey["mode"]) == ("JPEG", "RGB", "L")


async def test_a_picture_is_cut(hands: Hands) -> None:
    path = hands.put("a.png", picture())

    about = await hands.use(image.crop, path=path, to="b.png", left=5, top=5, width=10, height=10)

    assert (about["width"], about["height"]) == (10, 10)
    with pytest.raises(BadArguments, match="which has 40 × 20 pixels"):
        await hands.use(image.crop, path=path, to="c.png", left=35, top=0, width=10, height=10)


@pytest.mark.parametrize("tool", [image.info, image.convert, image.resize, image.crop], ids=lambda one: one.name)
async def test_what_is_no_honest_picture_is_refused(hands: Hands, tool: Tool) -> None:
    more = {"to": "b.png", "width": 1, "height": 1, "left": 0, "top": 0}
    given = {name: value for name, value in more.items() if name in tool.arguments.model_fields}

    for content, said in [
        (b"GIF?", "is no picture that is read here"),
        (png_that_claims(30_000, 30_000), "is no picture|pixels; 40,000,000 are read"),
        (png_that_claims(10_000, 5_000), "pixels; 40,000,000 are read"),
    ]:
        with pytest.raises(ToolError, match=said):
            await hands.use(tool, path=hands.put("x.png", content), **given)
    if tool is not image.info:
        with pytest.raises(ToolError, match="is damaged"):
            await hands.use(tool, path=hands.put("x.png", png_that_claims(100, 100)), **given)
        with pytest.raises(BadArguments, match="not written over itself"):
            await hands.use(tool, path=hands.put("x.png", picture()), **{**given, "to": "./x.png"})
        with pytest.raises(BadArguments, match="names no format"):
            await hands.use(tool, path=hands.put("x.png", picture()), **{**given, "to": "x.exe"})


DRAWN = [
    (plot.line, {"series": {"a <b>": [1, None, 3]}, "labels": ["x", "y", "z"], "title": "T & U"}, 3),
    (plot.bar, {"series": {"a": [1, 2], "b": [3, 4]}, "stacked": True}, 4),
    (plot.pie, {"shares": {"a": 1, "b": 2.5}, "hole": 0.5}, 2),
    (plot.scatter, {"series": {"a": [[0, 1], [2, 3]]}}, 2),
]


@pytest.mark.parametrize(("tool", "given", "points"), DRAWN, ids=lambda one: one.name if isinstance(one, Tool) else "")
async def test_a_drawing_refers_to_nothing_outside(
    hands: Hands, tool: Tool, given: dict[str, object], points: int
) -> None:
    about = await hands.use(tool, path="out/a.svg", **given)

    drawing = (hands.workspace / "out/a.svg").read_text()
    root = ElementTree.fromstring(drawing)
    assert about["points"] == points
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert all("src" not in key and "href" not in key for one in root.iter() for key in one.attrib)
    assert "@import" not in drawing
    with pytest.raises(BadArguments, match=r"does not end in \.svg"):
        await hands.use(tool, path="a.png", **given)


async def test_what_cannot_be_drawn_is_refused(hands: Hands) -> None:
    with pytest.raises(BadArguments, match="greater than or equal to 0"):
        await hands.use(plot.pie, path="a.svg", shares={"a": -1})
    with pytest.raises(BadArguments, match="50,001 points are too many"):
        await hands.use(plot.scatter, path="a.svg", series={"a": [[1, 1]] * 50_001})


async def test_labels_are_for_all_points_or_none(hands: Hands) -> None:
    with pytest.raises(BadArguments, match="there are 1 labels and 2 points"):
        await hands.use(plot.line, path="a.svg", series={"a": [1, 2]}, labels=["x"])
    with pytest.raises(BadArguments, match="finite"):
        await hands.use(plot.bar, path="a.svg", series={"a": [float("nan")]})
