from collections import Counter
from collections.abc import Iterator
from typing import Any

import typer
from resprout.runtime.cli.app import app
from resprout.runtime.cli.flags import global_flags
from support.stack import resprout


def test_an_option_that_was_not_given_leaves_what_was_set() -> None:
    given = global_flags(["hosts.count=3", "ray.port=1001"], data_dir=None, config_file=None)

    flags = given.and_({"--hosts": (("hosts", "count"), None), "--ray-port": (("ray", "port"), 1002)})

    assert flags.values == {("hosts", "count"): "3", ("ray", "port"): 1002}
    assert flags.spelled == {("hosts", "count"): "--set hosts.count", ("ray", "port"): "flag --ray-port"}


REFUSED = "hosts.count=0"


def test_every_command_that_reads_settings_honours_set_before_and_behind_it() -> None:
    commands = ["up", "join", "worker", "gateway", "run hello", "logs", "status", "down", "doctor", "config show"]

    for command in commands:
        for words in (["--set", REFUSED, *command.split()], [*command.split(), "--set", REFUSED]):
            done = resprout(*words)
            assert (done.returncode, done.stderr.count("from --set hosts.count has a bad value")) == (2, 1), words


def test_a_refused_option_is_named_as_it_was_written() -> None:
    assert "from flag --hosts has a bad value" in resprout("up", "--hosts", "0").stderr
    assert "from flag --port has a bad value" in resprout("gateway", "--port", "70000").stderr
    assert "--config names c/missing.toml" in resprout("status", "--config", "c/missing.toml").stderr


def commands_in(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from commands_in(inner)


def test_no_letter_stands_for_two_options_of_one_command() -> None:
    doubled = {
        (command.name, name)
        for command in commands_in(typer.main.get_command(app))
        for name, times in Counter(name for one in command.params for name in (*one.opts, *one.secondary_opts)).items()
        if times > 1
    }

    assert doubled == set()


def test_no_tools_and_a_tool_are_refused_before_anything_is_looked_for() -> None:
    done = resprout("agent", "run", "count", "--no-tools", "--tool", "text.count")

    assert (done.returncode, "--no-tools and --tool text.count contradict" in done.stderr) == (2, True)
