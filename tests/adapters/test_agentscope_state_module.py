"""StateModule: which attributes are the state, and how it comes back."""

from __future__ import annotations

import base64
from collections import OrderedDict
from typing import Any

import pytest

from localsessions.adapters.agentscope import StateModule


class Memory(StateModule):
    def __init__(self) -> None:
        super().__init__()
        self.content: list[Any] = []
        self.register_state("content")


class Agent(StateModule):
    def __init__(self, name: str = "Friday") -> None:
        super().__init__()
        self.name = name
        self.unregistered = "mine"
        self.register_state("name")
        self.memory: StateModule | None = Memory()


def test_the_state_is_nested_modules_first_then_registered_attributes() -> None:
    """S22: recursive; what was not registered is not in it."""
    agent = Agent()
    agent.memory.content.append({"role": "user"})  # type: ignore[union-attr]
    assert agent.state_dict() == {"memory": {"content": [{"role": "user"}]}, "name": "Friday"}
    assert list(agent.state_dict()) == ["memory", "name"]


def test_a_state_is_taken_on_in_place_and_extra_keys_are_ignored() -> None:
    """S22: nested modules stay the objects that they are."""
    agent = Agent()
    memory = agent.memory
    agent.load_state_dict(
        {"name": "Monday", "memory": {"content": [1], "later": 2}, "unregistered": "theirs", "x": 1}
    )
    assert agent.memory is memory
    assert memory is not None
    assert (agent.name, agent.unregistered) == ("Monday", "mine")
    assert memory.content == [1]  # type: ignore[attr-defined]
    assert not hasattr(agent, "x")


def test_a_key_that_is_missing_raises_before_anything_of_the_module_changes() -> None:
    """S23: KeyError naming it, when strict, which is the default."""
    agent = Agent()
    with pytest.raises(KeyError, match="'memory' is not in the state of Agent"):
        agent.load_state_dict({"name": "Monday"})
    with pytest.raises(KeyError, match="'content' is not in the state of Memory"):
        agent.load_state_dict({"name": "Monday", "memory": {}}, True)
    assert agent.name == "Friday"


def test_what_is_missing_is_skipped_when_not_strict_in_nested_modules_too() -> None:
    """S23."""
    agent = Agent()
    agent.load_state_dict({"memory": {}}, strict=False)
    agent.load_state_dict({"name": "Monday"}, False)
    assert agent.state_dict() == {"memory": {"content": []}, "name": "Monday"}


def test_conversions_stand_between_the_attribute_and_the_state() -> None:
    """S24: one of them alone works too; registering again replaces them."""
    agent = Agent()
    agent.picture = b"\xff"
    agent.register_state("picture", lambda raw: base64.b64encode(raw).decode(), base64.b64decode)
    assert agent.state_dict()["picture"] == "/w=="
    agent.load_state_dict({**agent.state_dict(), "picture": "AAE="})
    assert agent.picture == b"\x00\x01"  # type: ignore[attr-defined]
    agent.register_state("picture", custom_to_json=list)
    assert agent.state_dict()["picture"] == [0, 1]


@pytest.mark.parametrize("value", [b"", {1}, object(), {"deep": [float("nan")]}, {1: 2}])
def test_an_attribute_that_is_not_json_is_refused_by_its_name(value: object) -> None:
    """S24: TypeError; what would come back changed is not JSON either."""
    agent = Agent()
    agent.bad = value
    with pytest.raises(TypeError, match=r"'bad'.*custom_to_json"):
        agent.register_state("bad")
    assert "bad" not in agent.state_dict()


@pytest.mark.parametrize("value", [(1, 2), OrderedDict(a=1), "half \ud83d", 2**90, None])
def test_an_attribute_that_json_dumps_takes_is_registered(value: object) -> None:
    """S24: as agentscope does."""
    agent = Agent()
    agent.good = value
    agent.register_state("good")
    assert agent.state_dict()["good"] == value


def test_a_module_and_an_attribute_that_is_not_there_cannot_be_registered() -> None:
    """S24: ValueError, AttributeError."""
    agent = Agent()
    with pytest.raises(ValueError, match="'memory' is a module"):
        agent.register_state("memory")
    with pytest.raises(ValueError, match="'memory' is a module"):
        agent.register_state("memory", custom_to_json=str)
    with pytest.raises(AttributeError, match="absent"):
        agent.register_state("absent")


def test_a_module_that_is_set_before_init_is_refused() -> None:
    """S25: AttributeError that says what to call; other attributes may be set."""

    class Hasty(StateModule):
        def __init__(self) -> None:
            self.name = "set before"
            del self.name
            self.memory = Memory()

    with pytest.raises(AttributeError, match=r"Hasty\.memory.*super\(\).__init__\(\)"):
        Hasty()


def test_deleting_an_attribute_forgets_it() -> None:
    """S25: a module and a registered attribute."""
    agent = Agent()
    del agent.memory
    assert agent.state_dict() == {"name": "Friday"}
    del agent.name
    assert agent.state_dict() == {}
    agent.load_state_dict({"name": "Monday"})
    assert not hasattr(agent, "name")
    with pytest.raises(AttributeError):
        del agent.name


def test_what_takes_the_place_of_a_module_forgets_it() -> None:
    """S25: and a module that takes the place of an attribute is nested."""
    agent = Agent()
    agent.memory = None
    assert agent.state_dict() == {"name": "Friday"}
    agent.load_state_dict({"name": "Monday", "memory": {"content": [1]}})
    assert agent.memory is None
    agent.name = Memory()  # type: ignore[assignment]
    assert agent.state_dict() == {"name": {"content": []}}
    agent.load_state_dict({"name": {"content": [1]}})
    assert agent.state_dict() == {"name": {"content": [1]}}


def test_only_state_modules_are_nested_by_assignment() -> None:
    """S25: other libraries' modules have the two verbs too, and states that are no JSON."""

    class Tensors:
        def state_dict(self) -> dict[str, object]:
            return {"weight": object()}

        def load_state_dict(self, state: dict[str, object]) -> None: ...

    agent = Agent()
    agent.model = Tensors()
    assert "model" not in agent.state_dict()


def test_modules_of_agentscope_are_nested_without_importing_it() -> None:
    """S25: told by the class that they extend."""

    class TheirModule:
        value = 1

        def state_dict(self) -> dict[str, object]:
            return {"value": self.value}

        def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
            self.value = state_dict["value"]

    theirs = type("StateModule", (TheirModule,), {"__module__": "agentscope.module._state_module"})
    agent = Agent()
    agent.memory = type("InMemoryMemory", (theirs,), {})()
    assert agent.state_dict() == {"memory": {"value": 1}, "name": "Friday"}
    agent.load_state_dict({"memory": {"value": 2}, "name": "Friday"})
    assert agent.memory.value == 2  # type: ignore[union-attr]
