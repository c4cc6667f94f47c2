"""What an audit looks for in files: broken, doubled, displaced, mislabelled, in other units."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from aiops.config import Scalar
from aiops.data import table
from aiops.data.cases import Cases
from aiops.data.findings import Finding, finding
from aiops.data.stored import file_of, grid_difference
from aiops.data.survey import CaseFacts, ImageFacts

SCALE_GAP = 3.0
"""Cases on one scale leave no gap of this factor between the ranges of their intensities…"""
SCALE_RANGE = 10.0
"""…and differ by no more than this, even over scanners."""

ENOUGH_FILMS = 20
ALIKE = 0.5
NEGATIVE = -0.1
"""Where so many films are so alike, a film with a correlation below this is their negative."""

COMMON = 0.9
"""Share of cases with a structure from which its absence in a case is remarkable."""

SUBSET_RANK = {"test": 0, "tune": 1, "train": 2}
"""Of two copies the one with the lower rank is kept."""


def check_files(facts: Mapping[str, CaseFacts]) -> Iterator[Finding]:
    """Yield files that are missing or broken."""
    for case in facts.values():
        for code, file, detail in case.faults:
            yield finding(code, case_id=case.case_id, file=file, detail=detail)


def check_pairs(cases: Cases) -> Iterator[Finding]:
    """Yield cases whose row names no image, or no label."""
    frame = cases.frame
    for column in cases.image_columns:
        for case_id in frame.loc[frame[column].isna(), "case_id"].astype(str):
            if "label" in frame.columns:
                yield finding(
                    "UNPAIRED_LABEL",
                    case_id=case_id,
                    file=column,
                    detail=f"the column {column} is empty",
                )
            else:
                yield finding(
                    "FILE_MISSING",
                    case_id=case_id,
                    file=column,
                    detail=f"the column {column} is empty",
                )
    if "label" in frame.columns:
        for case_id in frame.loc[frame["label"].isna(), "case_id"].astype(str):
            yield finding(
                "UNPAIRED_IMAGE",
                case_id=case_id,
                file="label",
                detail="the column label is empty",
            )


def check_values(facts: Mapping[str, CaseFacts]) -> Iterator[Finding]:
    """Yield images with values that are not finite, of one value only, or of other channels."""
    channels: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for case in facts.values():
        for column, image in case.images.items():
            channels[column][image.n_channels] += 1
    usual = {column: max(n, key=lambda k: (n[k], k)) for column, n in channels.items()}
    for case in facts.values():
        for column, image in case.images.items():
            at = partial(finding, case_id=case.case_id, file=_name(image.ref))
            n_values = int(np.prod(image.shape)) * image.n_channels
            if image.n_not_finite:
                said = f"{image.n_not_finite} of {n_values} values are nan or infinite"
                yield at("IMAGE_NAN", detail=said)
            if image.minimum == image.maximum:
                yield at("IMAGE_CONSTANT", detail=f"every value is {image.minimum:g}")
            if image.n_channels != usual[column]:
                said = f"{image.n_channels} channels, the others have {usual[column]}"
                yield at("CHANNELS_DIFFER", detail=said)


def check_geometry(facts: Mapping[str, CaseFacts]) -> Iterator[Finding]:
    """Yield labels and channels that do not lie on the image's grid, and headers to distrust."""
    for case in facts.values():
        images = list(case.images.values())
        others = [(i.ref, i.shape, i.affine) for i in images[1:]]
        if case.label:
            others.append((case.label.ref, case.label.shape, case.label.affine))
        for ref, shape, affine in others if images else []:
            first = images[0]
            said = grid_difference(first.shape, first.affine, shape, affine)
            if said:
                yield finding(
                    "GEOMETRY_MISMATCH",
                    case_id=case.case_id,
                    file=_name(ref),
                    detail=f"image and {_name(ref)}: {said}",
                )
        for image in images:
            yield from _check_header(case.case_id, image)
    yield from _check_orientations(facts)
    yield from check_sizes(facts)


def _check_header(case_id: str, image: ImageFacts) -> Iterator[Finding]:
    if image.original.kind != "nifti":
        return
    at = partial(finding, case_id=case_id, file=_name(image.ref))
    if image.original.forms == (0, 0):
        yield at("ORIENTATION_UNKNOWN", detail="sform and qform code are 0")
    elif not image.original.forms_agree:
        yield at("FORMS_DIFFER", detail="sform and qform place the image differently")


def _check_orientations(facts: Mapping[str, CaseFacts]) -> Iterator[Finding]:
    stored: dict[str, list[str]] = defaultdict(list)
    for case in facts.values():
        for image in case.images.values():
            if image.original.orientation:
                stored[image.original.orientation].append(case.case_id)
    if len(stored) > 1:
        order = sorted(stored, key=lambda name: (-len(stored[name]), name))
        said = ", ".join(f"{name} ({len(stored[name])})" for name in order)
        for name in order[1:]:
            for case_id in dict.fromkeys(stored[name]):
                yield finding(
                    "ORIENTATION", case_id=case_id, detail=f"stored as {name}; in the set: {said}"
                )


