"""Loading of protocols and studies: every mistake is refused in one line that names the key."""

import dataclasses
import json
from importlib.resources import files
from pathlib import Path

import pytest

from pse_repro.config.protocol import Settings, Switches, load_protocol
from pse_repro.config.study import Budget, Model, Subset
from pse_repro.config.toml import builtin
from pse_repro.errors import UsageError
from pse_repro.study.load import build_study, evaluations_of, load_study

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
STUDY = """
name = "mine"
scale = "reduced"
expected = "smoke"
epochs = 2

[[models]]
encoder = "cnn"
objective = "pse"
sigma = 3

[subset]
train = 100
"""


@pytest.fixture(scope="module")
def protocol_text() -> str:
    return (Path(__file__).parents[2] / "pse_repro" / "protocols" / "as-released.toml").read_text(encoding="utf-8")


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
    both_ways = load_protocol(f"{base}+{number}+{number}")
    assert both_ways.switches == before.switches


def test_all_that_differ_turned_make_the_other_protocol() -> None:
    name = "as-released" + "".join(f"+{number}" for number in (1, 2, 4, 7, 8, 9, 12, 13, 14))
    assert load_protocol(name).switches == load_protocol("as-described").switches


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


@pytest.mark.parametrize("name", builtin("studies"))
def test_every_built_in_study_loads_under_its_own_name(name: str) -> None:
    study = load_study(name)
    assert study.name == name
    assert study.models


def test_the_smoke_quick_and_full_studies_are_there() -> None:
    assert {"smoke", "quick", "full"} <= set(builtin("studies"))


def test_full_is_the_studys_seven_rows() -> None:
    pse = [f"cnn-pse-{sigma}" for sigma in (3, 4, 5, 6)]
    assert [model.name for model in load_study("full").models] == ["cnn-mse", *pse, "resnet-mse", "resnet-pse-3"]
    assert load_study("full").scale == "full"


def test_a_study_of_ones_own_loads_with_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(STUDY, encoding="utf-8")
    study = load_study(str(path))
    assert study.models == (Model("cnn", "pse", 3.0),)
    assert study.models[0].name == "cnn-pse-3"
    assert study.subset == Subset(train=100)
    assert (study.protocols, study.evaluations, study.folds) == (("as-released",), ("finetune", "frozen"), 5)


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


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"cnn"', '"cn"', "encoder is 'cn'; expected one of cnn, resnet, residual (did you mean cnn?)"),
        ('"cnn"', '"vit"', "encoder is 'vit'; expected one of cnn, resnet, residual"),
        ('"pse"', '"psee"', "objective is 'psee'; expected one of mse, pse, random, "),
        ('"pse"', '"psee"', "supervised (did you mean pse?)"),
        ('"pse"', '"mse"', "sigma is 3, but mse takes none; leave it out"),
        ("sigma = 3", "sigma = -1", "sigma is -1; expected 0 to 96 pixels, an image's width"),
        ("sigma = 3", "sigma = nan", "models 1: sigma is nan; expected a finite number"),
        ("sigma = 3", "sigma = 1e308", "sigma is 1e+308; expected 0 to 96 pixels"),
        ("sigma = 3", "sigma = 0.3", "model cnn-pse-0.3 under protocol as-released: sigma is 0.3; kernel_support"),
        ("sigma = 3", "sigma = 0", "model cnn-pse-0 under protocol as-released: sigma is 0; kernel_support"),
        ("sigma = 3", "sigma = inf", "models 1: sigma is inf; expected a finite number"),
        ("sigma = 3", 'sigma = "3"', "sigma is '3'; expected a number"),
        ("sigma = 3", "", "sigma is missing; pse needs one, in pixels"),
        ("sigma = 3", "sigma = 3\nepochs = 0", "models 1: epochs is 0; expected a finite number above 0"),
        ("sigma = 3", "sigma = 3\nbatch = 4", "unknown key 'batch'; expected encoder, objective, sigma"),
        ("epochs = 2", "epochs = -2", "epochs is -2; expected a finite number above 0"),
        ("epochs = 2", "epochs = 2.0", "epochs is 2.0; expected a whole number"),
        ("epochs = 2", "", "key 'epochs' is missing"),
        ("epochs = 2", "epochs = 2\nfolds = 6", "folds is 6; protocol as-released has 5"),
        ("epochs = 2", 'epochs = 2\nprotocols = ["as-released", 3]', "protocols 2 is 3; expected a text"),
        ("epochs = 2", "epochs = 2\nprotocols = []", "protocols is []; expected one or more, each once"),
        ("epochs = 2", 'epochs = 2\nprotocols = "as-released"', "protocols is 'as-released'; expected a list"),
        ("epochs = 2", 'epochs = 2\nprotocols = ["as-release"]', "(did you mean as-released?)"),
        (
            "epochs = 2",
            'epochs = 2\nevaluations = ["frozen", "frozen"]',
            "evaluations is ['frozen', 'frozen']; expected",
        ),
        (
            "epochs = 2",
            'epochs = 2\nevaluations = ["froze"]',
            "evaluations is 'froze'; expected one of finetune, frozen",
        ),
        ("epochs = 2", "epochs = 2\noverrides = 5", "overrides is 5; expected a table"),
        ("epochs = 2", 'epochs = 2\noverrides = {borders = "zeros"}', "unknown key 'borders'"),
        ("epochs = 2", "epochs = 2\nmodel = 1", "unknown key 'model'"),
        ('"reduced"', '"small"', "scale is 'small'; expected one of full, reduced"),
        ("train = 100", "train = 0", "train is 0; expected a finite number above 0"),
        (
            "train = 100",
            "training = 100",
            "unknown key 'training'; expected unlabeled, train, test (did you mean train?)",
        ),
        (
            "train = 100",
            "train = 100\n[budget]\nsteps = 5\nimages = 40",
            "budget is {'steps': 5, 'images': 40, 'seconds': None}; expected exactly one of steps",
        ),
        ("train = 100", "train = 100\n[budget]", "expected exactly one of steps, images and seconds"),
        ("train = 100", "train = 100\n[budget]\nimages = 0", "images is 0; expected a finite number above 0"),
        ("train = 100", "train = 100\n[budget]\nseconds = inf", "seconds is inf; expected a finite number"),
        ("train = 100", "train = 100\n[budget]\nsteps = 2.5", "steps is 2.5; expected a whole number"),
        (
            "train = 100",
            "train = 100\n[budget]\nimage = 40",
            "unknown key 'image'; expected steps, images, seconds (did you mean images?)",
        ),
    ],
)
def test_a_mistake_in_a_study_is_refused_by_its_key(old: str, new: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(changed(STUDY, old, new), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_study(str(path))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "budget"),
    [("steps = 5", Budget(steps=5)), ("images = 2_000", Budget(images=2000)), ("seconds = 1.5", Budget(seconds=1.5))],
)
def test_a_study_has_one_budget_that_comes_back_from_its_record(tmp_path: Path, text: str, budget: Budget) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"{STUDY}\n[budget]\n{text}\n", encoding="utf-8")
    study = load_study(str(path))
    assert study.budget == budget
    recorded = json.loads(json.dumps(dataclasses.asdict(study)))
    assert build_study(recorded, "record") == study


