"""What a scenario found: figures, promises, and sentences that are not true."""

from sim.faults.finding import Finding


def test_a_finding_holds_until_something_does_not() -> None:
    finding = Finding()
    finding.figure("gap ms", 1900, most=2000)
    finding.expect([1], "a list with something in it counts as true")
    finding.same("sockets", 1, 1)

    assert finding.failures == []
    assert finding.measured == "gap 1900 ms"


def test_a_figure_above_what_was_promised_is_a_failure() -> None:
    finding = Finding()
    finding.figure("owned again s", 2.75, most=2.5)

    assert finding.failures == ["owned again 2.75 s, promised 2.5"]


def test_of_a_figure_noted_twice_the_worse_counts() -> None:
    finding = Finding()
    for value in (3.0, 1.0):
        finding.figure("tools run", value, most=1)

    assert finding.figures == {"tools run": 3.0}
    assert finding.failures == ["tools run 3, promised 1"]


def test_what_is_not_so_is_told_once_however_many_calls_it_befalls() -> None:
    finding = Finding()
    for _ in range(3):
        finding.expect(None, "the caller heard the answer")
        finding.same("sockets", 2, 1)

    assert finding.failures == ["not so: the caller heard the answer", "sockets: 2, should be 1"]
