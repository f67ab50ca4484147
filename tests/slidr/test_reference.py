"""The reference in the docs is that of the code."""

from slidr.reference import DOCUMENT, reference


def test_the_document_is_made_from_the_code() -> None:
    assert DOCUMENT.read_text() == reference(), "run `make docs`"
