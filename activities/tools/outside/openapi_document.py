"""Reads an OpenAPI document: JSON or YAML, 3.0 or 3.1, within bounds; nothing that it refers to is fetched.

The invariant: what comes out is plain JSON, as deep and as large as the text allows and no more. So an alias of YAML is
refused, by which a short text means a large document.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent

from ....actors.errors import Rejected

LARGEST_DOCUMENT = 20_000_000  # characters
MOST_STEPS = 20  # from one reference to the next

Json = dict[str, Any]


class BadDocument(Rejected):
    """It is no OpenAPI document that can be imported."""


@dataclass(frozen=True)
class Document:
    content: Json
    what: str  # for sentences

    @property
    def is_3_0(self) -> bool:
        return str(self.content["openapi"]).startswith("3.0")

    def resolved(self, given: Any) -> Json:
        """What a reference leads to, and itself what is none. Raises BadDocument."""
        for _ in range(MOST_STEPS):
            if not isinstance(given, dict):
                return {}
            target = given.get("$ref")
            if not isinstance(target, str):
                return given
            given = self.at(target)
        raise BadDocument(f"{self.what}: references lead from one to the next more than {MOST_STEPS} times.")

    def at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise BadDocument(
                f"{self.what} refers to {reference[:200]!r}, which is elsewhere, and nothing is fetched: bundle it "
                "into one document."
            )
        found: Any = self.content
        for part in reference[2:].split("/"):
            word = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and word.isdecimal() and int(word) < len(found):
                found = found[int(word)]
            elif isinstance(found, dict) and word in found:
                found = found[word]
            else:
                raise BadDocument(f"{self.what} refers to {reference[:200]!r}, which is not in it.")
        return found


def read_document(text: str, what: str) -> Document:
    if len(text) > LARGEST_DOCUMENT:
        raise BadDocument(f"{what} has {len(text):,} characters, and {LARGEST_DOCUMENT:,} are the most.")
    content = _parsed(text, what)
    if not isinstance(content, dict):
        raise BadDocument(f"{what} is no OpenAPI document: it has no `openapi` at its top.")
    if "swagger" in content:
        raise BadDocument(f"{what} is of version {content['swagger']}: convert it to OpenAPI 3 first.")
    version = str(content.get("openapi", ""))
    if not re.fullmatch(r"3\.[01](\.\d+)?", version):
        raise BadDocument(f"{what} says `openapi: {version[:20]}`, and versions 3.0 and 3.1 can be read.")
    if not isinstance(content.get("paths"), dict):
        raise BadDocument(f"{what} has no `paths`: there is nothing to call.")
    return Document(content, what)


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text) if text.lstrip()[:1] == "{" else _plain(_loader().load(text))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise BadDocument(f"{what}{where}: this is not YAML: {problem}.") from None
    except ValueError as error:
        raise BadDocument(f"{what} is not JSON: {error}.") from None
    except RecursionError:
        raise BadDocument(f"{what} is nested too deeply.") from None


def _plain(value: Any) -> Any:
    """What YAML alone has (dates, numbers as names) as JSON has it."""
    return json.loads(json.dumps(value, default=str))


class Unshared(Composer):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.parser.check_event(AliasEvent):
            raise ValueError("an alias (`*name`), which is not read here: write it out")
        return super().compose_node(parent, index)


def _loader() -> YAML:
    loader = YAML(typ="safe", pure=True)
    loader.Composer = Unshared
    return loader
