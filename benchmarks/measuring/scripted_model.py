"""A server that speaks OpenAI's chat completions and says at once what the name of the model tells it.

`pages-100` calls `bench.page` a hundred times, one after the other, and then answers; `counts-20` calls `text.count`;
`volume-14` asks for so many long pages, half of them in each of two moves. How far a turn is, is counted in the request
itself, so a request that comes twice is answered alike. Requests are not parsed: of a conversation of megabytes, that
would be what is measured.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PAGE = 5_000  # characters
LONG_PAGE = 60_000
BYTES_PER_TOKEN = 4
WINDOW = 4_000_000  # tokens

NAME = re.compile(rb'"model": ?"([^"]+)"')
ROLE = re.compile(rb'"role": ?"(assistant|user)"')  # in a text, quotation marks are escaped

PRICES = """
["bench/{name}"]
input = 0
output = 0
window = {window}
dated = 2026-01-01
source = "this benchmark"
"""

Use = tuple[str, dict[str, Any]]


class ScriptedModel:
    def __init__(self, port: int, prices: Path) -> None:
        self.asked: Counter[str] = Counter()  # by the name of the model
        self.environment = {  # of a stack that asks it
            "RESPROUT_MODELS_PROVIDERS_BENCH_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "RESPROUT_MODELS_PRICES": str(prices),
        }

    def answer(self, body: bytes) -> bytes:
        named = NAME.search(body)
        assert named is not None, body[:200]
        name = named[1].decode()
        self.asked[name] += 1
        roles = ROLE.findall(body)
        said_now = roles[::-1].index(b"user") if b"user" in roles else 0
        spoken = roles.count(b"assistant")
        return b"".join(_events(name, _uses(name, said_now), spoken, len(body) // BYTES_PER_TOKEN))


@contextmanager
def scripted_model(names: Sequence[str]) -> Iterator[ScriptedModel]:
    """Known by these names, with a window that holds everything."""

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            said = model.answer(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Standard error is for what goes wrong."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server, TemporaryDirectory() as directory:
        prices = Path(directory) / "prices.toml"
        prices.write_text("".join(PRICES.format(name=name, window=WINDOW) for name in names))
        server.daemon_threads = True
        model = ScriptedModel(server.server_port, prices)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield model
        server.shutdown()


def _uses(name: str, said: int) -> list[Use]:
    """What it asks for next, having spoken so often in this turn; nothing: it answers."""
    word, _, count = name.partition("-")
    number = int(count)
    match word:
        case "pages" if said < number:
            return [("bench__page", {"number": said, "characters": PAGE})]
        case "counts" if said < number:
            return [("text__count", {"text": f"the words of call {said}"})]
        case "volume" if said < 2:
            half = range(said * number // 2, (said + 1) * number // 2)
            return [("bench__page", {"number": n, "characters": LONG_PAGE}) for n in half]
        case _:
            return []


def _events(name: str, uses: list[Use], spoken: int, tokens: int) -> Iterator[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_750_000_000, "model": name}

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _line({**head, "choices": [choice]})

    for index, (tool, arguments) in enumerate(uses):
        function = {"name": tool, "arguments": json.dumps(arguments)}
        called = {"index": index, "id": f"call_{spoken}_{index}", "type": "function", "function": function}
        yield event({"role": "assistant", "tool_calls": [called]})
    if not uses:
        yield event({"role": "assistant", "content": "It is done."})
    yield event({}, "tool_calls" if uses else "stop")
    usage = {"prompt_tokens": tokens, "completion_tokens": 20, "total_tokens": tokens + 20}
    yield _line({**head, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _line(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
