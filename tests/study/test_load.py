"""Studies: the built-in ones and one's own; every mistake is refused in one line that names the key."""

import dataclasses
import json
from pathlib import Path

import pytest

from pse_repro.config.study import Budget, Model, Subset
from pse_repro.config.toml import builtin
from pse_repro.errors import UsageError
from pse_repro.study.load import build_study, evaluations_of, load_study, without_test
from tests.support.toml_texts import changed, refused

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


def test_the_stand_in_has_the_models_and_lengths_of_full_and_never_its_numbers() -> None:
    full, whole, pair = (load_study(name) for name in ("full", "stand-in", "stand-in-pair"))
    assert (whole.models, pair.models) == (full.models, full.models[:2])
    for study in (whole, pair):
        assert (study.scale, study.gpu, study.subset, study.overrides) == ("reduced", True, Subset(), {})
        assert (study.epochs, study.folds, study.evaluations) == (full.epochs, full.folds, full.evaluations)


def test_a_study_of_ones_own_loads_with_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(STUDY, encoding="utf-8")
    study = load_study(str(path))
    assert study.models == (Model("cnn", "pse", 3.0),)
    assert study.models[0].name == "cnn-pse-3"
    assert study.subset == Subset(train=100)
    assert (study.protocols, study.evaluations, study.folds) == (("as-released",), ("finetune", "frozen"), 5)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"cnn"', '"cn"', "encoder is 'cn'; expected one of cnn, resnet, residual (did you mean cnn?)"),
        ('"cnn"', '"vit"', "encoder is 'vit'; expected one of cnn, resnet, residual"),
        ('"pse"', '"psee"', "objective is 'psee'; expected one of mse, pse, random, "),
        ('"pse"', '"psee"', " (did you mean pse?)"),
        ('"pse"', '"mse"', "sigma is 3, but mse takes none; leave it out"),
        ("sigma = 3", 'unlabeled = "all"', "models 1: unlabeled is 'all'; expected one of without-test"),
        ("epochs =", 'unlabeled = "some"\nepochs =', "unlabeled is 'some'; expected one of all, without-test"),
        ("sigma = 3", "sigma = -1", "sigma is -1; expected 0 to 96 pixels, an image's width"),
        ("sigma = 3", "sigma = nan", "models 1: sigma is nan; expected a finite number"),
        ("sigma = 3", "sigma = 1e308", "sigma is 1e+308; expected 0 to 96 pixels"),
        ("sigma = 3", "sigma = 0.3", "model cnn-pse-0.3 under protocol as-released: sigma is 0.3; kernel_support"),
        ("sigma = 3", "sigma = 0", "model cnn-pse-0 under protocol as-released: sigma is 0; kernel_support"),
        ("sigma = 3", "sigma = inf", "models 1: sigma is inf; expected a finite number"),
        ("sigma = 3", 'sigma = "3"', "sigma is '3'; expected a number"),
        ("sigma = 3", "", "sigma is missing; expected 0 to 96 pixels"),
        ("sigma = 3", "sigma = 3\nlearning_rate = 0", "models 1: learning_rate is 0; expected a finite number above 0"),
        (
            "sigma = 3",
            'sigma = 3\noptimizer = "lars"',
            "models 1: optimizer is 'lars'; expected one of adam, adamw, sgd",
        ),
        ("sigma = 3", "sigma = 3\nclip = -1", "models 1: clip is -1; expected 0 or more"),
        ("sigma = 3", "sigma = 3\nwarmup = 1", "models 1: warmup is 1; expected a number below 1"),
        (
            "sigma = 3",
            'sigma = 3\noptimizer = "adamw"',
            "model cnn-pse-3: optimizer is 'adamw' without weight_decay; give one, or take adam",
        ),
        (
            "sigma = 3",
            'sigma = 3\nlabel = "a b"',
            "label is 'a b'; expected 1 to 40 of a to z, 0 to 9, dots and dashes",
        ),
        ("train = 100", "train = 100\n[tuning]\ntries = []", "tuning: tries is []; expected 1 or more"),
        ("train = 100", "train = 100\n[tuning]\ntries = [{clip = 1}, {clip = 1}]", "tuning: a try is listed twice"),
        ("train = 100", "train = 100\n[tuning]\ntries = [{rate = 1}]", "unknown key 'rate'; expected learning_rate"),
        (
            "train = 100",
            'train = 100\n[tuning]\ntries = [{optimizer = "adamw"}]',
            "tuning: cnn-pse+try-1-3: optimizer is 'adamw' without weight_decay",
        ),
        (
            "train = 100",
            'train = 100\n[tuning]\nevaluation = "cluster"\ntries = [{clip = 1}]',
            "tuning: evaluation is 'cluster'; expected one with folds, such as linear",
        ),
        ("sigma = 3", "sigma = 3\nepochs = 0", "models 1: epochs is 0; expected a finite number above 0"),
        ("sigma = 3", "sigma = 3\nbatch = 4", "unknown key 'batch'; expected encoder, objective, sigma"),
        ("epochs = 2", "epochs = -2", "epochs is -2; expected a finite number above 0"),
        (
            "epochs = 2",
            "epochs = 99999999999999999999999",
            "epochs is 99999999999999999999999; expected 1,000,000,000,000 ",
        ),
        (
            "epochs = 2",
            "epochs = 1001",
            "1001; protocol as-released has pretrain_max_epochs 1000: give fewer",
        ),
        ("sigma = 3", "sigma = 3\nepochs = 1001", "epochs is 1001; protocol as-released has pretrain_max_epochs 1000"),
        (
            "sigma = 3",
            "sigma = 3\nbatch_size = 1000000000001",
            "; expected 1,000,000,000,000 or less",
        ),
        (
            "epochs = 2",
            "epochs = 2\nfolds = 1000000000\noverrides = {folds = 1000000000}",
            "folds is 1000000000; expected 1,000",
        ),
        ("epochs = 2", f"epochs = 2\nprotocols = {['a'] * 101}", "; expected 100 or fewer"),
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
        *(
            (
                "epochs = 2",
                f'epochs = 2\nevaluations = ["{name}"]',
                f"evaluations is '{name}'; expected, before the @, one of finetune, frozen, linear, knn, low-label-1, "
                "low-label-10, low-label-100, and after it an epoch of pre-training before the last of 2",
            )
            for name in ("linear@", "linear@0", "linear@2", "linear@01", "linear@x", "cluster@1", "linear@1@1")
        ),
        ("epochs = 2", "epochs = 2\noverrides = 5", "overrides is 5; expected a table"),
        ("epochs = 2", 'epochs = 2\noverrides = {borders = "zeros"}', "unknown key 'borders'"),
        ("epochs = 2", "epochs = 2\nmodel = 1", "unknown key 'model'"),
        ('"reduced"', '"small"', "scale is 'small'; expected one of full, reduced"),
        ("train = 100", "train = 0", "train is 0; expected a finite number above 0"),
        (
            "train = 100",
            "training = 100",
            "unknown key 'training'; expected unlabeled, train, test, held_out (did you mean train?)",
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
    ("new", "expected"),
    [
        ("[subset]\ntrain = 100", "scale is full, but subset or overrides reduce it"),
        ("learning_rate = 1e-3", "scale is full, but the model has its own learning_rate"),
        ("clip = 0", "scale is full, but the model has its own clip"),
    ],
)
def test_what_cannot_be_compared_with_published_numbers_is_not_full_scale(
    new: str, expected: str, tmp_path: Path
) -> None:
    path, full = tmp_path / "mine.toml", changed(STUDY, '"reduced"', '"full"')
    path.write_text(changed(full, "[subset]\ntrain = 100", new), encoding="utf-8")
    with pytest.raises(UsageError, match=expected):
        load_study(str(path))


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
    assert evaluations_of(dataclasses.replace(study, epochs=3), ["knn@2"])[-1] == "knn@2"
    with pytest.raises(UsageError, match="evaluation is 'clusters'; expected one of finetune, frozen, linear, knn, "):
        evaluations_of(study, ["clusters"])


