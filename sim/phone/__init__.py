"""A stand-in for the carrier: rings a webhook, follows TwiML, speaks and listens as a caller.

In reading order:

    playback           what the caller hears of what the server sends
    wire, twiml        the media stream's messages, and the documents that lead to it
    caller, track      what the caller does, and what can befall it on the way
    webhook, handshake the signed HTTP requests, and the signed WebSocket
    stream, reports    one media stream, and what the carrier tells on the side
    call, record       one whole call, and the ground truth of it
    recording, cli     WAV files, and `python -m sim phone`

The first three rows, and `record`, have neither clock nor socket.
"""
