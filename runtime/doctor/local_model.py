"""Would the bundled model run here? It costs nothing until it is asked, so what is missing is a warning."""

import psutil

from ..local_model import REMEDY, serving_of
from ..model_server.serving import Serving, missing
from ..settings import Settings
from .finding import Finding, failure, ok, warning

NAME = "local model"


def check(settings: Settings) -> list[Finding]:
    local = settings.models.local
    if local.url is not None:
        return [ok(NAME, f"served elsewhere: {local.url} (not asked)")]
    if (reason := missing(local.weights)) is not None:
        if local.weights is not None:
            return [failure(NAME, reason, "Mend `models.local.weights`, or unset it to use the bundled model.")]
        return [warning(NAME, f"`local` is not there: {reason}", REMEDY)]
    serving = serving_of(local)
    assert serving is not None
    return [fits(serving, psutil.virtual_memory().available)]


def fits(serving: Serving, available_bytes: int) -> Finding:
    takes = f"{serving.name} takes {serving.needed_bytes / 1e6:.0f} MB while it is used"
    if serving.needed_bytes > available_bytes:
        remedy = "Free some memory, or set a smaller `models.local.window` or `models.local.slots`."
        return warning(NAME, f"{takes}, and {available_bytes / 1e6:.0f} MB are available", remedy)
    return ok(NAME, f"{takes}, for {serving.slots} calls at once of {serving.window} tokens each")
