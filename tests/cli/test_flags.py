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