def test_a_model_twice_is_refused(tmp_path: Path) -> None:
    row = STUDY[STUDY.index("[[models]]") : STUDY.index("[subset]")]
    assert "models are ['cnn-pse-3', 'cnn-pse-3']" in refused(tmp_path / "mine.toml", STUDY + row, "study")


def test_models_of_one_kind_stand_side_by_side_with_labels(tmp_path: Path) -> None:
    row = STUDY[STUDY.index("[[models]]") : STUDY.index("[subset]")]
    path = tmp_path / "mine.toml"
    path.write_text(f'{STUDY}{row}clip = 0\nlabel = "free"\n', encoding="utf-8")
    study = load_study(str(path))
    assert [model.name for model in study.models] == ["cnn-pse-3", "cnn-pse+free-3"]
    assert build_study(json.loads(json.dumps(dataclasses.asdict(study))), "record") == study


def test_a_search_is_for_one_protocol(tmp_path: Path) -> None:
    text = changed(STUDY, "epochs = 2", 'epochs = 2\nprotocols = ["as-released", "as-described"]')
    path = tmp_path / "mine.toml"
    path.write_text(f"{text}[tuning]\ntries = [{{clip = 1}}]\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"study mine: tuning under protocols .*; expected one: give --protocol"):
        load_study(str(path))


def test_a_study_has_so_many_models_at_most(tmp_path: Path) -> None:
    rows = "".join(f'[[models]]\nencoder="cnn"\nobjective="pse"\nsigma={number}\n' for number in range(4, 1_004))
    assert "models is [" in (line := refused(tmp_path / "mine.toml", STUDY + rows, "study"))
    assert line.endswith("expected 1,000 or fewer")


def test_an_epoch_of_a_budget_is_a_part_of_it_and_has_no_maximum(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(changed(STUDY, "epochs = 2", "epochs = 1001") + "[budget]\nsteps = 2_000\n", encoding="utf-8")
    assert load_study(str(path)).epochs == 1001


def test_copies_are_left_out_of_the_study_or_of_models_not_of_both(tmp_path: Path) -> None:
    path, own = tmp_path / "mine.toml", 'sigma = 3\nunlabeled = "without-test"'
    path.write_text(STUDY, encoding="utf-8")
    assert without_test(load_study(str(path))).unlabeled == "without-test"
    path.write_text(STUDY.replace("sigma = 3", own), encoding="utf-8")
    twice = "unlabeled is without-test for all models, and again for cnn-pse-3; expected it once"
    with pytest.raises(UsageError, match=twice):
        without_test(load_study(str(path)))
    path.write_text('unlabeled = "without-test"\n' + STUDY.replace("sigma = 3", own), encoding="utf-8")
    with pytest.raises(UsageError, match=twice):
        load_study(str(path))
