"""StateModule: an object that names the attributes that are its state. No storage lives here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from pydantic import JsonValue

from localsessions.adapters.agentscope.modules import State, json_copy
from localsessions.errors import UnstorableValueError
from localsessions.format import encode_value

__all__ = ["StateModule"]


@dataclass(frozen=True, slots=True)
class _Conversion:
    """How an attribute becomes JSON and comes back; None keeps the value as it is."""

    to_json: Callable[[Any], JsonValue] | None
    from_json: Callable[[Any], object] | None


class StateModule:
    """An object whose state is its nested modules and the attributes that it registered.

    Assigning a module to an attribute makes it a nested module. Assigning anything else, or
    deleting the attribute, removes it. Modules of agentscope nest like those of this class.
    """

    if TYPE_CHECKING:  # the subclass declares its attributes; a missing attribute still fails
        _nested: dict[str, StateModule]
        _registered: dict[str, _Conversion]

    def __init__(self) -> None:
        super().__setattr__("_nested", {})
        super().__setattr__("_registered", {})

    def __setattr__(self, name: str, value: object) -> None:
        if _is_module(value):
            if not hasattr(self, "_nested"):
                raise AttributeError(
                    f"{type(self).__name__}.{name} is set to a module before "
                    "super().__init__() was called; call it first"
                )
            self._registered.pop(name, None)
            self._nested[name] = value
        elif hasattr(self, "_nested"):
            self._nested.pop(name, None)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if hasattr(self, "_nested"):
            self._nested.pop(name, None)
            self._registered.pop(name, None)

    def register_state(
        self,
        attr_name: str,
        custom_to_json: Callable[[Any], JsonValue] | None = None,
        custom_from_json: Callable[[Any], object] | None = None,
    ) -> None:
        """Make an attribute a part of the state; a second call replaces the conversions.

        Args:
            attr_name: An attribute that is set already.
            custom_to_json: Makes JSON of its value; None if the value is JSON itself.
            custom_from_json: Makes the value from that JSON; None takes the JSON as the value.

        Raises:
            AttributeError: There is no such attribute, or ``super().__init__()`` was not called.
            ValueError: It is a module; modules are part of the state without registering.
            TypeError: Its value is not JSON, and there is no ``custom_to_json``. Only the present
                value is checked here; a value that is set later is checked when it is saved.
        """
        value = getattr(self, attr_name)
        if attr_name in self._nested:
            raise ValueError(
                f"attribute {attr_name!r} is a module, and a part of the state already"
            )
        if custom_to_json is None:
            try:
                encode_value(json_copy(value))
            except UnstorableValueError as error:
                raise TypeError(
                    f"attribute {attr_name!r} is not JSON ({error.reason}); give custom_to_json "
                    "and custom_from_json"
                ) from error
        self._registered[attr_name] = _Conversion(custom_to_json, custom_from_json)

    def state_dict(self) -> State:
        """Return the state: nested modules first, then attributes, each in order of registering.

        The values are the attributes' own, not copies; a session makes a copy when it saves.
        """
        state: State = {name: module.state_dict() for name, module in self._nested.items()}
        for name, conversion in self._registered.items():
            value = getattr(self, name)
            state[name] = value if conversion.to_json is None else conversion.to_json(value)
        return state

    def load_state_dict(self, state_dict: State, strict: bool = True) -> None:
        """Restore a state, in place; entries that this module does not have are ignored.

        Args:
            state_dict: What ``state_dict`` returned.
            strict: With False, attributes without an entry stay as they are, in nested modules too.

        Raises:
            KeyError: An entry is missing, and ``strict`` is True. Then this module is unchanged,
                but nested modules before the module that lacks the entry are already loaded.
        """
        for name in (*self._nested, *self._registered):
            if strict and name not in state_dict:
                raise KeyError(
                    f"{name!r} is not in the state of {type(self).__name__}, which has "
                    f"{', '.join(map(repr, state_dict)) or 'nothing'}; strict=False leaves it"
                )
        for name, module in self._nested.items():
            if name in state_dict:
                nested: Any = state_dict[name]
                module.load_state_dict(nested, strict)
        for name, conversion in self._registered.items():
            if name in state_dict:
                value = state_dict[name]
                load = conversion.from_json
                setattr(self, name, value if load is None else load(value))


def _is_module(value: object) -> TypeGuard[StateModule]:
    """Tell whether a value is a state module, ours or agentscope's; imports no agentscope."""
    return isinstance(value, StateModule) or any(
        base.__name__ == "StateModule" and base.__module__.partition(".")[0] == "agentscope"
        for base in type(value).__mro__
    )
