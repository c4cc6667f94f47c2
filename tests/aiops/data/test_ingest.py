import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aiops.data.audit import audit
from aiops.data.cases import read_cases
from aiops.data.ingest import ingest, key_file, pseudonym
from aiops.errors import DataError


@pytest.fixture
def folder(make):
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        make.volume(f"scans/images/{name}.nii.gz", rng.random((5, 5, 5)).astype(np.float32))
    for name in ("a", "b", "d"):
        make.volume(f"scans/labels/{name}.nii.gz", np.ones((5, 5, 5), np.uint8))
    (make.folder / "who.csv").write_text("case,mrn,sex\na,0017,F\nb,0018,M\nz,0019,F\n")
    return make.folder


def ingested(folder, **options):
    return ingest(
        folder / "scans",
        out=folder / "table" / "cases.csv",
        attributes=folder / "who.csv",
        case_column="case",
        patient_column="mrn",
        **options,
    )


def test_a_folder_becomes_a_table_and_what_has_no_partner_is_told(folder):
    report = ingested(folder, pseudonyms=False)
    table = pd.read_csv(folder / "table/cases.csv", dtype=str)
    assert table.columns.tolist() == ["case_id", "image", "label", "patient_id", "sex"]
    assert table["case_id"].tolist() == ["a", "b"]
    assert table["patient_id"].tolist() == ["0017", "0018"]
    assert table["image"].tolist()[0] == "../scans/images/a.nii.gz"
    assert [(f.code, f.file) for f in report.findings] == [
        ("UNPAIRED_IMAGE", "c.nii.gz"),
        ("UNPAIRED_LABEL", "d.nii.gz"),
    ]
    assert (report.n_cases, report.n_patients) == (2, 2)
    assert report.without_files == ("z",)
    lines = "\n".join(report.lines())
    assert "2 cases, 2 patients" in lines
    assert "left out: c.nii.gz: an image without a label" in lines
    assert "1 rows of attributes have no file: z" in lines
    assert report.to_dict()["key"] is None


def test_ids_become_keyed_pseudonyms(folder):
    report = ingested(folder)
    table = pd.read_csv(folder / "table/cases.csv", dtype=str)
    assert table["case_id"].str.fullmatch("c-[0-9a-f]{16}").all()
    assert table["patient_id"].str.fullmatch("p-[0-9a-f]{16}").all()
    assert pseudonym("0017", prefix="p") in set(table["patient_id"])
    assert report.key == key_file()
    assert str(report.key).startswith(os.environ["AIOPS_HOME"])
    assert stat.S_IMODE(report.key.stat().st_mode) == 0o600
    assert len(report.key.read_bytes()) == 32
    again = ingested(folder)
    assert again.key.read_bytes() == report.key.read_bytes()
    assert pd.read_csv(folder / "table/cases.csv", dtype=str).equals(table)
    assert "keep it safe" in "\n".join(report.lines())
    assert report.without_files[0].startswith("c-")


def test_another_key_gives_other_pseudonyms():
    assert pseudonym("a", b"1" * 32, prefix="p") != pseudonym("a", b"2" * 32, prefix="p")
    assert pseudonym("a", b"1" * 32, prefix="p")[2:] != pseudonym("a", b"1" * 32, prefix="c")[2:]
    assert len(pseudonym("a", b"1" * 32)) == 16


def test_what_was_ingested_can_be_read_and_audited(folder, make):
    ingested(folder)
    experiment = make.experiment(
        task="segmentation",
        targets={"organ": 1},
        primary={"target": "organ", "metric": "dice"},
        data={
            "table": "table/cases.csv",
            "patient": "patient_id",
            "image": "image",
            "label": "label",
            "modality": "mri",
        },
    )
    report = audit(read_cases(experiment, config_path=folder / "config.yaml"))
    assert report.clean
    assert (report.n_cases, report.n_patients) == (2, 2)


def test_a_set_becomes_a_table(make):
    np.savez(make.folder / "s.npz", images=np.zeros((2, 4, 4)), labels=np.array([0, 1]))
    report = ingest(make.folder / "s.npz", out=make.folder / "cases.csv", pseudonyms=False)
    table = pd.read_csv(make.folder / "cases.csv")
    assert table["image"].tolist() == ["s.npz#images[0]", "s.npz#images[1]"]
    assert report.n_patients is None


def test_names_that_could_be_formulas_are_escaped(make):
    make.film("scans/=cmd.png", np.eye(4, dtype=np.uint8))
    make.film("scans/-1.png", np.eye(4, dtype=np.uint8))
    ingest(make.folder / "scans", out=make.folder / "cases.csv", pseudonyms=False)
    text = (make.folder / "cases.csv").read_text()
    assert "'=cmd," in text
    assert "\n-1," in text


def test_an_ingest_that_cannot_be_says_why(folder):
    (folder / "who.csv").write_text("case,mrn\na,1\na,2\n")
    with pytest.raises(DataError, match="1 cases stand in more than one row: a"):
        ingested(folder)
    (folder / "who.csv").write_text("cases,mrn\na,1\n")
    with pytest.raises(DataError, match=r"'case' \(--case; did you mean 'cases'\?\)"):
        ingested(folder)
    for label in (folder / "scans/labels").iterdir():
        label.rename(label.with_name("x" + label.name))
    with pytest.raises(DataError, match="no image has a label of the same name"):
        ingest(folder / "scans", out=folder / "cases.csv")
    assert not Path(folder / "cases.csv").exists()
