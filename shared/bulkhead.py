"""What goes wrong in one call ends at most that call, and no other that shares its loop."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class Fails(Protocol):
    """Whoever owns one call."""

    def fail(self, exc: Exception) -> None:
        """A fault of ours befell this call."""


Owner = TypeVar("Owner", bound=Fails)
Step = ParamSpec("Step")


def bulkhead(
    step: Callable[Concatenate[Owner, Step], None],
) -> Callable[Concatenate[Owner, Step], None]:
    """A step that the loop calls; what it raises goes to its owner's `fail`."""

    @wraps(step)
    def guarded(self: Owner, /, *args: Step.args, **kwargs: Step.kwargs) -> None:
        try:
            step(self, *args, **kwargs)
        except Exception as exc:  # noqa: BLE001 (this is the bulkhead)
            self.fail(exc)

    return guarded
