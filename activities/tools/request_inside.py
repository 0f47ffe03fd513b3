"""Inside the sandbox: makes one HTTP request and writes down what came of it.

It stands alone and uses the standard library only, because its source is what the sandbox runs. It decides nothing and
need not be trusted: what may be reached is decided at the gate. `request.json` says what to ask for, and `body` what to
send; the answer's head goes into `answer.json`, its body into `answer.body`.
"""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

REFUSED = "X-Resprout-Refused"
CHUNK = 1 << 16
MOVED = (301, 302, 303, 307, 308)


class Failed(Exception):
    """Why there is no answer. Whether the other side got the request is known at the gate."""


class Stay(urllib.request.HTTPRedirectHandler):
    """Where to go next is decided below, not in the library."""

    def redirect_request(self, *about: Any) -> None:
        return None


def ask(wanted: dict[str, Any], body: bytes | None) -> tuple[dict[str, Any], bytes]:
    url, follows = wanted["url"], wanted["redirects"]
    until = time.monotonic() + wanted["seconds"]
    while True:
        with opened(url, wanted, body, until) as answer:
            status, moved = answer.status, answer.headers.get("Location")
            if status not in MOVED or moved is None or wanted["redirects"] == 0:
                return head(url, answer), read(answer, wanted["most"], until)
        target = urllib.parse.urljoin(url, moved)
        if place(target) != place(url):
            said = f"it leads on to {shown(target)}, which is another host or port: call again with that URL"
            raise Failed(said)
        if follows == 0:
            raise Failed(f"it leads on more than {wanted['redirects']} times; the last to {shown(target)}")
        url, follows = target, follows - 1


def opened(url: str, wanted: dict[str, Any], body: bytes | None, until: float) -> Any:
    opener = urllib.request.build_opener(Stay)
    request = urllib.request.Request(url, data=body, headers=wanted["headers"], method=wanted["method"])
    try:
        answer = opener.open(request, timeout=max(0.1, until - time.monotonic()))
    except urllib.error.HTTPError as error:
        answer = error  # which is an answer, too
    except urllib.error.URLError as error:
        is_late = isinstance(error.reason, TimeoutError)
        raise Failed("it did not answer in time" if is_late else said_by(error.reason)) from None
    except TimeoutError:
        raise Failed("it did not answer in time") from None
    except (http.client.HTTPException, ConnectionError) as error:
        raise Failed(f"the connection broke before an answer came ({type(error).__name__})") from None
    except (OSError, ValueError) as error:
        raise Failed(said_by(error)) from None
    refused = answer.headers.get(REFUSED)
    if refused is not None:
        raise Failed(refused)
    return answer


def read(answer: Any, most: int, until: float) -> bytes:
    """One byte more than `most`, where there is one: so that who reads it knows."""
    content = bytearray()
    try:
        while len(content) <= most:
            chunk = answer.read1(min(CHUNK, most + 1 - len(content)))
            if not chunk:
                break
            content += chunk
            if time.monotonic() > until:
                raise Failed(f"its answer did not come to an end in time; {len(content):,} bytes came")
    except (http.client.HTTPException, OSError) as error:
        raise Failed(f"the connection broke in the middle of its answer ({type(error).__name__})") from None
    return bytes(content)


def head(url: str, answer: Any) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return {"status": answer.status, "reason": answer.reason, "url": url, "headers": headers}


def place(url: str) -> tuple[str, str, int]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def said_by(reason: Any) -> str:
    """The gate's refusal of a tunnel comes as the text of an error."""
    text = str(getattr(reason, "strerror", None) or reason)
    _, is_tunnel, refused = text.partition("Tunnel connection failed: ")
    return (refused.partition(" ")[2] if is_tunnel else text).rstrip(".")


def shown(url: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in url[:300])


def main() -> None:
    wanted = json.loads(Path("request.json").read_text())
    body = Path("body")
    try:
        told, content = ask(wanted, body.read_bytes() if body.exists() else None)
    except Failed as error:
        told, content = {"failed": str(error)}, b""
    Path("answer.json").write_text(json.dumps(told))
    Path("answer.body").write_bytes(content)


if __name__ == "__main__":
    main()
