"""`python -m edge check`: what is in the way between Twilio, this edge, Redis and the agent.

It reads the settings that the edge reads, looks at each thing from outside as its user
does, and says in one line what it saw and what to do. Secrets are used, never shown.

In reading order: `finding` (one line), `visit` (the network), `spellings` (which address a
signature was made for), `house` (Redis, workers, edges), `public` (the way that Twilio comes),
`webhook` (why a signed request is refused), `agent` (the agent service), `signed` (a signature
from Twilio's debugger), `main`.
"""
