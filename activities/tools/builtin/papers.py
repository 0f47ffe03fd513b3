"""Tools that read documents: `document.text` and `document.metadata`, for PDF, DOCX, ODT and EPUB."""

from base64 import b64encode
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from ..bounded import papers
from ..place import FilePath, reads_path
from ..tool import ToolCall, tool
from ..workspace import Workspace
from .bounds import run_bounded

SECONDS = 20  # of processor time
MEMORY = 1 << 30
TIME = timedelta(minutes=4)


class DocumentText(BaseModel):
    kind: str = Field(description="pdf, docx, odt or epub")
    parts: int = Field(description="pages of a PDF, chapters of a book; else 1")
    text: str
    is_cut: bool


class DocumentMetadata(BaseModel):
    kind: str
    parts: int
    about: dict[str, str] = Field(description="what the document says of itself: title, author or creator, dates")


@tool(
    "document.text",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=reads_path,
    timeout=TIME,
    tags=("bounded", "pdf", "docx", "odt", "epub", "word", "extract"),
)
def text(
    call: ToolCall,
    path: FilePath,
    first: Annotated[int, Field(description="Page or chapter to begin with, from 1.", ge=1)] = 1,
    last: Annotated[int | None, Field(description="Page or chapter to end with.", ge=1)] = None,
    most: Annotated[int, Field(description="Characters that are given at most.", ge=1, le=500_000)] = 100_000,
) -> DocumentText:
    """Gives the text of a PDF, Word, OpenDocument or EPUB file, all of it or some pages. Scanned pages have none."""
    found = run_bounded(papers.text, _content(call, path), first, last, most, seconds=SECONDS, memory=MEMORY)
    return DocumentText.model_validate(found)


@tool(
    "document.metadata",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=reads_path,
    timeout=TIME,
    tags=("bounded", "pdf", "docx", "odt", "epub", "title", "author"),
)
def metadata(call: ToolCall, path: FilePath) -> DocumentMetadata:
    """Gives what a PDF, Word, OpenDocument or EPUB file says of itself: title, author, dates, number of pages."""
    found = run_bounded(papers.metadata, _content(call, path), seconds=SECONDS, memory=MEMORY)
    return DocumentMetadata.model_validate(found)


def _content(call: ToolCall, path: str) -> str:
    return b64encode(Workspace(call.workspace).read(path)).decode()


TOOLS = (text, metadata)
