"""One target under atheris: `python -m tests.fuzz.one NAME FLAGS...` (libFuzzer's flags).

It goes on until an input is found that the target raises on, or the flags say that it is enough.
"""

import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["edge", "worker", "shared", "sim"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.mutation import mutated


def main() -> None:
    program, name, *flags = sys.argv
    atheris.Setup([program, *flags], TARGETS[name], custom_mutator=_mutate)
    atheris.Fuzz()


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Half of all changes keep the message JSON; the rest are libFuzzer's own."""
    random = Random(seed)
    changed = mutated(data, random) if random.random() < 0.5 else None
    if changed is None or len(changed) > max_size:
        changed = atheris.Mutate(data, max_size)
    return bytes(changed)


if __name__ == "__main__":
    main()
