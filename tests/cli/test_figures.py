"""`pse-repro demo` from the command line."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.support.tiny import write_images


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), unlabeled=5, train=10, test=10)


def ratios(table: str) -> list[float]:
    """Return the ratios of blob to noise, which two columns follow: of MSE and of PSE."""
    return [float(line.split()[-3]) for line in table.splitlines() if line.startswith(("MSE", "PSE"))]


def test_demo_draws_a_figure_and_prints_where_and_the_losses(run: Run, images: Path) -> None:
    status, out, err = run("demo", "--data", images, "--image", "4", "--sigma", "2", "--out", "new/figure.png")
    assert status == 0, err
    assert out.splitlines()[0] == "new/figure.png"
    assert Path("new/figure.png").read_bytes().startswith(b"\x89PNG")
    assert "PSE, sigma 2" in out
    assert "blurred MSE" in out
    mse, pse = ratios(out)
    assert mse == 1
    assert pse > 10


def test_demo_without_data_shows_the_embedded_sample(run: Run, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.data.choose.embedded_sample", lambda: images)
    status, out, err = run("demo")
    assert (status, out.splitlines()[0]) == (0, "demo.png")
    assert "the embedded sample" in err
    assert Path("demo.png").is_file()


def test_environment_variables_do_what_options_do(run: Run, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_option = run("demo", "--data", images, "--image", "2", "--sigma", "1", "--seed", "7", "--out", "a.svg")[1]
    given = {"DATA": str(images), "IMAGE": "2", "SIGMA": "1", "SEED": "7", "FIGURE": "b.svg"}
    for name, value in given.items():
        monkeypatch.setenv(f"PSE_REPRO_{name}", value)
    by_variable = run("demo")[1]
    assert by_variable == by_option.replace("a.svg", "b.svg")
    monkeypatch.setenv("PSE_REPRO_SEED", "8")
    assert ratios(run("demo")[1]) != ratios(by_option)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--image", "5"), 2, "image is 5; expected 0 to 4"),
        (("--image", "-1"), 2, "image is -1; expected 0 to 4"),
        (("--sigma", "-2"), 2, "sigma is -2; expected 0 to 96 pixels"),
        (("--sigma", "nan"), 2, "sigma is nan; expected 0 to 96 pixels"),
        (("--out", "figure.jpg"), 2, "figure.jpg; expected a name that ends in .png, .svg, .pdf"),
        (
            ("--out", "file/figure.png"),
            3,
            "file: Not a directory; a file is where a folder is needed: name another",
        ),
    ],
)
def test_demo_refuses_what_it_cannot_do_in_one_line(
    run: Run, images: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    Path("file").touch()
    ended, out, err = run("demo", "--data", images, *words)
    (line,) = [line for line in err.splitlines() if line.startswith("pse-repro: ")]
    assert (ended, out) == (status, "")
    assert said in line
    assert err.endswith(f"{line}\n")


def test_demo_takes_a_real_image(run: Run, real_images: Path) -> None:
    status, out, err = run("demo", "--data", real_images / "imagenet96", "--image", "5")
    assert status == 0, err
    assert ratios(out)[0] == 1