def check_sizes(facts: Mapping[str, CaseFacts]) -> Iterator[Finding]:
    """Yield cases whose extent in mm is far from that of the others: another organ, say."""
    grids: dict[str, tuple[str, tuple[int, ...], tuple[float, ...]]] = {}
    for case in facts.values():
        volumes = [i for i in case.images.values() if i.original.kind == "nifti"]
        if volumes:
            grids[case.case_id] = (volumes[0].ref, volumes[0].shape, volumes[0].spacing_mm)
        elif case.label and case.label.original.kind == "nifti":
            grids[case.case_id] = (case.label.ref, case.label.shape, case.label.spacing_mm)
    if len(grids) < 3:
        return
    extents = {c: np.array(shape) * np.array(mm) for c, (_, shape, mm) in grids.items()}
    usual = np.median(np.stack(list(extents.values())), axis=0)
    spread = np.median(np.abs(np.log(np.stack(list(extents.values())) / usual)), axis=0)
    allowed = np.maximum(np.log(2.5), 8 * spread)
    for case_id, extent in extents.items():
        ref, shape, mm = grids[case_id]
        if (np.abs(np.log(extent / usual)) > allowed).any():
            said = (
                f"{'×'.join(map(str, shape))} voxels of {'×'.join(f'{s:.3g}' for s in mm)} mm "
                f"= {'×'.join(f'{e:.0f}' for e in extent)} mm, "
                f"the others about {'×'.join(f'{u:.0f}' for u in usual)} mm"
            )
            yield finding("GEOMETRY_OUTLIER", case_id=case_id, file=_name(ref), detail=said)


def check_labels(
    facts: Mapping[str, CaseFacts], structures: Mapping[str, int]
) -> Iterator[Finding]:
    """Yield labels that mark nothing, hold unknown values, or lack what nearly all have."""
    known = set(structures.values())
    labelled = [case for case in facts.values() if case.label]
    share = (
        {
            name: np.mean(
                [value in (case.label.n_voxels if case.label else {}) for case in labelled]
            )
            for name, value in structures.items()
        }
        if labelled
        else {}
    )
    for case in labelled:
        label = case.label
        assert label is not None
        at = partial(finding, case_id=case.case_id, file=_name(label.ref))
        if not label.n_voxels:
            yield at("LABEL_EMPTY", detail="every voxel is background")
        unknown = sorted(set(label.n_voxels) - known)
        if unknown and structures:
            seen = ", ".join(f"{value} ({label.n_voxels[value]} voxels)" for value in unknown[:5])
            yield at("LABEL_VALUE_UNKNOWN", detail=f"value {seen}")
        if not label.is_stored_whole:
            yield at("LABEL_NOT_INTEGER", detail=f"stored as {label.original.dtype}")
        for name, value in structures.items():
            if label.n_voxels and value not in label.n_voxels and share[name] >= COMMON:
                said = f"{name} is not marked; {share[name]:.0%} of the cases have it"
                yield at("STRUCTURE_ABSENT", detail=said)


def check_units(facts: Mapping[str, CaseFacts], modality: str) -> Iterator[Finding]:
    """Yield intensities that cannot be in one unit: a stop for CT, a note for the others."""
    first = {
        case.case_id: next(iter(case.images.values())) for case in facts.values() if case.images
    }
    if modality == "ct":
        odd = {case_id: said for case_id, image in first.items() if (said := not_hounsfield(image))}
        code = "MIXED_UNITS" if len(odd) < len(first) else "CT_NOT_HU"
        for case_id, said in odd.items():
            yield finding(
                code, severity="stop", case_id=case_id, file=_name(first[case_id].ref), detail=said
            )
        return
    ranges = {c: i.percentiles[-1] - i.percentiles[0] for c, i in first.items()}
    ranges = {case_id: width for case_id, width in ranges.items() if width > 0}
    if len(ranges) < 2 or max(ranges.values()) < SCALE_RANGE * min(ranges.values()):
        return
    order = sorted(ranges, key=lambda case_id: ranges[case_id])
    groups = [[order[0]]]
    for lower, higher in itertools.pairwise(order):
        if ranges[higher] > SCALE_GAP * ranges[lower]:
            groups.append([])
        groups[-1].append(higher)
    if len(groups) > 1:
        said = "; ".join(
            f"{len(g)} cases with a range of {ranges[g[0]]:.3g} to {ranges[g[-1]]:.3g}"
            for g in groups
        )
        yield finding("MIXED_UNITS", detail=f"{len(groups)} scales: {said}")


