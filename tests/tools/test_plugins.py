"""Plugins from their first line to their removal, in an environment of their own; and wheels that somebody changed."""

import base64
import json
import marshal
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from resprout.actors.errors import Rejected
from resprout.runtime.plugins import installing as module
from resprout.runtime.plugins.index import Entry, Index, NotSigned, parse_index
from resprout.runtime.plugins.installed import Shelf
from resprout.runtime.plugins.installing import Installing
from resprout.runtime.plugins.keys import BadKey, generate, private_key, public_text, trusted
from resprout.runtime.plugins.wheel import BadWheel, digest_of, read_wheel
from resprout.runtime.settings import PluginsSettings, Settings
from support.stack import clean_environment

Result = subprocess.CompletedProcess[str]


class Place:
    """An environment like ours, in which a plugin may be installed, with a data directory and a key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / "env")], check=True)
        self.python = str(root / "env/bin/python")
        self.packages = next((root / "env/lib").glob("python*")) / "site-packages"
        paths = filter(None, os.environ.get("PYTHONPATH", "").split(":"))
        ours = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})"  # with what is editable there
        (self.packages / "ours.pth").write_text("\n".join([*paths, ours]))
        self.public = self("plugin", "keygen").stdout.strip()

    def __call__(self, *words: str, trusts: str | None = None) -> Result:
        trust = {"RESPROUT_PLUGINS_KEYS": trusts} if trusts else {}
        environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"} | trust
        return subprocess.run(
            [self.python, "-m", "resprout.runtime.cli", "--data-dir", str(self.root / "data"), *words],
            capture_output=True, text=True, timeout=120, cwd=self.root, env=environment, check=False,
        )  # fmt: skip

    def wheel(self, project: Path) -> Path:
        words = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(self.root / "dist"), str(project)]
        subprocess.run([sys.executable, "-m", "pip", "-q", *words], check=True, timeout=120)
        return next((self.root / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def wheel(place: Place) -> Path:
    """Of the project that `plugin new` writes, signed in the index."""
    made = place("plugin", "new", "my-tools")
    assert made.returncode == 0, made.stderr
    wheel = place.wheel(place.root / "my-tools")
    signed = place("plugin", "index", "sign", str(wheel))
    assert signed.returncode == 0, signed.stderr
    return wheel


def test_the_project_that_new_writes_passes_its_own_tests(place: Place, wheel: Path) -> None:
    project = place.root / "my-tools"
    words = [place.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(project), "tests"]

    done = subprocess.run(words, capture_output=True, text=True, cwd=project, timeout=120, check=False,
                          env={"PYTHONPATH": str(project), "PATH": os.environ["PATH"]})  # fmt: skip

    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_signed_plugin_is_installed_used_verified_and_removed(place: Place, wheel: Path) -> None:
    installed = place("plugin", "install", "my-tools", "--index", "index.json", trusts=place.public)
    assert installed.returncode == 0, installed.stderr
    assert installed.stdout == "my-tools 0.1.0 is installed, signed\n"

    shown = json.loads(place("tool", "show", "my-tools.greet", "--json").stdout)
    listed = json.loads(place("plugin", "list", "--json").stdout)
    verified = place("plugin", "verify", "my-tools", trusts=place.public)
    assert shown["source"] == "plugin:my-tools"
    assert [(one["name"], one["version"], one["signed"]) for one in listed] == [("my-tools", "0.1.0", True)]
    assert (verified.returncode, verified.stdout) == (0, "my-tools: as it was signed\n")
    assert "signed by nobody whom you trust" in place("plugin", "verify").stdout  # who trusts no key any more

    code = place.packages / "my_tools/tools.py"
    (cache,) = code.parent.glob("__pycache__/tools.*.pyc")
    honest = cache.read_bytes()
    cache.write_bytes(honest[:16] + marshal.dumps(compile("evil = True", str(code), "exec")))
    assert f"my_tools/__pycache__/{cache.name} was added" in place("plugin", "verify", trusts=place.public).stdout
    cache.write_bytes(honest)
    before = code.read_text()
    code.write_text(before + "# and more\n")
    (place.packages / "my_tools/extra.py").write_text("")
    changed = place("plugin", "verify", trusts=place.public)
    assert changed.returncode == 1
    assert "my_tools/tools.py was changed" in changed.stdout
    assert "my_tools/extra.py was added" in changed.stdout
    code.unlink()
    assert "my_tools/tools.py is missing" in place("plugin", "verify", trusts=place.public).stdout

    removed = place("plugin", "remove", "my-tools")
    assert removed.returncode == 0, removed.stderr
    assert json.loads(place("plugin", "list", "--json").stdout) == []


def test_what_nobody_signed_is_refused_unless_it_is_said(place: Place, wheel: Path) -> None:
    untrusted = place("plugin", "install", "my-tools", "--index", "index.json")
    unlisted = place("plugin", "install", str(wheel), trusts=place.public)
    source = place("plugin", "install", "./my-tools", trusts=place.public)

    assert (untrusted.returncode, "no key is trusted yet: set `plugins.keys`" in untrusted.stderr) == (2, True)
    assert (unlisted.returncode, "say --unsigned if you know what is in it" in unlisted.stderr) == (2, True)
    assert (source.returncode, "is source code, which nobody has signed" in source.stderr) == (2, True)
    said = place("plugin", "install", str(wheel), "--unsigned")
    assert (said.returncode, "not signed by anybody" in said.stdout) == (0, True), said.stderr
    verified = place("plugin", "verify", "my-tools")
    assert (verified.returncode, "it was installed unsigned" in verified.stdout) == (1, True)
    assert place("plugin", "remove", "my-tools").returncode == 0


def test_a_wheel_that_was_changed_after_it_was_signed_is_refused(place: Place, wheel: Path, tmp_path: Path) -> None:
    tampered = tmp_path / wheel.name
    tampered.write_bytes(wheel.read_bytes())
    with zipfile.ZipFile(tampered, "a") as archive:
        archive.writestr("my_tools/evil.py", "print('evil')")

    for unsigned in ((), ("--unsigned",)):
        words = ("plugin", "install", str(tampered), "--index", str(place.root / "index.json"), *unsigned)
        done = place(*words, trusts=place.public)
        assert (done.returncode, "is not the wheel that was signed" in done.stderr) == (2, True)
    assert json.loads(place("plugin", "list", "--json").stdout) == []


def test_an_entry_whose_signature_name_version_or_hash_was_changed_is_refused(tmp_path: Path) -> None:
    public = generate(tmp_path / "key")
    entry = Entry(name="weather", version="1.0.0", sha256="a" * 64, wheel="w.whl").signed(private_key(tmp_path / "key"))
    other = generate(tmp_path / "other")

    assert entry.signer([other, public]) == public
    forged = base64.b64encode(b"x" * 64).decode()
    for change in (
        {"name": "other"},
        {"version": "2.0.0"},
        {"sha256": "b" * 64},
        {"signature": forged},
        {"signature": ""},
    ):
        with pytest.raises(NotSigned):
            entry.model_copy(update=change).signer([public])
    with pytest.raises(NotSigned, match="trust the key"):
        entry.signer([other])
    with pytest.raises(NotSigned, match="no key is trusted yet"):
        entry.signer([])


def test_the_index_gives_the_newest_version_and_replaces_the_same(tmp_path: Path) -> None:
    def entry(version: str, sha: str) -> Entry:
        return Entry(name="Weather_Tools", version=version, sha256=sha * 64, wheel="w")

    index = Index().put(entry("1.9.0", "a")).put(entry("1.10.0", "b")).put(entry("1.9.0", "c"))

    newest, older = index.find("weather-tools"), index.find("weather.tools", "1.9.0")
    assert newest is not None
    assert older is not None
    assert (newest.version, older.sha256[0], len(index.plugins)) == ("1.10.0", "c", 2)
    assert index.find("nothing") is None


def test_keys_and_indexes_and_wheels_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "a-1.0.0-py3-none-any.whl").write_text("hello")
    generate(tmp_path / "key")

    with pytest.raises(BadKey, match="is no private key"):
        private_key(tmp_path / "text")
    with pytest.raises(Rejected, match="is there already"):
        generate(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadKey, match="is no public key"):
        trusted(Settings(data_dir=tmp_path, plugins=PluginsSettings(keys=("nonsense",))))
    with pytest.raises(Rejected, match=r"the index i\.json cannot be read at plugins\.0\.name"):
        parse_index('{"plugins": [{}]}', "i.json")
    with pytest.raises(BadWheel, match="is not named as a wheel is"):
        read_wheel(tmp_path / "text")
    with pytest.raises(BadWheel, match="is no wheel"):
        read_wheel(tmp_path / "a-1.0.0-py3-none-any.whl")


def a_wheel(directory: Path, name: str, version: str, needs: str = "", *, brings_tools: bool = True) -> Path:
    path = directory / f"{name}-{version}-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{name}-{version}.dist-info/METADATA", metadata + (f"Requires-Dist: {needs}\n" if needs else "")
        )
        if brings_tools:
            archive.writestr(f"{name}-{version}.dist-info/entry_points.txt", "[resprout.tools]\nx = x\n")
    return path


def an_index(directory: Path, *entries: Entry) -> str:
    (directory / "index.json").write_text(Index(plugins=list(entries)).model_dump_json())
    return str(directory / "index.json")


def an_entry(wheel: Path, key: Ed25519PrivateKey) -> Entry:
    name, version, *_ = wheel.name.split("-")
    return Entry(name=name, version=version, sha256=digest_of(wheel), wheel=wheel.name).signed(key)


def installing(directory: Path, key: Ed25519PrivateKey, index: str) -> Installing:
    return Installing(Shelf(directory / "shelf"), [public_text(key)], index, "user:x")


async def test_an_index_that_leads_to_another_plugin_is_found_out(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    weather, other = a_wheel(tmp_path, "weather", "2.0.0"), a_wheel(tmp_path, "other", "1.0.0")
    moved = an_entry(weather, key).model_copy(update={"wheel": other.name})  # the place is not signed
    index = an_index(tmp_path, moved, an_entry(other, key))

    with pytest.raises(NotSigned, match=r"leads from weather 2\.0\.0 to other 1\.0\.0"):
        await Installing(Shelf(tmp_path / "shelf"), [public_text(key)], index, "user:x").install(
            "weather", unsigned=False
        )


async def test_what_a_signed_plugin_needs_is_not_fetched_with_it(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    index = an_index(tmp_path, an_entry(a_wheel(tmp_path, "weather", "2.0.0", "nobody-has-this>=1"), key))

    with pytest.raises(Rejected, match="needs nobody-has-this>=1, which no signature covers"):
        await Installing(Shelf(tmp_path / "shelf"), [public_text(key)], index, "user:x").install(
            "weather", unsigned=False
        )


async def test_what_brings_no_tools_is_no_plugin(tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path, "weather", "2.0.0", brings_tools=False)

    with pytest.raises(Rejected, match="is no plugin: it has no entry point"):
        await installing(tmp_path, Ed25519PrivateKey.generate(), "index.json").install(str(wheel), unsigned=True)


async def test_a_folder_is_never_taken_for_a_name_on_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weather").mkdir()
    monkeypatch.chdir(tmp_path)
    asked: list[tuple[str, ...]] = []

    async def pip(*words: str) -> None:
        asked.append(words)
        a_wheel(Path(words[words.index("--wheel-dir") + 1]), "weather", "2.0.0", brings_tools=False)

    monkeypatch.setattr(module, "_pip", pip)
    with pytest.raises(Rejected, match="is no plugin"):
        await installing(tmp_path, Ed25519PrivateKey.generate(), "index.json").install("./weather", unsigned=True)

    assert [words[-1] for words in asked] == [str(tmp_path / "weather")]
