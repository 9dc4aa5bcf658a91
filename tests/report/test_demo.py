"""The demo: errors of equal MSE, the values of losses and gradients, and the figure that shows these numbers."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import AxesImage, imread
from matplotlib.patches import Rectangle
from scipy.ndimage import gaussian_filter
from torch import Tensor

from pse_repro.commands.demo import check_sigma, choose_image
from pse_repro.data.sample.embedded import draw_split
from pse_repro.errors import UsageError
from pse_repro.loss import PSELoss, pse_loss
from pse_repro.report import demo_figure
from pse_repro.report.demo import RADIUS, SHIFT, Damage, compare_errors, losses_table
from tests.support.tiny import dataset

IMAGE = torch.from_numpy(draw_split("unlabeled", 1)[0][0] / 255)
SHOWN = compare_errors(IMAGE, 3.0, 0)
FIGURE = demo_figure.draw(SHOWN)
DRAWN = (SHOWN.blob, SHOWN.noise, SHOWN.checkered)
EACH = pytest.mark.parametrize("damage", [*DRAWN, SHOWN.white], ids=["blob", "noise", "checkered", "white"])


def smoothed(maps: Tensor, sigma: float) -> Tensor:
    """Smooth each channel with SciPy, zero outside: the slow reference for PSE's matrix products."""
    return torch.from_numpy(gaussian_filter(maps.numpy(), (0, sigma, sigma), mode="constant", truncate=4))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]]


def drawn_maps(figure: Figure) -> list[AxesImage]:
    """Return the panels of a map: residual, density and two gradients of each drawn damage."""
    images = [axes.images[0] for axes in figure.axes if axes.images]
    return [image for image in images if np.shape(image.get_array()) == IMAGE.shape[1:]]


