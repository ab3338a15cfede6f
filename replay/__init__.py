"""Recordings read back from Redis or from bundles: list them, look at one, export, keep, forget.

In reading order: `recording` (what Redis holds of a call), `clock` (whose time is
what), `tracks` (sound on that clock, and the caller's), `sections` and `heard` (the
agent's sound as the caller heard it), `sentences` and `voice` (which sound says which
words), `timeline` (all of it together), then what people see: `terminal`, `transcript`,
`report`, `picture`, `export`.

Calls as files: `bundle`, without numbers (`masking`), and whole or not at all (`whole`).
Calls made again: `turns` (what the caller did, and on what), `caller` (he does it again), `phone`
with its `playback` and `line` (on the bus, as an edge would), `scratch` (for an agent file that
is only tried). Two calls side by side: `exchanges`, `difference`, `diffpage`; and what is expected
of one: `expectations`.

The commands, each with its parser: `listing` with `choice`, `showing`, `exporting`, `bundling`,
`deleting`, `archiving` with its `target`, `run`, `diff` and `check`; they read from a `source`,
speak to a `screen`, and `main` runs them.
"""
