"""Everything that can go wrong through input rather than through a bug.

The command line prints the message of an `McError` and exits with its status; any other exception is a bug and keeps
its traceback.
"""


class McError(Exception):
    """Base of all errors that a user can cause and mend."""

    exit_status = 2
    """Of the command that ends with it: 2 for bad input, 1 for a run that broke down."""


class ScenarioError(McError):
    """A scenario that cannot be read or cannot work; its message lists every fault at once."""


class StabilityError(McError):
    """Numbers outside what a method can do: names the limit, the value and what to change."""


class ResourceError(McError):
    """A run that the machine has no room for: names what is needed and what there is."""


class DeviceError(McError):
    """A device that is not there, or cannot do what a run needs: names what to take instead."""


class RecordingError(McError):
    """A result file that is not ours, of another version, unfinished, or in the way."""


class SweepError(McError):
    """A sweep that cannot go on: the folder of another one, no scheduler, workers that do not see the files."""


class LostSchedulerError(SweepError):
    """The scheduler of a sweep is gone in its middle."""

    exit_status = 1


class LedgerError(McError):
    """Ions or charge were lost or made: names the first offending time. The run stops."""

    exit_status = 1


class NumericalError(McError):
    """A number of a run overflowed or is none any more: names the time, the quantity and a likely cause."""

    exit_status = 1
