"""Tables as people have them, given to `compare`: what is read, what is hinted at, what is refused, and the status."""

import shlex
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.support.stored_run import store_run, study

HEADER = "encoder,objective,sigma,evaluation,fold,metric,value\n"
ROW = "cnn,mse,,finetune,ensemble,top1,48.96\n"
TABLE = HEADER + ROW
WORD = "none of its rows matches a number in slides; {column} is {word!r}; expected"


def seeds(*values: float) -> str:
    """Return a table of one cell with these values, one for each seed."""
    rows = [f"{seed},cnn,mse,,finetune,1,top1,{value}\n" for seed, value in enumerate(values)]
    return f"seed,{HEADER}{''.join(rows)}"


@pytest.mark.parametrize(
    "content",
    [
        TABLE,
        "\ufeff" + TABLE,
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r"),
        "sep=,\n" + TABLE,
        "# my results\n" + TABLE,
        TABLE.replace(",", ";"),
        TABLE.replace(",", ";").replace("48.96", "48,96"),
        TABLE.replace(",", "\t"),
        HEADER.title() + ROW,
        "value,metric,fold,evaluation,sigma,objective,encoder\n48.96,top1,ensemble,finetune,,mse,cnn\n",
        TABLE.replace("\n", ",\n"),
        TABLE.replace("cnn,", "\u00a0cnn ,").replace("48.96", "48.96\u00a0"),
        TABLE.replace("48.96", "\uff14\uff18.\uff19\uff16"),
        TABLE.replace("cnn", '"cnn"').replace("top1", '"top1"'),
        TABLE.replace("48.96", "4.896e1"),
    ],
)
def test_what_can_be_read_is_compared(run: Run, content: str) -> None:
    Path("table.csv").write_bytes(content.encode())
    status, out, err = run("compare", "table.csv")
    assert (status, err) == (0, "")
    assert "slides: 147 expected values, 1 within, 0 outside, 146 missing" in out


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (TABLE.replace("48.96", "0.4896"), 1, "its scores look like fractions; top1, top2 and top4 are in percent"),
        (TABLE.replace("48.96", "1"), 1, "its scores look like fractions"),
        (seeds(45.37, 45.37, 45.37), 0, "each of its values is the same for all seeds, as if they were copies of one"),
        (seeds(45.37, 45.38, 45.37), 0, ""),
        (TABLE.replace("48.96", "nan"), 1, ""),
        (TABLE.replace("48.96", "inf"), 1, ""),
    ],
)
def test_values_that_look_wrong_are_hinted_at(run: Run, content: str, status: int, said: str) -> None:
    Path("table.csv").write_text(content)
    for format in ("table", "json", "csv"):
        ended, out, err = run("compare", "table.csv", "--format", format)
        assert (ended, bool(out)) == (status, True)
        assert (f"warning: table.csv: {said}" in err) if said else err == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER, "has no rows below its header"),
        *(
            (TABLE.replace(old, new), WORD.format(column=column, word=new) + f" {expected}")
            for column, old, new, expected in (
                ("metric", "top1", "accuracy", "top1, top2, top4, loss (did you mean top1?)"),
                ("metric", "top1", "acc", "top1, top2, top4, loss (did you mean top1?)"),
                ("metric", "top1", "Top1", "top1, top2, top4, loss (did you mean top1?)"),
                ("metric", "top1", "top-1", "top1, top2, top4, loss (did you mean top1?)"),
                ("evaluation", "finetune", "fine-tuning", "finetune, frozen (did you mean finetune?)"),
                ("fold", "ensemble", "Ensemble", "ensemble, 1, 2, 3, 4, 5 (did you mean ensemble?)"),
                ("fold", "ensemble", "mean", "ensemble, 1, 2, 3, 4, 5"),
                ("encoder", "cnn", "CNN", "cnn, resnet (did you mean cnn?)"),
                ("objective", "mse", "MSE", "mse, pse (did you mean mse?)"),
            )
        ),
        *(
            (
                f"protocol,{HEADER}{name},{ROW}",
                f"protocol is {name!r}; expected as-released (did you mean as-released?)",
            )
            for name in ("As-Released", "as_released")
        ),
        (TABLE.replace("48.96", "48.96 %"), "line 2: value is '48.96 %'; expected only the number: 48.96"),
        (TABLE.replace("48.96", "48.96 ± 0.3"), "line 2: value is '48.96 ± 0.3'; expected only the number: 48.96"),
        (TABLE.replace("48.96", "48.96 (0.3)"), "expected only the number: 48.96"),
        (HEADER + "cnn,mse,,finetune,0,top1,45.37\ncnn,mse,,finetune,1,top1,47.28\n", "fold is 0; folds count from 1"),
        (
            TABLE + ROW.replace("48.96", "49") + ROW.replace("48.96", "50"),
            "keep one of them, or add the column seed if",
        ),
        (TABLE.replace("cnn", "my\x1b[31mcnn"), r"line 2: found a control character in 'my\x1b[31mcnn'; leave it out"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_a_hint_and_status_2(run: Run, content: str, said: str) -> None:
    Path("table.csv").write_text(content, encoding="utf-8")
    status, out, err = run("compare", "table.csv")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "table.csv is in UTF-16; save it as plain text in UTF-8 (in Excel: CSV UTF-8)"),
        ("utf-16-le", "table.csv is in UTF-16; save it as plain text"),
        ("latin-1", "table.csv is not in UTF-8 (byte 64 is 0xe9); save it as plain text in UTF-8"),
    ],
)
def test_another_encoding_is_named(run: Run, encoding: str, said: str) -> None:
    Path("table.csv").write_bytes(f"protocol,{HEADER}\u00e9,{ROW}".replace("\n", "\r\n").encode(encoding))
    status, out, err = run("compare", "table.csv")
    assert (status, out, err) == (2, "", err)
    assert said in err


