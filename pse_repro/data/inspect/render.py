"""Formats verifications and data set summaries: tables of 80 columns for people, JSON for programs."""

import textwrap
from collections.abc import Sequence
from typing import Any

from pse_repro.data.duplicates import copies_sentence
from pse_repro.data.inspect.verify import OFFICIAL_PER_CLASS, RELEASED_FIRST, RELEASED_SIZES, Verification
from pse_repro.data.stl10 import OFFICIAL_MD5, SPLITS
from pse_repro.errors import UsageError
from pse_repro.text import table, to_json, wrapped

FORMATS = ("table", "json")
WIDTH = 80
CHANNELS = ("red", "green", "blue")


def render_verification(found: Verification, format: str = "table") -> str:
    """Format a verification; JSON follows schemas/data-verify.schema.json. UsageError for an unknown format."""
    _refuse_unknown(format)
    return to_json(verification_document(found)) if format == "json" else _verification_table(found)


def render_info(document: dict[str, Any], format: str = "table") -> str:
    """Format the summary from `info`; JSON follows schemas/data-info.schema.json. UsageError for an unknown format."""
    _refuse_unknown(format)
    return to_json(document) if format == "json" else _info_table(document)


def verification_document(found: Verification) -> dict[str, Any]:
    """Return a verification with the names of its schema."""
    return {
        "folder": str(found.folder),
        "official": found.official,
        "consistent": found.consistent,
        "exit_status": found.exit_status,
        "verdict": found.verdict,
        "problems": found.problems,
        "files": [
            {
                "name": file.name,
                "state": file.state,
                "bytes": file.bytes,
                "expected_bytes": file.expected_bytes,
                "md5": file.md5,
                "expected_md5": OFFICIAL_MD5[file.name],
            }
            for file in found.files
        ],
        "labels": [
            {
                "split": labels.split,
                "class_counts": list(labels.counts),
                "expected_class_counts": [OFFICIAL_PER_CLASS[labels.split]] * 10,
                "outside": labels.outside,
            }
            for labels in found.labels
        ],
        "folds": found.folds
        and {
            "released": found.folds.released,
            "first_validation_indices": list(found.folds.first),
            "expected_first_validation_indices": list(RELEASED_FIRST),
            "training_images": [training for training, _ in found.folds.sizes],
            "validation_images": [validation for _, validation in found.folds.sizes],
        },
        "duplicates": found.duplicates,
    }


def _verification_table(found: Verification) -> str:
    header = ["file", "state", "bytes", "expected", "MD5", "expected"]
    rows = [
        [
            *(file.name, file.state, "-" if file.bytes is None else f"{file.bytes:,}", f"{file.expected_bytes:,}"),
            *(file.md5[:8] if file.md5 else "-", OFFICIAL_MD5[file.name][:8]),
        ]
        for file in found.files
    ]
    lines = [str(found.folder), "", table(header, "llrrll", rows), ""]
    for labels in found.labels:
        expected = OFFICIAL_PER_CLASS[labels.split]
        same = set(labels.counts) == {expected}
        counts = f"{expected} each, as expected" if same else f"{_list(labels.counts)}; STL-10 has {expected} each"
        lines += wrapped(f"classes 1..10 of {labels.split}: {counts}", WIDTH)
    if found.folds and found.folds.released:
        training, validation = RELEASED_SIZES[0]
        first = f"first validation images {_list(found.folds.first)}, as in the released logs"
        lines += wrapped(f"folds: {training:,} + {validation:,} images each, {first}", WIDTH)
    if found.duplicates and found.images:
        lines += wrapped(f"copies: {copies_sentence(found.duplicates, found.images)}", WIDTH)
    # for usable images the verdict is enough, unless a file looks like a truncated STL-10
    covered = [file.problem for file in found.files if file.state != "truncated"] if found.consistent else []
    for problem in found.problems:
        lines += wrapped(problem, WIDTH) if problem not in covered else []
    return "\n".join([*lines, "", *wrapped(found.verdict, WIDTH)])


def _info_table(document: dict[str, Any]) -> str:
    splits: dict[str, dict[str, Any]] = document["splits"]
    official = "the official files" if document["official"] else "not STL-10's official files"
    blocks = [
        "\n".join([f"{document['name']}: {official}", *([document["source"]] if document["source"] else [])]),
        _files(splits),
        _values(splits),
        "sharpness: mean absolute Laplacian of the grey image (BT.601) in [0, 1]\n"
        + _duplicates(document["duplicates"], {name: split["images"] for name, split in splits.items()}),
        _classes(document),
    ]
    return "\n\n".join(blocks)


def _files(splits: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name in SPLITS:
        split = splits[name]
        rows.append([f"{name} images", f"{split['images']:,}", f"{split['bytes']:,}", split["md5_images"] or "-"])
        if split["class_counts"] is not None:
            labels = f"{split['images']:,}"  # one label, one byte
            rows.append([f"{name} labels", labels, labels, split["md5_labels"] or "-"])
    return table(["file", "count", "bytes", "MD5"], "lrrl", rows)


def _values(splits: dict[str, dict[str, Any]]) -> str:
    header = ["split", "", "mean", "std", "mean/255", "std/255", "min", "max", "grey", "sharpness"]
    rows = []
    for name in SPLITS:
        split = splits[name]
        for place, channel in enumerate(CHANNELS):
            of_split = (
                [f"{split['grey_share']:.2%}", f"{split['mean_absolute_laplacian']:.4f}"] if place == 0 else ["", ""]
            )
            rows.append(
                [
                    *(name if place == 0 else "", channel),
                    *(f"{split[key][place]:.2f}" for key in ("mean_255", "standard_deviation_255")),
                    *(f"{split[key][place]:.4f}" for key in ("mean", "standard_deviation")),
                    *(str(split[key][place]) for key in ("min_255", "max_255")),
                    *of_split,
                ]
            )
    return table(header, "llrrrrrrrr", rows)


def _duplicates(duplicates: dict[str, int], images: dict[str, int]) -> str:
    counted = [f"{count:,} {place.replace('_', ' ')}" for place, count in duplicates.items() if count]
    lines = wrapped(f"exact duplicates: {', '.join(counted) or 'none, within a split or across'}", WIDTH)
    return "\n".join([*lines, *wrapped(f"copies: {copies_sentence(duplicates, images)}", WIDTH)])


def _classes(document: dict[str, Any]) -> str:
    """Format the images per class: train, test, and the validation images of each fold of train."""
    folds = document["folds"]
    columns = [document["splits"][name]["class_counts"] for name in ("train", "test")]
    columns += [fold["validation_class_counts"] for fold in folds]
    rows = [
        [str(label), textwrap.shorten(name, 20, placeholder="..."), *map(str, counts)]
        for label, (name, *counts) in enumerate(zip(document["class_names"], *columns, strict=True), 1)
    ]
    first = [str(fold["first_validation_index"]) for fold in folds]
    header = ["", "class", "train", "test", *(f"fold {number}" for number in range(1, len(folds) + 1))]
    rows += [["", "all", *(f"{sum(counts):,}" for counts in columns)]]
    rows += [["", "first index in train", "", "", *first]] if folds else []
    return table(header, "rl" + "r" * len(columns), rows) + (
        "\nfold: its validation images (switch 11); the others are its training images" if folds else ""
    )


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _refuse_unknown(format: str) -> None:
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; expected one of {', '.join(FORMATS)}")
