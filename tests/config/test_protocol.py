"""Protocols: their switches and settings; every mistake is refused in one line that names the key."""

import dataclasses
from importlib.resources import files
from pathlib import Path

import pytest

from pse_repro.config.protocol import Settings, Switches, load_protocol
from pse_repro.config.toml import builtin
from pse_repro.errors import UsageError
from tests.support.toml_texts import changed, refused

SWITCHES = [
    "kernel_mass",
    "kernel_support",
    "borders",
    "pretrain_augmentation",
    "gradient_clipping",
    "pretrain_length",
    "finetuning",
    "frozen_normalisation",
    "classifier",
    "downstream_augmentation",
    "fold_order",
    "test_score",
    "ensemble_printing",
    "pretrain_batch",
]


@pytest.fixture(scope="module")
def protocol_text() -> str:
    return (Path(__file__).parents[2] / "pse_repro" / "protocols" / "as-released.toml").read_text(encoding="utf-8")


def test_both_protocols_have_the_fourteen_switches_in_order() -> None:
    assert [item.name for item in dataclasses.fields(Switches)] == SWITCHES
    assert builtin("protocols") == ["as-described", "as-released", "initial"]
    for name in builtin("protocols"):
        assert load_protocol(name).name == name


def test_each_protocol_file_numbers_its_switches_in_order() -> None:
    folder = Path(__file__).parents[2] / "pse_repro" / "protocols"
    for name in builtin("protocols"):
        lines = (folder / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        keys = [line.split(" = ")[0] for line in lines if line.split(" = ")[0] in SWITCHES]
        assert keys == SWITCHES


def test_the_protocols_differ_exactly_where_slides_and_code_do() -> None:
    protocols = [load_protocol(name) for name in ("as-released", "as-described")]
    released, described = (dataclasses.asdict(protocol.switches) for protocol in protocols)
    differ = [number for number, key in enumerate(SWITCHES, 1) if released[key] != described[key]]
    assert differ == [1, 2, 4, 7, 8, 9, 12, 13, 14]


def test_the_earlier_run_differs_downstream_only() -> None:
    initial, released = (load_protocol(name) for name in ("initial", "as-released"))
    before, after = (dataclasses.asdict(part) for part in (initial.switches, released.switches))
    assert [key for key in SWITCHES if before[key] != after[key]] == ["classifier", "downstream_augmentation"]
    before, after = (dataclasses.asdict(part) for part in (initial.settings, released.settings))
    changed = {key: value for key, value in before.items() if value != after[key]}
    assert changed == {"stopping_patience": 20, "plateau_factor": 0.95, "plateau_patience": 10}


@pytest.mark.parametrize("base", ["as-released", "as-described"])
@pytest.mark.parametrize("number", range(1, 15))
def test_a_switch_is_turned_alone_by_its_number(base: str, number: int) -> None:
    before, turned = load_protocol(base), load_protocol(f"{base}+{number}")
    assert turned.name == f"{base}+{number}"
    assert turned.settings == before.settings
    differ = [key for key in SWITCHES if getattr(turned.switches, key) != getattr(before.switches, key)]
    assert differ == [SWITCHES[number - 1]]
    with pytest.raises(UsageError, match=r"a switch is turned twice; expected each number once"):
        load_protocol(f"{base}+{number}+{number}")


def test_all_that_differ_turned_make_the_other_protocol() -> None:
    name = "as-released" + "".join(f"+{number}" for number in (1, 2, 4, 7, 8, 9, 12, 13, 14))
    assert load_protocol(name).switches == load_protocol("as-described").switches


@pytest.mark.parametrize("path", ["c++/mine.toml", "c++7/a+b.toml"])
def test_a_path_may_have_a_plus(path: str, tmp_path: Path) -> None:
    text = (Path(str(files("pse_repro"))) / "protocols" / "as-released.toml").read_text()
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(text.replace('"as-released"', '"mine"'))
    assert load_protocol(str(tmp_path / path)).name == "mine"
    assert load_protocol(f"{tmp_path / path}+7+2").name == "mine+7+2"


@pytest.mark.parametrize("number", ["0", "15", "x", ""])
def test_a_switch_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(UsageError, match=r"switch is '.*'; expected a number from 1 to 14"):
        load_protocol(f"as-released+{number}")


def test_the_protocols_share_their_settings() -> None:
    assert load_protocol("as-released").settings == load_protocol("as-described").settings
    assert load_protocol("as-released").settings == Settings(
        learning_rate=1e-4,
        batch_size=128,
        validation_fraction=0.15,
        pretrain_max_epochs=1000,
        pretrain_clip_norm=1.0,
        folds=5,
        downstream_max_epochs=1000,
        downstream_clip_norm=0.5,
        stopping_patience=50,
        plateau_factor=0.9,
        plateau_patience=40,
    )


def test_overrides_replace_settings() -> None:
    released = load_protocol("as-released")
    faster = load_protocol("as-released", {"learning_rate": 1, "folds": 3})
    assert faster.settings == dataclasses.replace(released.settings, learning_rate=1.0, folds=3)
    assert faster.switches == released.switches
    assert load_protocol("as-released") == released


@pytest.mark.parametrize("switch", SWITCHES)
def test_overrides_never_replace_switches(switch: str) -> None:
    value = getattr(load_protocol("as-described").switches, switch)
    with pytest.raises(UsageError, match=f"protocol as-released, overrides: unknown key '{switch}'"):
        load_protocol("as-released", {switch: value})


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"folds": 1}, "folds is 1; expected 2 or more"),
        ({"batch_size": 0}, "batch_size is 0; expected a finite number above 0"),
        ({"batch_size": 2.5}, "batch_size is 2.5; expected a whole number"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0; expected a number below 1"),
        ({"learning_rat": 1.0}, "unknown key 'learning_rat'"),
    ],
)
def test_wrong_overrides_are_refused(overrides: dict[str, object], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_protocol("as-released", overrides)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('borders = "zeros"', 'border = "zeros"', "unknown key 'border'; expected kernel_mass, "),
        ('borders = "zeros"', 'border = "zeros"', "(did you mean borders?)"),
        ('borders = "zeros"', "", "key 'borders' is missing"),
        (
            'borders = "zeros"',
            'borders = "zero"',
            "borders is 'zero'; expected one of zeros, reflect, replicate, circular",
        ),
        ('borders = "zeros"', 'borders = "zero"', "(did you mean zeros?)"),
        ('borders = "zeros"', "borders = 0", "borders is 0; expected one of zeros"),
        ("gradient_clipping = true", 'gradient_clipping = "yes"', "gradient_clipping is 'yes'; expected true or false"),
        ("gradient_clipping = true", "gradient_clipping = 1", "gradient_clipping is 1; expected true or false"),
        ("batch_size = 128", "batch_size = 12.8", "batch_size is 12.8; expected a whole number"),
        ("batch_size = 128", "batch_size = true", "batch_size is True; expected a whole number"),
        ("batch_size = 128", "batch_size = -128", "batch_size is -128; expected a finite number above 0"),
        ("batch_size = 128", "batch_size = [128]", "batch_size is [128]; expected a whole number"),
        ("learning_rate = 1e-4", "learning_rate = nan", "learning_rate is nan; expected a finite number"),
        ("learning_rate = 1e-4", "learning_rate = inf", "learning_rate is inf; expected a finite number"),
        ("learning_rate = 1e-4", "learning_rate = true", "learning_rate is True; expected a number"),
        ("learning_rate = 1e-4", "learning_rate = 0", "learning_rate is 0; expected a finite number above 0"),
        ("learning_rate = 1e-4", 'learning_rate = "1e-4"', "learning_rate is '1e-4'; expected a number"),
        (
            "validation_fraction = 0.15",
            "validation_fraction = 1.5",
            "validation_fraction is 1.5; expected a number below 1",
        ),
        ("plateau_factor = 0.9", "plateau_factor = 1.0", "plateau_factor is 1.0; expected a number below 1"),
        ("plateau_factor = 0.9", "plateau_factor = 2020-01-01", "plateau_factor is ['2020-01-01']; expected a number"),
        ("folds = 5", "folds = 1", "folds is 1; expected 2 or more"),
        ('name = "as-released"', "name = 3", "name is 3; expected a text"),
        ('name = "as-released"', "", "key 'name' is missing"),
        ('name = "as-released"', "name = 2020-01-01", "name is ['2020-01-01']; expected a text"),
        ("[switches]", "[switch]", "unknown key 'switch'; expected name, switches, settings (did you mean switches?)"),
        ("[settings]", "[[settings]]", "expected a table of keys"),
        ("[settings]", "[settings", "is not TOML"),
    ],
)
def test_a_mistake_in_a_protocol_is_refused_by_its_key(
    old: str, new: str, expected: str, protocol_text: str, tmp_path: Path
) -> None:
    assert expected in refused(tmp_path / "mine.toml", changed(protocol_text, f"\n{old}", f"\n{new}"), "protocol")


def test_a_protocol_of_ones_own_cannot_pass_for_one_of_the_kit(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((Path(str(files("pse_repro"))) / "protocols" / "as-released.toml").read_text())
    with pytest.raises(UsageError, match="name is 'as-released', the name of a built-in protocol"):
        load_protocol(str(path))
