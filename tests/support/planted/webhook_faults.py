"""Bugs of webhooks, each of which a failure test must find: the docstring says what is wrong with it."""

from types import ModuleType
from typing import Any


def _unheard(module: ModuleType) -> None:
    """Nobody hears that a message was put out; it is found at the next look."""
    module.CHANNEL, module.POLL_S = "feedback_nobody", 3.0


def _one_lane(module: ModuleType) -> None:
    """One message is on its way at a time, whoever it is for."""
    module.AT_ONCE = 1
    honest = module.claims.take

    async def take(*given: Any) -> Any:
        return (await honest(*given))[:1]

    module.claims.take = take


def _fresh_ids(module: ModuleType) -> None:
    """Every attempt has an id of its own."""
    import uuid

    honest = module.signed
    module.signed = lambda message_id, *given: honest(f"msg_{uuid.uuid4().hex}", *given)


def _recorded_early(module: ModuleType) -> None:
    """A message is delivered as soon as somebody has taken it, to be sent in a moment."""
    import asyncio
    from threading import Event

    module.TAKE = module.TAKE.replace("SET leased_until", "SET state = 'delivered', leased_until")
    honest = module.take

    async def take(*given: Any) -> Any:
        taken = await honest(*given)
        await asyncio.to_thread(Event().wait, 0.1)
        return taken

    module.take = take


def _no_guard(module: ModuleType) -> None:
    """Every address is one that the operator allows."""
    module.Allowed.has_address = lambda self, address, port: True


FAULTS: dict[str, list[Any]] = {
    "unheard": [("feedback_loop.stream.webhooks.deliverer", _unheard)],
    "one_lane": [("feedback_loop.stream.webhooks.deliverer", _one_lane)],
    "fresh_ids": [("feedback_loop.stream.webhooks.deliverer", _fresh_ids)],
    "recorded_early": [("feedback_loop.stream.webhooks.claims", _recorded_early)],
    "no_guard": [("feedback_loop.stream.webhooks.targets", _no_guard)],
}
