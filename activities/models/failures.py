"""What can go wrong in a call, in sentences: which provider and model, what happened, what helps.

Both families of providers say the same with different words; what a status means is decided here, once.
"""

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx2

from ...actors.errors import ConfigError, ResproutError
from ...actors.models import (
    BadKey,
    BadPrompt,
    ModelBusy,
    ModelFailed,
    ModelLost,
    ModelRequest,
    PromptTooLong,
    UnknownModel,
)
from .provider import Provider, own_name
from .wording import codes, quoted

NOTHING_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)

_TOO_LONG = re.compile(
    r"prompt is too long|context[ _](length|window|size)|maximum context|exceeds? .{0,40}context|"
    r"too many (input )?tokens",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(r"\bmodel\b", re.IGNORECASE)
_NO_MONEY = re.compile(r"credit balance|insufficient[ _](credit|balance|funds)", re.IGNORECASE)
_BUSY = frozenset({"rate_limit_exceeded", "rate_limit_error", "overloaded_error", "overloaded", "slow_down"})
_KEY = frozenset({"authentication_error", "permission_error", "invalid_api_key", "billing_error", "insufficient_quota"})
_PROMPT = frozenset({"invalid_request_error", "invalid_prompt", "not_found_error", "request_too_large"})


@dataclass(frozen=True)
class Said:
    """What a provider said instead of an answer. `status` is none where it had already begun to answer."""

    status: int | None
    code: str = ""
    type: str = ""
    param: str = ""
    message: object = None
    retry_after: timedelta | None = None

    @property
    def words(self) -> str:
        return codes(str(self.status or ""), self.code, self.type, self.param) or "an error"

    def has(self, known: frozenset[str]) -> bool:
        return not known.isdisjoint((self.code, self.type))

    def says(self, pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(part) for part in (self.code, self.type, str(self.message or "")))


@dataclass(frozen=True)
class Failures:
    """Of one call."""

    provider: Provider
    request: ModelRequest

    @property
    def whom(self) -> str:
        return f"{self.provider.name}/{own_name(self.request.model)}"

    def told(self, said: Said) -> ResproutError:
        """What the provider said is for the key, the prompt, the hour, or nobody to mend."""
        for is_so, failure in (
            (_is_of_key, self._bad_key),
            (_is_busy, self._busy),
            (_is_of_prompt, self._bad_prompt),
        ):
            if is_so(said):
                return failure(said)
        if said.status in (408, 504):
            return ModelLost(f"{self.whom} took too long for its own gateway ({said.words}): ask again.")
        return ModelFailed(f"{self.whom} failed ({said.words}): ask again, or name another model to fall back on.")

    def timed_out(self) -> ResproutError:
        return ModelLost(
            f"{self.whom} did not end its answer within {self.request.timeout_seconds:g} s: "
            "ask again, with a longer `timeout_seconds` if it needs one. It may have been charged."
        )

    def broken(self, error: BaseException | None) -> ResproutError:
        """The connection. Whether anything was sent is the question."""
        if isinstance(error, NOTHING_SENT):
            if (tls := _tls(error)) is not None:
                return ConfigError(
                    f"{self.whom} at {self.provider.host} and we do not agree on TLS ({tls}): "
                    "look at `base_url` of the provider, and at the certificate there."
                )
            return ModelBusy(f"{self.whom} cannot be reached at {self.provider.host}: look whether it runs there.")
        return self.cut()

    def cut(self) -> ResproutError:
        return ModelLost(f"the answer of {self.whom} broke off before its end: ask again. It may have been charged.")

    def garbled(self) -> ResproutError:
        return ModelFailed(
            f"{self.whom} said what is not of its protocol: look at `base_url` and `protocol` of the provider."
        )

    def _bad_key(self, said: Said) -> ResproutError:
        # Not in the provider's words: some show parts of the key.
        name, remedy = self.provider.name, self.provider.remedy
        if self.provider.key is None and said.status in (401, 403):
            return BadKey(f"{name} wants a key, and none is set ({said.words}): {remedy}.")
        return BadKey(f"{name} refused its key, or what the key may do ({said.words}): {remedy}.")

    def _busy(self, said: Said) -> ResproutError:
        when = f"in {said.retry_after.total_seconds():.3g} s" if said.retry_after is not None else "later"
        return ModelBusy(f"{self.whom} has no room for us now ({said.words}): ask again {when}.", said.retry_after)

    def _bad_prompt(self, said: Said) -> ResproutError:
        quote = quoted(said.message, self.request, self.provider.key)
        if said.status == 413 or said.says(_TOO_LONG):
            return PromptTooLong(
                f"the conversation does not fit into the window of {self.whom}: "
                "shorten it, or name a model with a larger one."
            )
        if said.status == 404 and said.says(_NO_MODEL):
            return UnknownModel(f"{self.provider.name} has no model {own_name(self.request.model)!r}: name one it has.")
        if said.status == 404:
            return BadPrompt(f"{self.provider.host} has nothing where {self.whom} should be: look at `base_url`.")
        return BadPrompt(f"{self.whom} refused what it was asked ({said.words}){quote}: ask for something else.")


def _tls(error: BaseException | None) -> str | None:
    """Why there is no trust, or no TLS, where the connection failed for that. Who only hangs up may be back soon."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    match error:
        case None | ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return None
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case _:
            return (error.reason or "an error").lower().replace("_", " ")


def _is_of_key(said: Said) -> bool:
    if said.status in (401, 402, 403) or said.has(_KEY):
        return True
    return said.status == 400 and said.says(_NO_MONEY)


def _is_busy(said: Said) -> bool:
    return said.status in (429, 503, 529) or said.has(_BUSY)


def _is_of_prompt(said: Said) -> bool:
    if said.status is None:
        return said.has(_PROMPT) or said.says(_TOO_LONG)
    return 400 <= said.status < 500 and said.status != 408


Translate = Callable[[Exception, Failures], ResproutError | None]
