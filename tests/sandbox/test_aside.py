"""Large result files of a run on record come back with its result, or are said to be gone."""

from pathlib import Path
from typing import Any

import pytest
from resprout.activities.sandbox.aside import whole
from resprout.activities.sandbox.result import SandboxResult
from resprout.activities.sandbox.spec import SandboxSpec
from resprout.runtime.cli.sandbox_run import _run, _write_files
from resprout.runtime.sandbox_client import SandboxClient
from support.workspaces import settings_of

CODE = "open('big', 'w').write('x' * 400_000); open('small', 'w').write('x')"
WORDS: dict[str, Any] = {"language": "python", "code": CODE, "collect": ["big", "small"], "isolation": "process"}


async def test_large_files_of_a_keyed_run_are_written_and_returned(dsn: str, tmp_path: Path) -> None:
    settings, client = settings_of(dsn), SandboxClient(settings_of(dsn), "default")

    shown = await _run(settings, SandboxSpec.model_validate(WORDS), "k", as_json=True)
    _write_files(shown, tmp_path, force=False)
    returned = await client.run(**WORDS, key="k")
    await client.close()

    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {"big": 400_000, "small": 1}
    assert {file.path: file.content for file in returned.files}["big"] == b"x" * 400_000


async def test_a_file_that_is_not_kept_any_more_is_said_to_be_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = {"path": "big", "size": 400_000, "sha256": "00" * 32}
    nothing = {"text": "", "size": 0, "kept": 0}
    about = {"ended": "exit", "exit_code": 0, "seconds": 1, "backend": "process", "isolation": "process", "key": "k"}
    result = SandboxResult.model_validate({**about, "stdout": nothing, "stderr": nothing, "files": [large]})

    async def forgotten(hashes: object) -> list[bytes | None]:
        return [None]

    _write_files(await whole(result, forgotten), tmp_path, force=False)

    assert "the content of `big` is not kept any more" in capsys.readouterr().err
