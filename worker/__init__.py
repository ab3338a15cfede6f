"""The worker: claims calls and holds each one's agent socket.

In reading order: `deepgram` (the codec), `playout` (what the caller has heard),
`gate` (what an interruption silences), `conversation` (the rules, without I/O or
clock), `session` (the owner of one call), `main` (the process).
"""
