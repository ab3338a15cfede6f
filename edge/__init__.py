"""The edge: ends Twilio's webhooks and WebSockets, and knows the bus, not the agent.

In reading order: `twilio` (the codec), `twiml` and `answers` (what Twilio is told to do), `guard`
and `desk` (who is let in), `fleet` (who else is there), `hold` (what is said when nobody serves a
call), `call` (the owner of one phone socket), `app` (the routes), `main`.
"""
