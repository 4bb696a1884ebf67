from __future__ import annotations

import inspect
import re

from ciliumctl import errors


def classes() -> list[type[errors.CiliumctlError]]:
    found = [value for value in vars(errors).values() if inspect.isclass(value)]
    return [value for value in found if issubclass(value, errors.CiliumctlError)]


def test_every_error_has_an_exit_code_of_the_table() -> None:
    wrong = {error.__name__ for error in classes() if error.exit_code not in errors.EXIT_CODES}
    assert wrong == set()


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in classes()]
    assert sorted(codes) == sorted(set(codes))


def test_the_tree_at_the_top_of_the_module_is_complete_and_true() -> None:
    tree = dict(re.findall(r"[├└]── (\w+)\s+(\d+ +[\w-]+)", errors.__doc__ or ""))
    for error in classes():
        if error is errors.CiliumctlError:
            continue
        exit_code, code = tree[error.__name__].split()
        assert (int(exit_code), code) == (error.exit_code, error.code), error.__name__


def test_sigterm_is_no_exception_that_a_handler_could_swallow() -> None:
    assert not issubclass(errors.Terminated, Exception)
    assert errors.Ended.exit_code == 143
