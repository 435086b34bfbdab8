"""SessionBase: the interface of every session of agentscope. No storage lives here."""

from __future__ import annotations

from abc import ABC, abstractmethod

from localsessions.adapters.agentscope.modules import Stateful

__all__ = ["SessionBase"]


class SessionBase(ABC):
    """Saves the states of named modules under a session id, and puts them back.

    Subclass it for another storage. The name of a module is the name of its argument, so no module
    can be called ``session_id``, and no module to be loaded ``allow_not_exist``.
    """

    @abstractmethod
    async def save_session_state(
        self, /, session_id: str, **state_modules_mapping: Stateful
    ) -> None:
        """Save the state of each module under its name.

        Args:
            session_id: Which session; created if absent.
            state_modules_mapping: The modules, as in ``friday_of_user=agent``.
        """

    @abstractmethod
    async def load_session_state(
        self,
        /,
        session_id: str,
        allow_not_exist: bool = True,
        **state_modules_mapping: Stateful,
    ) -> None:
        """Put the saved states back into the modules, in place.

        Args:
            session_id: Which session.
            allow_not_exist: With True, a session that does not exist changes nothing.
            state_modules_mapping: The modules, by the names under which they were saved.

        Raises:
            ValueError: There is no such session, and ``allow_not_exist`` is False.
        """
