"""Faults planted in a demo cohort, each of a kind that an audit has a code for."""

import gzip
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image

FOREIGN_LABEL = 5
"""A label value that no config names."""

IMPOSSIBLE_AGE = 199


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Parameters
    ----------
    code : str
        The audit's code for it.
    case_id : str
        The case it was planted in; empty where the set as a whole has it.
    other : str
        The case it stands against: of a copy, the original.
    detail : str
        What was done.
    """

    code: str
    case_id: str
    other: str
    detail: str


Spoilt = tuple[pd.DataFrame, list[Fault]]


def spoil_ct(
    folder: Path, cases: pd.DataFrame, turned: Collection[str], rng: np.random.Generator
) -> Spoilt:
    """Plant one fault of each kind in the CT cohort; return its table and the truth.

    Cases in `turned` are spared, which are stored in another orientation, and so is the rarest
    group, so that as many of it remain whatever the seed.
    """
    rarest = cases["ethnicity"].value_counts().index[-1]
    usual = cases[cases["ethnicity"].ne(rarest) & ~cases["case_id"].isin(turned)]
    victims = _victims(usual, "case_id", rng)
    cases = cases.copy()
    truth = [Fault("ORIENTATION", case, "", "stored as LPS") for case in turned]
    files = cases.set_index("case_id")

    def place(case: str, column: str) -> Path:
        return folder / str(files.loc[case, column])

    case = next(victims)
    _edit_nifti(place(case, "label"), shift_mm=12.0)
    truth.append(Fault("GEOMETRY_MISMATCH", case, "", "the label lies 12 mm beside its image"))
    case = next(victims)
    _edit_nifti(place(case, "image"), offset=1024)
    truth.append(Fault("MIXED_UNITS", case, "", "stored values, 1024 above Hounsfield units"))
    case = next(victims)
    _edit_nifti(place(case, "label"), value=FOREIGN_LABEL)
    truth.append(Fault("LABEL_VALUE_UNKNOWN", case, "", f"a part is labelled {FOREIGN_LABEL}"))
    case = next(victims)
    _edit_nifti(place(case, "label"), value=0)
    truth.append(Fault("LABEL_EMPTY", case, "", "nothing is labelled"))
    case = next(victims)
    _cut_short(place(case, "image"))
    truth.append(Fault("FILE_UNREADABLE", case, "", "the file ends half-way"))
    case = next(victims)
    cases.loc[cases["case_id"] == case, "age"] = IMPOSSIBLE_AGE
    truth.append(Fault("ATTRIBUTE_OUT_OF_RANGE", case, "", f"an age of {IMPOSSIBLE_AGE}"))
    original = next(victims)
    row = cases.loc[cases["case_id"] == original].iloc[0].copy()
    copy = f"K{len(cases) + 1:04d}"
    for column in ("image", "label"):
        target = folder / f"{column}s" / f"{copy}.nii.gz"
        target.write_bytes(place(original, column).read_bytes())
        row[column] = target.relative_to(folder).as_posix()
    row["case_id"], row["patient_id"] = copy, f"P{len(cases) + 1:05d}"
    truth.append(Fault("DUPLICATE_IMAGE", copy, original, "one CT under two patients"))
    return pd.concat([cases, row.to_frame().T], ignore_index=True), truth


def spoil_films(folder: Path, cases: pd.DataFrame, rng: np.random.Generator) -> Spoilt:
    """Plant a few faults of each kind in the wrist cohort; return its table and the truth."""
    cases, truth = cases.copy(), []
    victims = _victims(cases, "patient_id", rng)
    films = cases.groupby("patient_id", sort=False)["case_id"].apply(list)
    files = cases.set_index("case_id")["image"]

    def plant(code: str, case: str, detail: str, other: str = "") -> None:
        truth.append(Fault(code, case, other, detail))

    for _ in range(3):
        original, copy = sorted(films[next(victims)][0] for _ in range(2))
        (folder / files[copy]).write_bytes((folder / files[original]).read_bytes())
        plant("DUPLICATE_IMAGE", copy, "the film of another patient", original)
    for _ in range(2):
        case = films[next(victims)][0]
        _cut_short(folder / files[case])
        plant("FILE_UNREADABLE", case, "the file ends half-way")
    for _ in range(2):
        case = films[next(victims)][1]
        (folder / files[case]).unlink()
        plant("FILE_MISSING", case, "the file is not there")
    case = films[next(victims)][0]
    Image.new("L", (64, 64), 17).save(folder / files[case], format="PNG")
    plant("IMAGE_CONSTANT", case, "one grey all over")
    for age in (IMPOSSIBLE_AGE, -1, IMPOSSIBLE_AGE):
        patient = next(victims)
        cases.loc[cases["patient_id"] == patient, "age"] = age
        for case in films[patient]:
            plant("ATTRIBUTE_OUT_OF_RANGE", case, f"an age of {age}")
    for _ in range(4):
        patient = next(victims)
        cases.loc[cases["patient_id"] == patient, "ethnicity"] = "unknown"
        for case in films[patient]:
            plant("MISSING_DISGUISED", case, "'unknown' in the column ethnicity")
    for _ in range(2):
        patient = next(victims)
        first = cases["case_id"] == films[patient][0]
        cases.loc[first, "sex"] = (
            "male" if (cases.loc[first, "sex"] == "female").all() else "female"
        )
        one, two = films[patient][:2]
        plant("ATTRIBUTE_CONFLICT", one, "the sex differs between the patient's films", two)
    return cases, truth


def _victims(cases: pd.DataFrame, column: str, rng: np.random.Generator) -> Iterator[str]:
    """Yield names of a column in random order, none twice."""
    names = cases[column].unique()
    return iter(str(names[i]) for i in rng.permutation(len(names)))


def _cut_short(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def _edit_nifti(
    path: Path, *, shift_mm: float = 0.0, offset: int = 0, value: int | None = None
) -> None:
    """Move a volume, add to its values, or relabel: 0 wipes the label, else a part of it."""
    nifti = nib.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes()))
    array = np.asanyarray(nifti.dataobj) + np.array(offset, nifti.get_data_dtype())
    if value is not None:
        marked = np.argwhere(array > 0)
        part = marked if value == 0 else marked[: len(marked) // 10]
        array[tuple(part.T)] = value
    affine = nifti.affine.copy()
    affine[0, 3] += shift_mm
    edited = nib.Nifti1Image(array, affine)
    edited.set_sform(affine, 1)
    edited.set_qform(affine, 1)
    edited.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(edited.to_bytes(), 1, mtime=0))