def test_a_table_with_a_column_for_each_metric_is_told_the_command_that_melts_it(run: Run) -> None:
    Path("my table.csv").write_text(
        HEADER.replace("metric,value", "top1,top2") + "cnn,mse,,finetune,ensemble,48.96,66.2\n"
    )
    status, _, err = run("compare", "my table.csv")
    assert (status, err.count("\n")) == (2, 1)
    command = shlex.split(err.partition("for one value per row: ")[2])
    assert command[:2] == ["python", "-c"]
    subprocess.run([sys.executable, *command[1:]], check=True)
    status, out, _ = run("compare", "long.csv")
    assert "145 missing, 0 not comparable" in out


@pytest.mark.parametrize(
    ("target", "against", "said"),
    [
        ("table.csv", "table.csv", "--against table.csv is not a run, nor one of slides, "),
        ("table.csv", ".", "--against . is not a run, nor one of slides, "),
        ("run", "table.csv", "two tables cannot be compared with each other"),
        ("table.csv", "run", "table.csv is not a run, as run is; only two runs can be compared with each other"),
        ("table.csv", "papre", "no expected table is called 'papre'; expected one of slides, "),
    ],
)
def test_two_tables_cannot_be_compared(run: Run, tmp_path: Path, target: str, against: str, said: str) -> None:
    Path("table.csv").write_text(TABLE)
    store_run(tmp_path / "run", study())
    status, out, err = run("compare", target, "--against", against)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_junit_file_of_a_table_with_strange_characters_is_xml(run: Run) -> None:
    Path("table.csv").write_text(f"protocol,{HEADER}my \ufffe\uffff run,{ROW}", encoding="utf-8")
    status, out, _ = run("compare", "table.csv", "--junit", "junit.xml")
    assert (status, "1 not comparable" in out) == (0, True)
    assert r"\uffff" in str(ET.tostring(ET.parse("junit.xml").getroot()))
