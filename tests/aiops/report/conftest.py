"""Files of a run as the report's sections take them, with made-up tables of fixed columns."""

from pathlib import Path

import jinja2
import pandas as pd
import pytest

from aiops.config import Experiment
from aiops.report import page
from aiops.report.blocks import Details, FigureRow
from aiops.report.files import RunFiles

NASTY = "<script>alert(1)</script>"

COLUMNS = {
    "disparities": "target metric attribute n_groups n_measured worst_group worst worst_low "
    "worst_high best_group best gap chance_gap chance_gap_high p_homogeneity ratio equity_scaled "
    "prespecified state reason",
    "intersections": "target metric attributes group n_patients n_cases n_positive value low high "
    "pooled pooled_low pooled_high shrinkage state reason prespecified",
    "adjusted": "target metric attribute group adjusted_for crude crude_low crude_high adjusted "
    "adjusted_low adjusted_high explained n_patients n_cases n_dropped method state reason",
    "representation": "attribute group n_patients share low high population_share ratio ratio_low "
    "ratio_high source state reason",
    "calibration": "target attribute group n_cases n_positive n_patients ece low high expected "
    "expected_high state reason",
    "calibration_bins": "target attribute group bin edge_low edge_high n_cases n_positive "
    "predicted observed low high state",
    "decision_curve": "target threshold n_cases n_patients n_positive net_benefit low high "
    "treat_all treat_none standardised state reason over_all over_all_low over_all_high "
    "over_all_state",
    "at_prevalence": "target prevalence source metric value low high n_cases n_patients state "
    "reason",
    "mitigation": "target metric attribute group before before_low before_high after after_low "
    "after_high change change_low change_high n_patients n_cases levelled_down state reason",
    "agreement": "structure quantity n_cases n_patients bias bias_low bias_high sd lower lower_low "
    "lower_high upper upper_low upper_high state reason",
}
TEXT = {"target", "metric", "attribute", "attributes", "group", "worst_group", "best_group",
        "adjusted_for", "method", "source", "structure", "quantity", "state", "reason"}  # fmt: skip


@pytest.fixture
def table():
    """Make a further table: what a row does not say is missing, and its state is ok."""

    def make(name: str, *rows: dict) -> pd.DataFrame:
        columns = COLUMNS[name].split()
        for row in rows:
            assert set(row) <= set(columns), set(row) - set(columns)
        frame = pd.DataFrame([{"state": "ok", **row} for row in rows], columns=columns)
        if "over_all_state" in columns:
            frame["over_all_state"] = "ok"
        text = [c for c in columns if c in TEXT]
        frame[text] = frame[text].astype(object).where(frame[text].notna(), "")
        return frame

    return make


@pytest.fixture
def chest():
    def make(**changes) -> Experiment:
        config = {
            "kind": "experiment",
            "use_case": "chest-effusion",
            "task": "classification",
            "data": {"table": "t.csv", "patient": "patient_id", "modality": "xray",
                     "image": "image", "attributes": {"sex": {"column": "sex"}}},
            "targets": {"effusion": {"label": "y", "positive": [1]}},
            "primary": {"target": "effusion", "metric": "roc_auc", "acceptable": 0.8},
            "operating_point": {"sensitivity": 0.9},
            "train": {"budget_minutes": 1},
            "fairness": {"attributes": ["sex"], "margin": 0.05},
        }  # fmt: skip
        return Experiment.model_validate({**config, **changes})

    return make


@pytest.fixture
def run():
    """Make the files of a run out of a few tables."""

    def make(*, is_shareable: bool = True, **given) -> RunFiles:
        metrics = pd.DataFrame(
            columns=["target", "metric", "attribute", "group", "value", "low", "high", "state",
                     "reason", "n_patients", "n_cases", "n_positive", "n_failed"]
        )  # fmt: skip
        empty = {name: pd.DataFrame() for name in ("case_metrics", "predictions", "masks", "cases")}
        told = {name: {} for name in ("audit", "fingerprint", "plan", "split", "training", "run",
                                      "gates", "evaluation")}  # fmt: skip
        own = {"metrics": metrics, "gaps": pd.DataFrame(), **empty, **told}
        tables = {name: given.pop(name) for name in list(given) if name in COLUMNS}
        return RunFiles(
            folder=Path("run"), history=(), resolved="", tables=tables,
            is_shareable=is_shareable, **{**own, **given},
        )  # fmt: skip

    return make


@pytest.fixture
def shown():
    """Return the HTML of blocks, as the one template makes it; blanks that hold are plain here."""
    template = page._environment().from_string(
        '{% import "blocks.html.j2" as show %}{% for b in blocks %}{{ show.block(b) }}{% endfor %}'
    )
    assert isinstance(template, jinja2.Template)

    def make(blocks) -> str:
        return template.render(blocks=tuple(blocks)).replace("\N{NO-BREAK SPACE}", " ")

    return make


@pytest.fixture
def kinds():
    """Return the kinds of all blocks, with those behind lines."""

    def of(blocks) -> list[str]:
        found = []
        for block in blocks:
            found.append(block.kind)
            if isinstance(block, Details):
                found += of(block.blocks)
            if isinstance(block, FigureRow):
                found += ["figure"] * len(block.figures)
        return found

    return of
