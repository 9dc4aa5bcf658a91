"""A study as TOML, changed, and the error with which a text is refused."""

from pathlib import Path

import pytest

from pse_repro.config.protocol import load_protocol
from pse_repro.errors import UsageError
from pse_repro.study.load import load_study


def changed(text: str, old: str, new: str) -> str:
    """Return the text with one part replaced, which must occur exactly once."""
    assert text.count(old) == 1, f"{text.count(old)} times: {old}"
    return text.replace(old, new)


def refused(path: Path, text: str, what: str) -> str:
    """Return the one-line error with which a protocol or study of this text is refused."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_study(str(path)) if what == "study" else load_protocol(str(path))
    assert caught.value.exit_status == 2
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line
