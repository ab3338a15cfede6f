"""Everything that somebody may try who is not Twilio, done to a real edge: what each attack got.

In reading order: `fort` (what is attacked, and what the attackers know), `attack` (how one is
told), `webhooks`, `sockets` and `floods` (the attacks), `siege` (all of them done, one after the
other), `report`, `main`.

An attack has failed if it got the answer that it should, and if neither a key at Redis nor an agent
socket was made for it. The worker behind the edge is real, so that who gets in does get an agent.
"""
