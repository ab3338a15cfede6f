"""What an operator may ask for at the command line; what comes of it is in tests/e2e."""

import pytest

from worker.operator import main


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["CA1", " "], "TEXT: must not be empty"),
        (["CA1", "\udcff"], "TEXT: must be UTF-8"),
        (["\udcff", "Hi."], "CALLSID: must be UTF-8"),
        (["", "Hi."], "CALLSID: must not be empty"),
    ],
)
def test_what_cannot_be_ordered_is_refused_with_a_reason(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main("say", arguments, {})

    assert sentence in capsys.readouterr().err
