"""The text of a web page as a person sees it: a line for each block, without scripts and styles."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

UNSEEN = ("script", "style", "noscript", "template", "svg", "head")
_BLOCKS = """address article aside blockquote br dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6
    header hr li main nav ol p pre section table tr ul"""
BLOCKS = frozenset(_BLOCKS.split())


def page_text(html: str | LexborHTMLParser) -> str:
    body = (LexborHTMLParser(html) if isinstance(html, str) else html).body
    if body is None:
        return ""
    parts: list[str] = []
    for node in body.traverse(include_text=True):
        if node.tag == "-text":
            if not _is_unseen(node):
                parts.append(re.sub(r"\s+", " ", node.text_content or ""))
        elif node.tag in BLOCKS:
            parts.append("\n")
        elif node.tag in ("td", "th"):
            parts.append(" ")
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _is_unseen(node: LexborNode) -> bool:
    above = node.parent
    return above is not None and above.tag in UNSEEN
