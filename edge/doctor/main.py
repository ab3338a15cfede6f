"""`python -m edge check`: exit status 1 if something is bad, 2 for a bad setting, else 0."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from edge.answers import read_answers
from edge.doctor import agent, house, public, signed
from edge.doctor.finding import Finding, ok, report
from shared.bus.survey import Survey
from shared.settings import BadSetting, Settings, read


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Look at everything; or, with a signature, at that."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        settings = read(environ)
        if asked.signature is None:
            read_answers(settings)
            return report(_everything(settings))
        form = _form(asked)
        if asked.url is None or not _has_host(asked.url):
            raise BadSetting("--url: must be the address that Twilio called, https://host/path")
        if not (settings.is_signed and settings.public_url):
            raise BadSetting("TWILIO_AUTH_TOKEN and PUBLIC_URL: must be set, to compare with")
        return report([signed.finding(settings, asked.url, asked.signature, form)])
    except BadSetting as exc:
        sys.stderr.write(f"edge: {exc}\n")
        return 2


def _everything(settings: Settings) -> Iterator[Finding]:
    yield ok("settings", "all can be used")
    told = house.look(settings)
    yield from house.findings(told)
    yield from public.findings(settings, told.edges if isinstance(told, Survey) else None)
    yield from agent.findings(settings)


def _form(asked: Namespace) -> dict[str, str]:
    form = dict(parse_qsl(asked.body, keep_blank_values=True))
    for pair in asked.field:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadSetting("--field: must be NAME=VALUE")
        form[name] = value
    return form


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m edge check",
        description="Say what is in the way between Twilio, this edge, Redis and the agent. "
        "With --url and --signature (Twilio's debugger shows both): what it was made for.",
    )
    parser.add_argument("--url", help="address that Twilio called")
    parser.add_argument("--signature", help="its X-Twilio-Signature")
    parser.add_argument("--field", action="append", default=[], help="NAME=VALUE of the body")
    parser.add_argument("--body", default="", help="the body as it was sent: A=1&B=2")
    return parser
