"""Errors are divided by what to do next, and the exit code says so to a script."""

import inspect

import pytest

from contracts import errors
from contracts.errors import BadInput, Misconfigured, Refused, SlidrError, Unavailable


@pytest.mark.parametrize(("kind", "code"), [(BadInput, 1), (Refused, 1), (Misconfigured, 2), (Unavailable, 3)])
def test_the_exit_code_says_what_to_do_next(kind: type[SlidrError], code: int) -> None:
    assert kind.exit_code == code


def test_the_drawn_tree_is_the_whole_tree() -> None:
    defined = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SlidrError)}
    drawn = {word for word in (errors.__doc__ or "").split() if word in defined}

    assert drawn == defined
    assert all(getattr(errors, name).__mro__[1] is SlidrError for name in defined - {"SlidrError"})


def test_bad_input_names_the_place() -> None:
    error = BadInput("too large", "$.cost_micros")

    assert (str(error), error.path) == ("too large", "$.cost_micros")
