"""Errors of activities as Temporal may keep them: without the values of secrets that this process has seen.

A tool's own errors are hidden where they are caught; this is for those that pass through: what is tried again, defects,
and their causes, which Temporal writes into the history too.
"""

import traceback
from typing import Any

from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from ..activities.secrets import Veil
from .secrets import SEEN


class VeiledErrors(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - theirs
        return _Veiled(next)


class _Veiled(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - its name in the SDK
        try:
            return await self.next.execute_activity(input)
        except Exception as error:
            if not _shows(error, SEEN.veil):
                raise
            raise veiled(error, SEEN.veil) from None


def _shows(error: Exception, veil: Veil) -> bool:
    """It, or one of its causes."""
    if not veil:
        return False
    told = "".join(traceback.format_exception(error))
    return veil.hide(told) != told


def veiled(error: Exception, veil: Veil) -> FailureError:
    """Tried again, or not, as the error itself would be."""
    if not isinstance(error, ApplicationError):
        return ApplicationError(veil.hide(str(error)), type=type(error).__name__)
    return ApplicationError(
        veil.hide(error.message),
        *veil.hidden(error.details),
        type=error.type,
        non_retryable=error.non_retryable,
        next_retry_delay=error.next_retry_delay,
        category=error.category,
    )
