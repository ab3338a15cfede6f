"""What can go wrong on the bus.

BusError
├── BusDown    Redis does not answer: nobody's fault, wait or end politely
└── Refused    Redis answered with an error: a bug of ours, or a Redis set up wrongly
"""


class BusError(Exception):
    """Something is wrong between us and Redis."""


class BusDown(BusError):
    """Redis does not answer."""


class Refused(BusError):
    """Redis answered with an error. The text is its code alone."""
