from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliumctl.errors import ChecksumMismatch
from ciliumctl.tools.checksums import is_sum, sum_for

SUM = "1e4ab49e429626cf6c6958d914248b78c9730803c2751b87627e171dc800e7bb"
OTHER = "f14e804dfee240f55525b667488fe9adca349e63e00c9af634c0beb1421ac310"
NAME = "cilium-linux-amd64.tar.gz"


@pytest.mark.parametrize(
    "text",
    [
        f"{SUM}  {NAME}\n",
        f"{SUM} *{NAME}\n",
        f"{SUM}\n",
        SUM,
        SUM.upper(),
        f"\ufeff{SUM}  {NAME}\r\n",
        f"{SUM}  ./release/{NAME}\n",
        f"SHA256 ({NAME}) = {SUM}\n",
        f"{OTHER}  other.tar.gz\n{SUM}  {NAME}\n",
        f"# sums of the release\n\n{OTHER}  {NAME}.asc\n{SUM}  {NAME}\n{SUM}  {NAME}\n",
    ],
)
def test_the_forms_that_publishers_use_are_read(text: str) -> None:
    assert sum_for(text, NAME, "x.sha256sum") == SUM


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        SUM[:63],
        SUM[:40] + "\n",
        f"{SUM[:-1]}  {NAME}",
        f"{SUM}0  {NAME}",
        f"{SUM}{NAME}",
        "<!DOCTYPE html>\n<html><body>Not Found</body></html>",
        f"<html>{SUM}</html>",
        f"{OTHER}  other.tar.gz",
        f"{SUM}  {NAME}.asc",
        f"{SUM}  {NAME}\n{OTHER}  {NAME}",
        f"{SUM}\n{OTHER}\n",
        f"{SUM}\n{OTHER}  other.tar.gz\n",
    ],
)
def test_what_does_not_name_one_sum_of_the_file_is_refused(text: str) -> None:
    with pytest.raises(ChecksumMismatch, match=r"x\.sha256sum") as caught:
        sum_for(text, NAME, "x.sha256sum")
    assert caught.value.exit_code == 6


def test_a_single_entry_counts_under_another_name_when_the_user_says_so() -> None:
    assert sum_for(f"{SUM}  renamed.tar.gz", NAME, "x", only_entry=True) == SUM
    with pytest.raises(ChecksumMismatch):
        sum_for(f"{SUM}  one\n{OTHER}  two", NAME, "x", only_entry=True)


names = st.text(
    st.characters(codec="ascii", exclude_characters="\\/\r\n\x0b\x0c\x1c\x1d\x1e", min_codepoint=33), min_size=1
)
sums = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.dictionaries(names.filter(lambda name: not name.startswith("*")), sums, min_size=1))
def test_every_file_of_a_list_gets_its_own_sum(entries: dict[str, str]) -> None:
    text = "".join(f"{value}  {name}\n" for name, value in entries.items())
    assert {name: sum_for(text, name, "x") for name in entries} == entries


@given(st.text())
def test_any_text_gives_a_sum_that_stands_in_it_or_is_refused(text: str) -> None:
    try:
        found = sum_for(text, NAME, "x")
    except ChecksumMismatch:
        return
    assert is_sum(found)
    assert found in text.lower()
