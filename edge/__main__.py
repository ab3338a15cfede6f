"""`python -m edge`, and `python -m edge check`."""

import sys


def main() -> int:
    if sys.argv[1:2] == ["check"]:
        from edge.doctor.main import main as check  # noqa: PLC0415 (an edge starts without it)

        return check(sys.argv[2:])
    from edge.main import main as serve  # noqa: PLC0415 (and the other way round)

    return serve()


sys.exit(main())
