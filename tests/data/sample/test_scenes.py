import numpy as np
import pytest

from pse_repro.data.sample.scenes import EXPONENTS, SIDE, UNIFORMS, Dice, _noise_fields, paint
from pse_repro.data.sample.shapes import CLASSES, OTHERS, Pen

RNG = np.random.Generator(np.random.PCG64(0))
UNIFORMS_NK = RNG.random((3, UNIFORMS))
NORMALS_NFHW = RNG.standard_normal((3, 2, SIDE, SIDE), dtype=np.float32)


@pytest.mark.parametrize("name", [*CLASSES, *OTHERS])
def test_a_shape_stands_off_from_its_background(name: str) -> None:
    shape = {**CLASSES, **OTHERS}[name]
    images_NCHW = paint(shape, UNIFORMS_NK, NORMALS_NFHW)
    assert images_NCHW.shape == (3, 3, SIDE, SIDE)
    assert images_NCHW.dtype == np.uint8
    far_away = paint(lambda pen, vary: shape(Pen(pen.x + 9, pen.y), vary), UNIFORMS_NK, NORMALS_NFHW)
    changed = (images_NCHW != far_away).any(1).mean((1, 2))
    assert np.all((changed > 0.05) & (changed < 0.6))


def test_images_of_a_batch_do_not_meet() -> None:
    together = paint(CLASSES["cat"], UNIFORMS_NK, NORMALS_NFHW)
    for place in range(3):
        alone = paint(CLASSES["cat"], UNIFORMS_NK[place : place + 1], NORMALS_NFHW[place : place + 1])
        np.testing.assert_array_equal(alone[0], together[place])


def test_noise_has_unit_variance_and_no_imprint_of_its_twin() -> None:
    count = 64
    normals_NFHW = np.random.Generator(np.random.PCG64(1)).standard_normal((count, 2, SIDE, SIDE), dtype=np.float32)
    for place in range(len(EXPONENTS)):
        dice = Dice(np.full((count, 1), (place + 0.5) / len(EXPONENTS)))
        rough, smooth = _noise_fields(dice, normals_NFHW)
        assert np.mean(rough**2) == pytest.approx(1, abs=0.15)
        assert np.mean(smooth**2) == pytest.approx(1, abs=0.15)
        assert abs(np.mean(rough * smooth)) < 0.1