def test_evaluations_are_the_studys_and_more_each_once() -> None:
    study = dataclasses.replace(load_study("smoke"), evaluations=("frozen", "knn"))
    assert evaluations_of(study, ()) == ("frozen", "knn")
    assert evaluations_of(study, ["cluster", "frozen", "cluster"]) == ("frozen", "knn", "cluster")
    with pytest.raises(UsageError, match="evaluation is 'clusters'; expected one of finetune, frozen, linear, knn, "):
        evaluations_of(study, ["clusters"])


def test_a_model_twice_is_refused(tmp_path: Path) -> None:
    row = STUDY[STUDY.index("[[models]]") : STUDY.index("[subset]")]
    assert "models are ['cnn-pse-3', 'cnn-pse-3']" in refused(tmp_path / "mine.toml", STUDY + row, "study")


@pytest.mark.parametrize("what", ["protocol", "study"])
def test_an_unknown_name_is_refused_with_those_that_are_known(what: str) -> None:
    load, near = (load_protocol, "as-relased") if what == "protocol" else (load_study, "smok")
    with pytest.raises(UsageError, match=rf"{what} is '{near}'; expected one of .*, or a \.toml file \(did you mean "):
        load(near)


@pytest.mark.parametrize("what", ["protocol", "study"])
def test_what_is_not_toml_or_not_text_or_not_there_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert "is not TOML" in refused(path, "name = ", what)
    path.write_bytes(b"name = '\xff'")
    load = load_study if what == "study" else load_protocol
    with pytest.raises(UsageError, match=f"{what} file .* is not TOML"):
        load(str(path))
    with pytest.raises(UsageError, match=f"{what} file .*absent.toml cannot be read: No such file"):
        load(str(tmp_path / "absent.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(UsageError, match=f"{what} file .*folder.toml cannot be read: Is a directory"):
        load(str(tmp_path / "folder.toml"))


def test_a_protocol_of_ones_own_cannot_pass_for_one_of_the_kit(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((Path(str(files("pse_repro"))) / "protocols" / "as-released.toml").read_text())
    with pytest.raises(UsageError, match="name is 'as-released', the name of a built-in protocol"):
        load_protocol(str(path))


@pytest.mark.parametrize("name", ["", "../up", "a\\\\b", ".hidden"])
def test_names_that_cannot_be_folders_are_refused(tmp_path: Path, name: str) -> None:
    text = (Path(str(files("pse_repro"))) / "protocols" / "as-released.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('"as-released"', f'"{name}"'))
    with pytest.raises(UsageError, match="expected a word without slashes"):
        load_protocol(str(tmp_path / "mine.toml"))
