"""Everything that may go wrong, as one tree.

::

    RtsepError                  a fault the user can mend: the CLI prints it as one line and exits 2
    ├── ConfigError             a setting, flag, preset or recipe: unknown key, value out of range
    ├── CommandError            a request at run time that cannot be obeyed (an empty prompt)
    ├── AudioFileError          a file or stream that cannot be read or written
    ├── DeviceError             a sound card that is missing, refuses a rate, or has gone
    ├── BundleError             a model bundle that is unknown, truncated or does not fit
    ├── CodeError               codes, a header or a message that cannot be: damaged, or another model's
    └── EngineError             the running engine: a worker that died, a start twice

Each message says what happened, the value, and the way out, in one line. Anything else that is
raised is a bug and shows its traceback.
"""


class RtsepError(Exception):
    """A fault the user can mend; its message is one line."""


class ConfigError(RtsepError):
    """A setting that is unknown or out of range."""


class CommandError(RtsepError):
    """A request at run time that cannot be obeyed."""


class AudioFileError(RtsepError):
    """An audio file or stream that cannot be read or written."""


class DeviceError(RtsepError):
    """A sound card that is missing, refuses the format, or has gone."""


class BundleError(RtsepError):
    """A model bundle that is unknown, damaged, or does not match its configuration."""


class CodeError(RtsepError):
    """Codes, a header or a message that cannot be read, or belong to another model."""


class EngineError(RtsepError):
    """The running engine cannot go on, or is asked for something in the wrong state."""


STOPPED = "the engine has stopped: start it again"
"""Said of a command that nobody obeys any more."""
