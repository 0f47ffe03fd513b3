"""Text and metadata of documents for people: PDF, DOCX, ODT, EPUB.

A document is hostile until it is read: what it unpacks to is bounded, and entities in its XML are refused.
"""

import posixpath
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError
from zipfile import BadZipFile, ZipFile

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from .page_text import page_text
from .process import Refused

MOST_UNPACKED = 64 << 20  # bytes of one part
MOST_PARTS = 1_000  # of a book
DOCX = "word/document.xml"
ODT = "application/vnd.oasis.opendocument.text"
EPUB = "application/epub+zip"
_DUBLIN = ("title", "creator", "subject", "description", "language", "publisher", "date", "created", "modified")


def kind_of(content: bytes) -> str:
    """pdf, docx, odt or epub, by what is in it."""
    if b"%PDF-" in content[:1024]:
        return "pdf"
    if content[:2] == b"PK":
        with _unzipped(content) as parts:
            if DOCX in parts.namelist():
                return "docx"
            said = _part(parts, "mimetype").decode(errors="replace").strip() if "mimetype" in parts.namelist() else ""
            if said in (ODT, EPUB):
                return {ODT: "odt", EPUB: "epub"}[said]
    raise Refused("it is neither PDF, DOCX, ODT nor EPUB: read it with files.read, or convert it first.")


def text(encoded: str, first: int, last: int | None, most: int) -> dict[str, Any]:
    """Of a file in base64. `first` and `last` are pages of a PDF or chapters of a book, from 1."""
    content = b64decode(encoded)
    kind = kind_of(content)
    parts, of = (
        _pdf_pages(content, first, last, most) if kind == "pdf" else _zip_parts(content, kind, first, last, most)
    )
    joined = "\n\n".join(parts).strip()
    return {"kind": kind, "parts": of, "text": joined[:most], "is_cut": len(joined) > most}


def metadata(encoded: str) -> dict[str, Any]:
    content = b64decode(encoded)
    kind = kind_of(content)
    if kind == "pdf":
        return _pdf_metadata(content)
    with _unzipped(content) as parts:
        if kind == "epub":
            package, _ = _package(parts)
            return {"kind": kind, "parts": len(_chapters(parts)), "about": _dublin(package)}
        name = {"docx": "docProps/core.xml", "odt": "meta.xml"}[kind]
        about = _dublin(_xml(parts, name)) if name in parts.namelist() else {}
        return {"kind": kind, "parts": 1, "about": about}


def _pdf_pages(content: bytes, first: int, last: int | None, most: int) -> tuple[list[str], int]:
    found: list[str] = []
    with _pdf(content) as reader:
        of = len(reader.pages)
        _expect_part(first, of, "pages")
        for number in range(first, min(last or of, of) + 1):
            found.append(reader.pages[number - 1].extract_text())
            if sum(map(len, found)) > most:
                break
    return found, of


def _pdf_metadata(content: bytes) -> dict[str, Any]:
    with _pdf(content) as reader:
        about = {str(name).lstrip("/").lower(): str(value)[:2_000] for name, value in (reader.metadata or {}).items()}
        return {"kind": "pdf", "parts": len(reader.pages), "about": about}


@contextmanager
def _pdf(content: bytes) -> Iterator[Any]:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("the PDF is encrypted with a password: give one that is not.")
        yield reader
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, NotImplementedError) as error:
        raise Refused(f"the PDF is damaged: {str(error).rstrip('.') or type(error).__name__}.") from None


def _zip_parts(content: bytes, kind: str, first: int, last: int | None, most: int) -> tuple[list[str], int]:
    with _unzipped(content) as parts:
        if kind == "docx":
            return [_paragraphs(_xml(parts, DOCX))], 1
        if kind == "odt":
            return [_paragraphs(_xml(parts, "content.xml"))], 1
        chapters = _chapters(parts)
        _expect_part(first, len(chapters), "chapters")
        found: list[str] = []
        for name in chapters[first - 1 : last]:
            found.append(page_text(_part(parts, name).decode(errors="replace")))
            if sum(map(len, found)) > most:
                break
        return found, len(chapters)


def _expect_part(first: int, of: int, what: str) -> None:
    if first > of:
        raise Refused(f"it has {of:,} {what}, and {first:,} was asked for: begin earlier.")


def _paragraphs(root: Element) -> str:
    """Word and OpenDocument call them alike: `p`, and `h` for a heading; `t` and all other text is in them."""
    lines = ["".join(_inline(one)) for one in root.iter() if _name(one) in ("p", "h")]
    return "\n".join(line for line in lines if line.strip())


def _inline(paragraph: Element) -> Iterator[str]:
    for one in paragraph.iter():
        name = _name(one)
        if name in ("br", "cr", "line-break"):
            yield "\n"
        elif name == "tab":
            yield "\t"
        elif name in ("t", "p", "h", "span", "a"):
            yield one.text or ""
        elif name == "s":
            yield " "
        if one is not paragraph and name not in ("p", "h") and one.tail and one.tail.strip():
            yield one.tail


def _package(parts: ZipFile) -> tuple[Element, str]:
    """The package document of a book, and the folder that its paths begin in."""
    container = _xml(parts, "META-INF/container.xml")
    path = next((one.get("full-path", "") for one in container.iter() if _name(one) == "rootfile"), "")
    return _xml(parts, path), posixpath.dirname(path)


def _chapters(parts: ZipFile) -> list[str]:
    package, folder = _package(parts)
    items = {one.get("id"): one.get("href", "") for one in package.iter() if _name(one) == "item"}
    order = [one.get("idref") for one in package.iter() if _name(one) == "itemref"]
    paths = [posixpath.normpath(posixpath.join(folder, unquote(items.get(one, "")))) for one in order]
    known = set(parts.namelist())
    return [path for path in paths if path in known][:MOST_PARTS]


def _dublin(root: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in root.iter():
        if _name(one) in _DUBLIN and one.text and one.text.strip():
            found.setdefault(_name(one), one.text.strip()[:2_000])
    return found


@contextmanager
def _unzipped(content: bytes) -> Iterator[ZipFile]:
    try:
        with ZipFile(BytesIO(content)) as parts:
            yield parts
    except (BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Refused(f"the document is damaged: {str(error).rstrip('.')}.") from None


def _part(parts: ZipFile, name: str) -> bytes:
    with parts.open(name) as opened:
        content = opened.read(MOST_UNPACKED + 1)
    if len(content) > MOST_UNPACKED:
        raise Refused(f"`{name}` in the document unpacks to more than {MOST_UNPACKED >> 20} MB.")
    return content


def _xml(parts: ZipFile, name: str) -> Element:
    try:
        root: Element = fromstring(_part(parts, name))
    except DefusedXmlException:
        raise Refused("the document declares entities in its XML, which is refused.") from None
    except (ParseError, ValueError, LookupError) as error:
        raise Refused(f"`{name}` in the document is no XML: {error}.") from None
    return root


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
