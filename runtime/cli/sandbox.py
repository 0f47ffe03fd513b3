"""`resprout sandbox …`: untrusted code from the command line, with the same words as in flows."""

import typer

from .sandbox_exec import exec_, kill
from .sandbox_expose import expose
from .sandbox_files import cp, ls
from .sandbox_images import build, images
from .sandbox_probe import doctor
from .sandbox_run import run
from .sandbox_snapshots import restore, snapshot, snapshots
from .sandbox_workspaces import create, list_, pause, resume, rm


def register(app: typer.Typer) -> None:
    sandbox = typer.Typer(no_args_is_help=True, help="Run untrusted code where it cannot hurt.")
    sandbox.command("run")(run)
    sandbox.command("create")(create)
    sandbox.command("exec")(exec_)
    sandbox.command("kill")(kill)
    sandbox.command("cp")(cp)
    sandbox.command("ls")(ls)
    sandbox.command("list")(list_)
    sandbox.command("snapshot")(snapshot)
    sandbox.command("snapshots")(snapshots)
    sandbox.command("restore")(restore)
    sandbox.command("expose")(expose)
    sandbox.command("pause")(pause)
    sandbox.command("resume")(resume)
    sandbox.command("rm")(rm)
    sandbox.command("doctor")(doctor)
    of_images = typer.Typer(invoke_without_command=True, help="The images of the languages, for containers.")
    of_images.callback()(images)
    of_images.command("build")(build)
    sandbox.add_typer(of_images, name="images")
    app.add_typer(sandbox, name="sandbox")
