"""Coverage-guided fuzzing of what reads foreign messages and frames, for a bounded time.

    python -m tests.fuzz [--seconds 60] [twilio] [deepgram] [frames]
    python -m tests.fuzz --again fuzz/twilio/crash-...        one finding once more

Inputs grow in `fuzz/NAME/corpus` from those in `tests/fuzz/corpus/NAME`. What a target raises on
is kept in `fuzz/NAME/`. Exit status: 0 if nothing was found.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOUND = Path("fuzz")
NAMES = ("twilio", "deepgram", "frames")

# An input that takes longer, or needs more, is a finding as well.
LIMITS = ("-timeout=5", "-rss_limit_mb=1024", "-max_len=4096")

# libFuzzer's line of progress: "#4096 pulse cov: 211 ft: 703 corp: 88/7Kb ... exec/s: 2048 ..."
_PROGRESS = re.compile(r"#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+) corp: (\d+)/.*exec/s: (\d+)")
_SHOWN = frozenset({"INITED", "pulse", "DONE"})


def main() -> int:
    options = _options()
    if options.again:
        return _again(options.again)
    found = [name for name in options.names or NAMES if _fuzz(name, options.seconds)]
    print(f"found something: {', '.join(found)}" if found else "nothing found")
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--again", type=Path, help="a file that a target raised on")
    return parser.parse_args()


def _fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target. Returns whether something was found."""
    folder = FOUND / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    flags = [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", f"-dict={HERE / 'words'}"]
    command = [*_one(name), *LIMITS, *flags, str(corpus), str(HERE / "corpus" / name)]
    print(f"{name}: {seconds} s ...", flush=True)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None  # it is a pipe
        last, rest = "", []
        for line in process.stdout:
            if progress := _PROGRESS.match(line):
                last = _figures(progress)
                if progress[2] in _SHOWN:
                    print(f"  {last}", flush=True)
            elif not line.startswith(("INFO: ", "WARNING: ")):
                rest.append(line)
    print(f"{name}: {last or 'did not start'}")
    if process.returncode:
        print("".join(rest[-40:]))
        print(f"once more: {sys.executable} -m tests.fuzz --again {folder}/FILE")
    return process.returncode != 0


def _figures(progress: re.Match[str]) -> str:
    count, _, coverage, features, inputs, rate = progress.groups()
    return (
        f"{int(count):>9,} inputs, {int(rate):>6,} a second, {coverage} branches and "
        f"{features} features covered by {inputs} of them"
    )


def _again(path: Path) -> int:
    name = path.parent.name
    if name not in NAMES:
        print(f"{path}: of which target? It must lie in {FOUND}/NAME/")
        return 2
    return subprocess.run([*_one(name), str(path)], check=False).returncode


def _one(name: str) -> list[str]:
    return [sys.executable, "-m", "tests.fuzz.one", name]


if __name__ == "__main__":
    sys.exit(main())