def check_greys(facts: Mapping[str, CaseFacts], modality: str) -> Iterator[Finding]:
    """Yield radiographs that look like the negative of the others.

    Of 466 films of the NIH this names two, both negatives; no positive comes below -0.01.
    """
    films = [(c.case_id, next(iter(c.images.values()))) for c in facts.values() if c.images]
    films = [(case_id, film) for case_id, film in films if film.thumbnail is not None]
    if modality != "xray" or len(films) < ENOUGH_FILMS:
        return
    small = np.stack([np.asarray(film.thumbnail) for _, film in films])
    usual = np.median(small, axis=0)
    usual = (usual - usual.mean()) / max(float(usual.std()), 1e-6)
    likeness = (small * usual).mean(axis=(1, 2))
    if np.median(likeness) < ALIKE:
        return
    for (case_id, film), r in zip(films, likeness, strict=True):
        if r < NEGATIVE:
            usually = np.median(likeness)
            said = f"its correlation with the usual film is {r:.2f}, that of others {usually:.2f}"
            yield finding("GREYS_INVERTED", case_id=case_id, file=_name(film.ref), detail=said)


def not_hounsfield(image: ImageFacts) -> str:
    """Say why a CT cannot be in Hounsfield units; nothing where it can.

    A crop of soft tissue alone holds no air and no fat, so a missing low end is a fault only
    beside a high end at which water itself would have to lie.
    """
    low, high = image.percentiles[0], image.percentiles[-1]
    seen = f"values from {image.minimum:.4g} to {image.maximum:.4g}"
    if image.maximum - image.minimum <= 4:
        return f"{seen}: scaled to a unit range"
    if image.minimum >= 0 and image.maximum <= 255 and image.original.dtype == "uint8":
        return f"{seen} in 8 bits: windowed"
    if low > -80 and high > 900:
        return f"{seen}, nothing as dark as fat or air: an offset of about 1000 was kept"
    return ""


def check_duplicates(
    facts: Mapping[str, CaseFacts], cases: Cases | None = None
) -> Iterator[Finding]:
    """Yield images that stand twice, inside a subset or across two.

    The finding's case is the copy to be left out: of two subsets the one outside the test.
    """
    subsets = subset_of(cases) if cases else {}
    copies: dict[tuple[str, str], list[str]] = defaultdict(list)
    for case in facts.values():
        for column, image in case.images.items():
            if image.minimum != image.maximum and not image.n_not_finite:
                copies[column, image.content].append(case.case_id)
    told: set[str] = set()
    for (column, _), group in copies.items():
        order = sorted(group, key=lambda c: (SUBSET_RANK[subsets.get(c, "train")], c))
        first_in: dict[str, str] = {}
        for case_id in order:
            subset = subsets.get(case_id, "train")
            if subset in first_in:
                code, other, where = "DUPLICATE_IMAGE", first_in[subset], ""
            elif first_in:
                code, other = "DUPLICATE_ACROSS_SUBSETS", next(iter(first_in.values()))
                where = f" ({subset} and {subsets[other]})"
            first_in.setdefault(subset, case_id)
            if case_id != order[0] and case_id not in told:
                told.add(case_id)
                said = f"the same pixels as {other}{where}"
                said += _differences(facts[case_id], facts[other], cases)
                file = _name(facts[case_id].images[column].ref)
                yield finding(code, case_id=case_id, other=other, detail=said, file=file)


def _differences(copy: CaseFacts, kept: CaseFacts, cases: Cases | None) -> str:
    """Say what is different about two copies of one image."""
    said = ""
    if cases is not None:
        rows = cases.frame[cases.frame["case_id"].isin([copy.case_id, kept.case_id])]
        if cases.patients_known and rows["patient_id"].nunique() > 1:
            said += ", under another patient"
        outcomes = [c for c in rows.columns if c.startswith("y:")]
        if outcomes and len(rows[outcomes].drop_duplicates()) > 1:
            said += ", with another outcome"
    if copy.label and kept.label and copy.label.content != kept.label.content:
        said += ", with another label"
    return said


def subset_of(cases: Cases) -> dict[str, str]:
    """Return train, tune or test for each case of a ready-made split; nothing otherwise."""
    rule = cases.experiment.split
    if rule.by != "column" or "split_column" not in cases.frame.columns:
        return {}
    column = cases.frame["split_column"]
    lists: dict[str, list[Scalar]] = {
        name: values
        for name, values in (("tune", rule.tune), ("test", rule.test))
        if isinstance(values, list)
    }
    subset = column.map(lambda _: "train").astype(object).where(column.notna(), "train")
    for name, values in lists.items():
        subset = subset.mask(table.among(column, values), name)
    return dict(zip(cases.frame["case_id"], subset, strict=True))


def _name(ref: str) -> str:
    path = file_of(ref)
    return ref[len(str(path.parent)) :].lstrip("/") if path.parent != Path() else ref
