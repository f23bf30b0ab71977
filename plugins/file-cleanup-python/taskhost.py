"""What the SDK does for plugins in Rust, as far as this one needs it: to be copied into a plugin of your own.

Parameters are checked by the host: a task sees values of their type, within their bounds.
"""

import contextlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Optional

from componentize_py_types import Err, Ok
from wit_world.exports import task
from wit_world.imports import files, report

# How many items of a stream are read with one call of the host.
AT_ONCE = 1024

KINDS = {
    "text": (task.ParameterType_Text, task.Value_Text),
    "integer": (task.ParameterType_Integer, task.Value_Integer),
    "number": (task.ParameterType_Number, task.Value_Number),
    "boolean": (task.ParameterType_Boolean, task.Value_Boolean),
    "duration": (task.ParameterType_Duration, task.Value_Duration),
    "size": (task.ParameterType_Size, task.Value_Size),
    "texts": (task.ParameterType_Texts, task.Value_Texts),
}

# How a run ends when a call failed, by the error's case; any other is a failure of the task's.
ENDINGS = {
    "Refused": task.FailureKind.REFUSED,
    "OverBudget": task.FailureKind.OVER_BUDGET,
    "Unavailable": task.FailureKind.UNAVAILABLE,
    "TimedOut": task.FailureKind.TIMED_OUT,
}


@dataclass
class Parameter:
    """What an operator may set. A duration is in seconds, a size in bytes."""

    name: str
    kind: str
    summary: str
    default: Any = None
    required: bool = False
    minimum: Optional[float] = None
    maximum: Optional[float] = None


@dataclass
class Slot:
    """A place that the operator binds. `why` is what is read before granting it."""

    name: str
    capability: str
    access: list
    why: str
    optional: bool = False


def description(name, version, summary, parameters, slots, memory=None):
    """What `describe` returns."""

    def described(parameter):
        kind, value = KINDS[parameter.kind]
        default = None if parameter.default is None else value(parameter.default)
        return task.Parameter(
            parameter.name,
            kind(),
            parameter.summary,
            default,
            parameter.required,
            parameter.minimum,
            parameter.maximum,
        )

    return task.Description(
        name,
        version,
        summary,
        [described(parameter) for parameter in parameters],
        [task.Slot(slot.name, slot.capability, slot.access, slot.optional, slot.why) for slot in slots],
        memory,
    )


def values(parameters, arguments):
    """The arguments of a run, by name with `_`; none for what was not given."""
    given = {argument.name: argument.value.value for argument in arguments}
    return SimpleNamespace(**{p.name.replace("-", "_"): given.get(p.name) for p in parameters})


@contextlib.contextmanager
def failure(doing=None, invalid=None):
    """Turns the error of a call into the failure that ends the run, with what was being done before its message.

    With `invalid`, an error of that case means that the parameters make no sense.
    """
    try:
        yield
    except Err as error:
        said = error.value
        if invalid is not None:
            if not isinstance(said, invalid):
                raise
            kind, message = task.FailureKind.INVALID_PARAMETERS, said.value
        elif isinstance(said, task.Failure):
            kind, message = said.kind, said.message
        else:
            kind = ENDINGS.get(type(said).__name__.partition("_")[2], task.FailureKind.FAILED)
            message = said.value
        words = doing() if callable(doing) else doing
        raise Err(task.Failure(kind, f"{words}: {message}" if words else message)) from None


class Stream:
    """The items of a stream one by one, read many at a time. After the last, `end` is what the host says of them."""

    def __init__(self, items, end):
        self.items = items
        self.future = end
        self.batch = iter(())
        self.end = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        for item in self.batch:
            return item
        while not self.items.writer_dropped:
            self.batch = iter(await self.items.read(AT_ONCE))
            for item in self.batch:
                return item
        match await self.future.read():
            case Ok(end):
                self.end = end
            case Err(error):
                raise Err(error)
        raise StopAsyncIteration


async def stream(call):
    """The stream that a call returns together with its end."""
    return Stream(*await call)


def walk_filter(
    include=(),
    exclude=(),
    kinds=(),
    older_than=None,
    newer_than=None,
    larger_than=None,
    smaller_than=None,
    max_depth=None,
    closed_only=False,
):
    """What to walk over; all files unless more is said."""
    lists = list(include), list(exclude), list(kinds)
    return files.Filter(*lists, older_than, newer_than, larger_than, smaller_than, max_depth, closed_only)


def warning(subject, title, detail="", remedy=None):
    """Reports something that someone should look at."""
    report.add_finding(report.Finding(report.Severity.WARNING, subject, title, detail, remedy))


def metric(name, value, unit=report.Unit.NONE, subject=None):
    """Reports something that was measured."""
    report.add_metric(report.Metric(name, subject, float(value), unit, None, None))


def count(number):
    """With a comma between thousands: `1,250,000`."""
    return f"{number:,}"


def counted(number, thing):
    """`1 table`, `3 tables`."""
    return f"{count(number)} {thing}{'' if number == 1 else 's'}"


def size(number):
    """As the host writes it: `3.4 MiB`, `64 MiB`, `12 B`."""
    for unit, factor in [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]:
        if number >= factor:
            return f"{number // factor} {unit}" if number % factor == 0 else f"{number / factor:.1f} {unit}"
    return f"{number} B"
