"""Images that are equal pixel by pixel, found by a digest of each image: copies of test images among the unlabelled."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

Digest = bytes  # of one image
# STL-10 as somebody else counted it: 93.3 % of the test images have a copy, none of the labelled ones has.
PUBLISHED = (
    "7,545 of the 100,000 unlabelled images of STL-10 equal 7,463 of its 8,000 test images (93.3 %), by a public list "
    "(github.com/Shu1L0n9/SemiOccam, stl-10_duplicate_indices.csv)"
)
# Which images of the first split are also in the second.
PAIRS = (
    *(("test", "train"), ("test", "unlabeled"), ("train", "unlabeled")),
    *(("unlabeled", "test"), ("unlabeled", "train")),
)


def digest(image: np.ndarray) -> Digest:
    """Return 16 bytes that are the same for two images, contiguous uint8 of one shape, if their pixels are."""
    return hashlib.blake2b(image.data, digest_size=16).digest()


def count_duplicates(digests: Mapping[str, Sequence[Digest]]) -> dict[str, int]:
    """Count equal images by their digests in unlabeled, train and test.

    `within_X` counts the images of X that equal an earlier one of X, `X_in_Y` those of X that equal any of Y.
    """
    sets = {name: set(found) for name, found in digests.items()}
    within = {f"within_{name}": len(found) - len(sets[name]) for name, found in digests.items()}
    return within | {f"{one}_in_{other}": sum(map(sets[other].__contains__, digests[one])) for one, other in PAIRS}


def copies_sentence(duplicates: Mapping[str, int], images: Mapping[str, int]) -> str:
    """Say how many unlabelled images equal a test or a labelled one; `images` is the number of each split."""
    parts = []
    for split, kind in (("test", "test"), ("train", "labelled")):
        copies, hit, count = duplicates[f"unlabeled_in_{split}"], duplicates[f"{split}_in_unlabeled"], images[split]
        verb, some = "equals" if copies == 1 else "equal", f"{hit:,} of the {count:,} {kind} images"
        found = f"{copies:,} {verb} {some} ({100 * hit / count:.1f} %)"
        parts.append(found if copies else f"none equals one of the {count:,} {kind} images")
    if earlier := duplicates["within_unlabeled"]:
        parts.append(f"{earlier:,} {'equals' if earlier == 1 else 'equal'} an earlier unlabelled one")
    return f"of the {images['unlabeled']:,} unlabelled images {', '.join(parts)}"
