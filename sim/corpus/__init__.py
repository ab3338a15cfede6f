"""A small corpus of recorded calls, one of each kind, and the proof that they can be repeated.

    python -m sim corpus make     records them: real processes, synthesized speech
    python -m sim corpus check    replays them, and compares what the agent heard and the log

`scenes` says what happens in each, `make` records, `same` compares, `check` replays.
"""
