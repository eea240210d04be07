"""Everything that can go wrong through input rather than through a bug.

The command line prints the message of an `McError` and exits with status 2; any other exception is a bug and
keeps its traceback.
"""


class McError(Exception):
    """Base of all errors that a user can cause and mend."""


class ScenarioError(McError):
    """A scenario that cannot be read or cannot work; its message lists every fault at once."""


class StabilityError(McError):
    """Numbers outside what a method can do: names the limit, the value and what to change."""


class RecordingError(McError):
    """A result file that is not ours, of another version, unfinished, or in the way."""


class LedgerError(McError):
    """Ions or charge were lost or made: names the first offending time. The run stops."""
