"""Demo cohorts: invented patients, invented images, and faults that are known.

Nothing is downloaded and nobody's data are in them. Beside each cases table stands ``faults.json``,
which says what was planted where, so that what an audit finds can be held against the truth.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image

from aiops.data import phantom_ct, phantom_faults, phantom_wrist
from aiops.data.phantom_people import Population, deal, draw_people
from aiops.files import write_json, write_text

CT_SCANNERS = {
    "north_1": phantom_ct.CtScanner(blur_mm=1.8, noise_hu=13.0, spacing_mm=(4.2, 5.0)),
    "north_2": phantom_ct.CtScanner(blur_mm=2.8, noise_hu=9.0, spacing_mm=(4.4, 6.0)),
    "south_1": phantom_ct.CtScanner(blur_mm=2.2, noise_hu=16.0, spacing_mm=(4.0, 6.0)),
}
"""CT scanners of the kidney cohort."""

CT_POPULATION = Population(
    ethnicity={"white": 0.55, "black": 0.39, "asian": 0.06},
    age_years=(60, 13, 24, 89),
    scanner={"north_1": 0.4, "north_2": 0.25, "south_1": 0.35},
    site_of={"north_1": "north", "north_2": "north", "south_1": "south"},
    scanner_of={},
)
"""Patients of the kidney cohort: one group is rare, so that little can be said of it."""

HARMED = "black"
"""Group of the wrist cohort that is mostly examined on the worn scanner."""

WORN_SCANNER = "south_1"
"""Scanner of the wrist cohort whose films are poor, where a bias is planted."""

WRIST_POPULATION = Population(
    ethnicity={"white": 0.44, "asian": 0.28, "black": 0.28},
    age_years=(47, 18, 17, 92),
    scanner={"north_1": 0.52, "north_2": 0.40, WORN_SCANNER: 0.08},
    site_of={"north_1": "north", "north_2": "north", WORN_SCANNER: "south"},
    scanner_of={HARMED: {"north_1": 0.12, "north_2": 0.08, WORN_SCANNER: 0.80}},
)
"""Patients of the wrist cohort."""

TUMOUR_SHARE = 0.6
FRACTURE_SHARE = 0.4
OCCULT_SHARE = 0.06
"""Share of fractures that no film shows, as in life; it keeps the best AUC below 1."""


def make_kidney_ct(folder: Path, *, seed: int, n_patients: int = 84, faults: bool = True) -> Path:
    """Write abdominal CTs with labelled kidneys and tumours, and return their cases table.

    Parameters
    ----------
    folder : Path
        Gets ``cases.csv``, ``images/``, ``labels/`` and ``faults.json``.
    seed : int
        Same seed, same bytes.
    n_patients : int, default=84
        Patients, one CT each; at least 12. A copied CT comes on top.
    faults : bool, default=True
        Plant faults.

    Returns
    -------
    Path
        ``cases.csv`` with case_id, patient_id, image, label, sex, age, ethnicity, site, scanner
        and phase.

    Raises
    ------
    ValueError
        If `n_patients` is less than 12.
    """
    if n_patients < 12:
        raise ValueError(f"n_patients={n_patients} must be at least 12")
    rng = np.random.default_rng(seed)
    cases = draw_people(CT_POPULATION, n_patients, rng)
    cases.insert(0, "case_id", [f"K{i + 1:04d}" for i in range(n_patients)])
    cases["phase"] = deal({"venous": 0.7, "nephrographic": 0.3}, n_patients, rng)
    cases.insert(2, "image", [f"images/{case}.nii.gz" for case in cases["case_id"]])
    cases.insert(3, "label", [f"labels/{case}.nii.gz" for case in cases["case_id"]])
    has_tumour = deal({"yes": TUMOUR_SHARE, "no": 1 - TUMOUR_SHARE}, n_patients, rng) == "yes"
    turned = rng.permutation(n_patients)[: max(2, n_patients // 20)]
    streams = rng.spawn(n_patients)
    for i, row in enumerate(cases.itertuples(index=False)):
        draw = streams[i]
        girth = float(np.clip(draw.normal(1.02 if row.sex == "male" else 0.96, 0.06), 0.82, 1.2))
        patient = phantom_ct.Patient(girth, bool(has_tumour[i]), str(row.phase))
        scan = phantom_ct.scan_abdomen(patient, CT_SCANNERS[str(row.scanner)], draw)
        axes = "LPS" if i in turned else "RAS"
        write_nifti(folder / str(row.image), scan.image_hu, scan.affine, axes)
        write_nifti(folder / str(row.label), scan.label, scan.affine, axes)
    truth: list[phantom_faults.Fault] = []
    if faults:
        names = [str(cases["case_id"].iloc[i]) for i in sorted(turned)]
        cases, truth = phantom_faults.spoil_ct(folder, cases, names, rng)
    return _write(folder, cases, truth)


@dataclass(frozen=True)
class _Study:
    """One examination of a wrist."""

    study_id: str
    views: tuple[str, ...]
    has_fracture: bool
    gap_mm: float | None


def make_wrist(
    folder: Path, *, seed: int, n_patients: int = 1800, bias: bool = True, faults: bool = True
) -> Path:
    """Write wrist radiographs with and without a scaphoid fracture; return their cases table.

    Parameters
    ----------
    folder : Path
        Gets ``cases.csv``, ``images/`` and ``faults.json``.
    seed : int
        Same seed, same bytes.
    n_patients : int, default=1800
        Patients; at least 40. Most have one study of two or three films.
    bias : bool, default=True
        Films of `WORN_SCANNER` are poor, and most of the group `HARMED` is examined there. With
        False that scanner is as good as the others and everything else stays the same.
    faults : bool, default=True
        Plant faults.

    Returns
    -------
    Path
        ``cases.csv``, a row per film, with case_id, study_id, patient_id, image, view, fracture,
        sex, age, ethnicity, site and scanner.

    Raises
    ------
    ValueError
        If `n_patients` is less than 40.
    """
    if n_patients < 40:
        raise ValueError(f"n_patients={n_patients} must be at least 40")
    rng = np.random.default_rng(seed)
    people = draw_people(WRIST_POPULATION, n_patients, rng)
    is_ill = np.empty(n_patients, dtype=object)
    for group in WRIST_POPULATION.ethnicity:  # the same prevalence in each group
        here = np.flatnonzero(people["ethnicity"] == group)
        is_ill[here] = deal({"yes": FRACTURE_SHARE, "no": 1 - FRACTURE_SHARE}, len(here), rng)
    streams = rng.spawn(n_patients)
    rows: list[dict[str, Any]] = []
    for i, person in enumerate(people.to_dict("records")):
        poor = bias and person["scanner"] == WORN_SCANNER
        quality = phantom_wrist.WORN if poor else phantom_wrist.SHARP
        for study in _studies(i, is_ill[i] == "yes", streams[i]):
            rows += _films(folder, person, study, quality, streams[i])
    cases = pd.DataFrame(rows)
    truth: list[phantom_faults.Fault] = []
    if faults:
        cases, truth = phantom_faults.spoil_films(folder, cases, rng)
    return _write(folder, cases, truth)


def _studies(number: int, is_ill: bool, rng: np.random.Generator) -> list[_Study]:
    """Return a patient's studies: mostly one, and of two or three films."""
    studies = []
    for k in range(2 if rng.random() < 0.06 else 1):
        views = ("pa", "oblique", "lateral")[: 3 if rng.random() < 0.3 else 2]
        occult = rng.random() < OCCULT_SHARE
        width = float(np.exp(rng.uniform(np.log(1.0), np.log(2.0))))
        gap = width if is_ill and not occult else None
        studies.append(_Study(f"S{number + 1:05d}{'ab'[k]}", views, is_ill, gap))
    return studies


