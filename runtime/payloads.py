"""How values become Temporal payloads: pydantic's JSON, with errors that a person can read.

The Temporal CLI and UI show a failed run's message; a traceback through a validator helps nobody there.
"""

from typing import Any

from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError

from ..actors.words import sentence


class ReadableJSON(PydanticJSONPlainPayloadConverter):
    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        try:
            return super().from_payload(payload, type_hint)
        except ValidationError as error:
            kinds = [type_hint] if isinstance(type_hint, type) and issubclass(type_hint, BaseModel) else []
            said = sentence(error, *kinds)
            raise ApplicationError(
                f"the input does not fit {error.title}: {said}", type="BadInput", non_retryable=True
            ) from None


class Payloads(CompositePayloadConverter):
    def __init__(self) -> None:
        json = ReadableJSON()
        others = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(*(json if c.encoding == json.encoding else c for c in others))


class ReadableFailures(DefaultFailureConverter):
    """Drops the stack trace of an error whose sentence says it all."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError) and exception.non_retryable:
            failure.stack_trace = ""


data_converter = DataConverter(payload_converter_class=Payloads, failure_converter_class=ReadableFailures)
