"""Why a command could not be done, each in a sentence for people.

Unable
├── NoSuchRecording    there is nothing (left) of this call
├── BadBundle          a file is no bundle, damaged, or of another version
└── Away               Redis does not answer
"""


class Unable(Exception):
    """It cannot be done. The text says why, and what to do."""


class NoSuchRecording(Unable, LookupError):
    """There is nothing (left) of this call."""


class BadBundle(Unable, ValueError):
    """This file cannot be read as a bundle."""


class Away(Unable):
    """Redis does not answer."""