def _films(
    folder: Path,
    person: Mapping[Any, Any],
    study: _Study,
    quality: phantom_wrist.Quality,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Write a study's films and return their rows."""
    wrist = phantom_wrist.grow_wrist(
        size=float(rng.normal(1.03 if person["sex"] == "male" else 0.97, 0.025)),
        density=float(np.clip(rng.normal(1.08 - 0.0016 * person["age"], 0.07), 0.75, 1.3)),
        gap_mm=study.gap_mm,
        rng=rng,
    )
    rows = []
    for view in study.views:
        case = f"{study.study_id}-{view}"
        image = f"images/{case}.png"
        write_png(folder / image, phantom_wrist.film(wrist, view, quality, rng))
        rows.append(
            {
                "case_id": case,
                "study_id": study.study_id,
                "patient_id": person["patient_id"],
                "image": image,
                "view": view,
                "fracture": int(study.has_fracture),
                **{key: person[key] for key in ("sex", "age", "ethnicity", "site", "scanner")},
            }
        )
    return rows


def write_png(path: Path, grey: np.ndarray) -> None:
    """Write an 8-bit grey image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(path, format="PNG", compress_level=1)


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray, axes: str = "RAS") -> None:
    """Write a volume given in RAS+ with its axes stored as `axes` says; same input, same bytes."""
    nifti = nib.Nifti1Image(array, affine)
    if axes != "RAS":
        ras, wanted = (nib.orientations.axcodes2ornt(codes) for codes in ("RAS", axes))
        nifti = nifti.as_reoriented(nib.orientations.ornt_transform(ras, wanted))
    nifti.set_sform(nifti.affine, 1)
    nifti.set_qform(nifti.affine, 1)
    nifti.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(nifti.to_bytes(), 1, mtime=0))


def _write(folder: Path, cases: pd.DataFrame, truth: list[phantom_faults.Fault]) -> Path:
    write_json(
        folder / "faults.json",
        {
            "about": "Faults planted by the phantom; an audit should name each.",
            "faults": [vars(fault) for fault in truth],
        },
    )
    # Last, so that a table is there only when everything it names is.
    path = folder / "cases.csv"
    write_text(path, cases.to_csv(index=False))
    return path
