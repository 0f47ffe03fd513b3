"""Where a stack keeps its files: everything under one data directory, sockets under a short path in /tmp.

A unix socket's path may have at most 107 bytes, and Ray and Postgres make theirs at the end of long ones;
so they live in a directory whose name is derived from the data directory and holds nothing worth keeping.
"""

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ...actors.errors import StackError


@dataclass(frozen=True)
class StackPaths:
    data_dir: Path

    @classmethod
    def of(cls, data_dir: Path) -> "StackPaths":
        return cls(data_dir.expanduser().resolve())

    @property
    def mark(self) -> str:
        """The value of RESPROUT_STACK in the environment of every process of this stack."""
        return str(self.data_dir)

    @property
    def sockets(self) -> Path:
        name = hashlib.sha256(f"{os.getuid()}:{self.data_dir}".encode()).hexdigest()[:10]
        return Path(tempfile.gettempdir()) / f"resprout-{name}"

    @property
    def run(self) -> Path:
        return self.data_dir / "run"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def state(self) -> Path:
        return self.run / "stack.json"

    @property
    def ray_token(self) -> Path:
        return self.run / "ray-token"

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def postgres(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def temporal(self) -> Path:
        return self.data_dir / "temporal"

    def log_of(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def create(self) -> None:
        """Makes the directories. 0711 on the data directory: as root, Postgres runs as another user below it."""
        try:
            self.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
            for directory in (self.run, self.logs, self.temporal):
                directory.mkdir(mode=0o700, exist_ok=True)
            probe = self.run / ".writable"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise StackError(
                f"the data directory {self.data_dir} cannot be written: {error.strerror or error}. "
                "Name another with --data-dir, or mend its permissions."
            ) from None
        self._create_sockets()

    def remove_sockets(self) -> None:
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _create_sockets(self) -> None:
        self.sockets.mkdir(mode=0o711, exist_ok=True)
        if self.sockets.is_symlink() or self.sockets.stat().st_uid != os.getuid():
            raise StackError(f"{self.sockets} belongs to somebody else. Remove it, or set TMPDIR to a place of yours.")
