"""How a run will think is settled as it begins: its role, and its tools with their versions."""

from resprout.activities.contracts import BeginInput
from resprout.activities.settle import Settle, Settled
from resprout.activities.tools.toolbox import Toolbox
from resprout.workflows.role_file import RoleFile
from support.world import keyed, newer, older

PAIR = RoleFile(role="pair", description="works with things that age", system="You do.", tools=("world.aged",))


async def settled(**words: object) -> Settled:
    request = BeginInput.model_validate({"agent": "brain/a", "run": "run-1", "goal": "count", **words})
    return await Settle(Toolbox((keyed, older, newer)), _nothing_new, lambda name, variables: PAIR, "test/default")(
        request
    )


async def _nothing_new(reference: str) -> None:
    """No tool comes from outside."""


async def test_a_version_that_is_named_is_offered_and_called_though_a_pattern_has_a_newer_one() -> None:
    pinned = await settled(tools=["world.aged@1.0", "world.a*"])
    newest = await settled(tools=["world.a*", "world.aged@1.0"])

    assert [offer.name for offer in pinned.setting.offers] == ["world.aged"]
    assert pinned.tools == {"world.aged": "world.aged@1.0.0"}
    assert newest.tools == {"world.aged": "world.aged@1.1.0"}


async def test_a_run_that_says_nothing_of_tools_has_those_of_its_role_and_one_that_wants_none_has_none() -> None:
    its_own = await settled(role="pair")
    none = await settled(role="pair", tools=[])
    other = await settled(role="pair", tools=["world.keyed"])

    assert (set(its_own.tools), set(none.tools), set(other.tools)) == ({"world.aged"}, set(), {"world.keyed"})
    assert none.setting.offers == ()
