"""Tools that read documents: `document.text` and `document.metadata`, for PDF, DOCX, ODT and EPUB."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field

from .. import documents
from ..apart import SECONDS, apart
from ..manifest import Permission
from ..place import FilePath, reads
from ..tool import ToolCall, tool
from ..workspace import Workspace

TIME = timedelta(seconds=SECONDS + 10)


class DocumentText(BaseModel):
    kind: str = Field(description="pdf, docx, odt or epub")
    parts: int = Field(description="pages of a PDF, chapters of a book; else 1")
    text: str
    is_cut: bool


class DocumentMetadata(BaseModel):
    kind: str
    parts: int
    about: dict[str, str] = Field(description="what the document says of itself: title, author or creator, dates")


def _reads(arguments: Any) -> tuple[Permission, ...]:
    return (reads(arguments.path),)


@tool(
    "document.text",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=_reads,
    timeout=TIME,
    tags=("pdf", "docx", "odt", "epub", "word", "extract"),
)
async def text(
    call: ToolCall,
    path: FilePath,
    first: Annotated[int, Field(description="Page or chapter to begin with, from 1.", ge=1)] = 1,
    last: Annotated[int | None, Field(description="Page or chapter to end with.", ge=1)] = None,
    most: Annotated[int, Field(description="Characters that are given at most.", ge=1, le=500_000)] = 100_000,
) -> DocumentText:
    """Gives the text of a PDF, Word, OpenDocument or EPUB file, all of it or some pages. Scanned pages have none."""
    content = Workspace(call.workspace).read(path)
    return DocumentText.model_validate(await apart(documents.text, content, first, last, most))


@tool(
    "document.metadata",
    version="1.0.0",
    contract="safe-to-retry",
    permissions=("files.read",),
    needs=_reads,
    timeout=TIME,
    tags=("pdf", "docx", "odt", "epub", "title", "author"),
)
async def metadata(call: ToolCall, path: FilePath) -> DocumentMetadata:
    """Gives what a PDF, Word, OpenDocument or EPUB file says of itself: title, author, dates, number of pages."""
    content = Workspace(call.workspace).read(path)
    return DocumentMetadata.model_validate(await apart(documents.metadata, content))


TOOLS = (text, metadata)