@given(st.integers(0, 2**31), st.sampled_from([0.5, 1.0, 3.0, 6.0]), st.floats(0, 1), st.floats(0, 1))
def test_all_errors_have_the_same_mse_and_two_stay_in_range(seed: int, sigma: float, low: float, high: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = low + (high - low) * torch.rand(3, 40, 48, generator=generator, dtype=torch.float64)
    shown = compare_errors(image, sigma, seed)
    for other in (shown.noise, shown.checkered, shown.white):
        assert other.mse == pytest.approx(shown.blob.mse, rel=1e-6)
    assert shown.checkered.pse == pytest.approx(shown.blob.pse, rel=1e-6)
    assert shown.pse_ratio > 1
    for damage in (shown.blob, shown.noise):
        assert damage.reconstruction.min() >= -1e-12
        assert damage.reconstruction.max() <= 1 + 1e-12
        assert int((damage.residual > 0).any(0).sum()) == shown.wrong
        torch.testing.assert_close(damage.residual.amax(), torch.tensor(SHIFT, dtype=torch.float64))


def test_the_blob_is_a_disc_in_the_middle_and_the_seed_throws_the_noise() -> None:
    rows, columns = np.nonzero(SHOWN.blob.residual[0].numpy())
    assert (np.hypot(rows - 48, columns - 48) <= RADIUS).all()
    assert len(rows) == SHOWN.wrong == pytest.approx(np.pi * RADIUS**2, rel=0.04)
    other = compare_errors(IMAGE, 3.0, 1)
    assert torch.equal(other.blob.residual, SHOWN.blob.residual)
    assert not torch.equal(other.noise.residual, SHOWN.noise.residual)
    assert torch.equal(compare_errors(IMAGE, 3.0, 0).noise.residual, SHOWN.noise.residual)


def test_without_smoothing_pse_is_mse() -> None:
    shown = compare_errors(IMAGE, 0.0, 0)
    assert shown.checkered.blurred == pytest.approx(shown.blob.mse)
    assert shown.blob.pse == pytest.approx(shown.blob.mse)
    assert shown.pse_ratio == pytest.approx(1)


def test_noise_on_every_pixel_is_seen_by_pse_as_the_docstring_says() -> None:
    noise = torch.randn(3, 96, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noise *= (SHOWN.blob.mse / noise.square().mean()).sqrt()
    assert pse_loss(IMAGE + noise, IMAGE, 3.0).item() == pytest.approx(0.89 * SHOWN.blob.pse, rel=0.01)
    for sigma in (4.0, 6.0):
        assert pse_loss(IMAGE + noise, IMAGE, sigma).item() > compare_errors(IMAGE, sigma, 0).blob.pse


def test_errors_of_alternating_sign_are_what_tells_pse_from_the_blurred_mse() -> None:
    """The ratios to MSE at sigma 3: of the blob with alternating signs, and of white noise 2 / pi and 1 / (4 pi 9)."""
    mse = SHOWN.blob.mse
    assert (SHOWN.checkered.pse / mse, SHOWN.checkered.blurred / mse) == pytest.approx((0.659, 0.00014), rel=0.01)
    assert (SHOWN.white.pse / mse, SHOWN.white.blurred / mse) == pytest.approx((0.588, 0.0085), rel=0.05)
    for damage in (SHOWN.blob, SHOWN.noise, SHOWN.checkered, SHOWN.white):
        assert damage.blurred < damage.pse


@EACH
def test_losses_and_maps_are_the_formulas(damage: Damage) -> None:
    torch.testing.assert_close(damage.residual, (damage.reconstruction - IMAGE).abs())
    torch.testing.assert_close(damage.density, smoothed(damage.residual, 3.0))
    assert damage.mse == pytest.approx(damage.residual.square().mean().item(), rel=1e-12)
    assert damage.pse == pytest.approx(smoothed(damage.residual, 3.0).square().mean().item(), rel=1e-9)
    signed = smoothed(damage.reconstruction - IMAGE, 3.0)
    assert damage.blurred == pytest.approx(signed.square().mean().item(), rel=1e-9)


@EACH
def test_gradients_are_the_formulas_and_autograd_s(damage: Damage) -> None:
    sign, twice = (damage.reconstruction - IMAGE).sign(), 2 / IMAGE.numel()
    torch.testing.assert_close(damage.mse_gradient, twice * sign * damage.residual)
    torch.testing.assert_close(damage.pse_gradient, twice * sign * smoothed(damage.density, 3.0))
    leaf = damage.reconstruction.clone().requires_grad_()
    PSELoss(3.0, reduction="none")(leaf, IMAGE).mean().backward()
    torch.testing.assert_close(damage.pse_gradient, leaf.grad)


def test_the_panels_hold_the_maps_on_shared_colour_scales() -> None:
    expected = [
        values.abs().mean(0).numpy()
        for damage in DRAWN
        for values in (damage.residual, damage.density, damage.mse_gradient, damage.pse_gradient)
    ]
    errors, pulls = (0, pytest.approx(SHIFT)), (0, pytest.approx(2 * SHIFT / IMAGE.numel()))  # the greatest there are
    limits = [errors, errors, pulls, pulls] * 3
    for drawn, values, limit in zip(drawn_maps(FIGURE), expected, limits, strict=True):
        np.testing.assert_allclose(drawn.get_array(), values)
        assert drawn.get_clim() == limit


def test_the_figure_s_numbers_are_the_computed_ones_and_the_table_s() -> None:
    digits, table = demo_figure.digits, losses_table(SHOWN).splitlines()
    said = texts(FIGURE)
    assert any(f"{digits(SHOWN.pse_ratio)} times the PSE" in text for text in said)
    for damage in DRAWN:
        assert said.count(f"MSE {digits(damage.mse)}") == 3
        assert said.count(f"PSE {digits(damage.pse)}") == sum(digits(each.pse) == digits(damage.pse) for each in DRAWN)
        assert said.count(f"blurred {digits(damage.blurred)}") == 1
    everything = (SHOWN.blob, SHOWN.noise, SHOWN.checkered, SHOWN.white)
    for name, loss in (("MSE", "mse"), ("PSE", "pse"), ("blurred MSE", "blurred")):
        (found,) = (line.split()[-5:] for line in table if line.startswith(name))
        values = [getattr(damage, loss) for damage in everything]
        assert found == [digits(value) for value in (*values[:2], values[0] / values[1], *values[2:])]


def test_bars_are_as_long_as_the_losses() -> None:
    bars = [p.get_width() for axes in FIGURE.axes for p in axes.patches if isinstance(p, Rectangle)]
    assert bars == [value for damage in DRAWN for value in (damage.mse, damage.pse, damage.blurred)]


@pytest.mark.parametrize(("value", "text"), [(0.00309552, "0.00310"), (17.1256, "17.1"), (1, "1.00"), (317, "317")])
def test_three_digits_are_shown(value: float, text: str) -> None:
    assert demo_figure.digits(value) == text


@pytest.mark.parametrize("sigma", [0.0, 3.0, 12.3456, 96.0])
def test_no_text_is_small_clipped_or_in_another_s_way(sigma: float) -> None:
    figure = demo_figure.draw(compare_errors(IMAGE, sigma, 0))
    figure.draw_without_rendering()
    words = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    boxes = [text.get_window_extent() for text in words]
    panels = [axes.get_window_extent() for axes in figure.axes if not axes.texts or axes.images]
    assert min(float(text.get_fontsize()) for text in words) >= 8
    for place, box in enumerate(boxes):
        assert figure.bbox.x0 < box.x0 < box.x1 < figure.bbox.x1
        assert figure.bbox.y0 < box.y0 < box.y1 < figure.bbox.y1
        assert not any(box.overlaps(other) for other in [*boxes[:place], *panels])


def test_the_file_shows_all_rows_on_white_and_is_the_same_again(tmp_path: Path) -> None:
    demo_figure.write(FIGURE, tmp_path / "new" / "demo.png")
    content = (tmp_path / "new" / "demo.png").read_bytes()
    picture = imread(io.BytesIO(content), format="png")[..., :3]
    assert picture.shape[1] == 900 * 2.5
    np.testing.assert_array_equal(picture[[0, 0, -1, -1], [0, -1, 0, -1]], 1)
    for left in demo_figure.COLUMNS[1:]:
        for top in demo_figure.ROWS:
            inches = (top, top + demo_figure.PANEL), (left, left + demo_figure.PANEL)
            rows, columns = (slice(*(round(edge * demo_figure.DPI) for edge in edges)) for edges in inches)
            assert picture[rows, columns].std() > 0.001
    demo_figure.write(demo_figure.draw(SHOWN), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == content


@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")])
def test_the_suffix_says_which_kind_of_file(tmp_path: Path, suffix: str, start: bytes) -> None:
    demo_figure.write(FIGURE, tmp_path / f"demo{suffix}")
    assert (tmp_path / f"demo{suffix}").read_bytes().startswith(start)


def test_what_will_not_do_is_refused_by_name(tmp_path: Path) -> None:
    for sigma in (-1.0, float("nan"), float("inf"), 96.5):
        with pytest.raises(UsageError, match=f"sigma is {sigma:g}; expected 0 to 96"):
            check_sigma(sigma)
    with pytest.raises(UsageError, match=r"demo\.jpg; expected a name that ends in \.png, \.svg, \.pdf"):
        demo_figure.check_path(Path("demo.jpg"))
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "demo.png", tmp_path / "folder.png"):
        with pytest.raises(OSError, match=r"exists|directory"):
            demo_figure.write(FIGURE, path)


def test_images_are_counted_from_0_in_the_unlabelled_split() -> None:
    data = dataset(unlabeled=3)
    torch.testing.assert_close(choose_image(data, 0).float(), IMAGE.float())
    torch.testing.assert_close(
        choose_image(data, 2).float(), torch.from_numpy(draw_split("unlabeled", 3)[0][2] / 255).float()
    )
    for number in (-1, 3):
        with pytest.raises(UsageError, match=f"image is {number}; expected 0 to 2"):
            choose_image(data, number)
