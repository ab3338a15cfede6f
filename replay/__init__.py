"""Recordings read back from Redis: list them, look at one, export it.

In reading order: `recording` (what Redis holds of a call), `clock` (whose time is
what), `tracks` (sound on that clock, and the caller's), `sections` and `heard` (the
agent's sound as the caller heard it), `sentences` and `voice` (which sound says which
words), `timeline` (all of it together), then what people see: `terminal`, `transcript`,
`report`, `picture`, `export`, `main`.
"""
