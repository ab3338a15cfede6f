"""The edge: ends Twilio's webhooks and WebSockets, and knows the bus, not the agent.

In reading order: `twilio` (the codec), `twiml` (what Twilio is told to do), `guard`
(who is let in), `call` (the owner of one phone socket), `app` (the routes), `main`.
"""
