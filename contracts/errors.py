"""The errors of SLIDR, divided by what to do next.

    SlidrError
    ├── BadInput        one record or file is wrong: park or report it, go on with the next
    ├── Refused         a request was understood and is not allowed: exit code 1
    ├── Misconfigured   stop; an operator must act: exit code 2
    └── Unavailable     a server does not answer: wait and try again; exit code 3 when out of patience

A message says where, what was found, what was expected, and the way out.
"""

from typing import ClassVar


class SlidrError(Exception):
    """Base of every error that SLIDR raises on purpose."""

    exit_code: ClassVar[int] = 1


class BadInput(SlidrError):
    """One record or file cannot be used. `path` names the place inside it, such as `$.cost_micros`."""

    def __init__(self, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class Refused(SlidrError):
    """The request is well formed and not allowed; the message says why and what would be."""


class Misconfigured(SlidrError):
    """Settings, topics or a release contradict what the job needs; nothing was started."""

    exit_code = 2


class Unavailable(SlidrError):
    """Kafka, Redis or the model store does not answer; the same call may succeed later."""

    exit_code = 3
