"""A run folder as the stages leave it, small enough to be made anew in each test."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from aiops.governance import basis
from aiops.governance.policy import policy_sha256, read_policy

CONFIG: dict[str, Any] = {
    "kind": "experiment",
    "use_case": "chest-effusion",
    "task": "classification",
    "data": {
        "table": "${AIOPS_DATA}/chest/cases.csv",
        "patient": "patient_id",
        "image": "file",
        "modality": "xray",
        "attributes": {"sex": {"column": "sex"}},
    },
    "targets": {"effusion": {"label": "label_Effusion", "positive": [1]}},
    "primary": {"target": "effusion", "metric": "roc_auc", "acceptable": 0.8},
    "train": {"budget_minutes": 1},
    "fairness": {"attributes": ["sex"], "margin": 0.05},
}


@dataclass(frozen=True)
class Facts:
    """What a run found; each test changes what it is about."""

    value: float = 0.9
    low: float = 0.85
    high: float = 0.94
    state: str = "ok"
    verdicts: tuple[str, str] = ("adequate", "adequate")
    n_patients: tuple[int, int] = (200, 180)
    n_needed: float = float("nan")
    audit_state: str = "note"
    audit_reason: str = ""
    reading: int = 1
    attributes: bool = True


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "home"))
    if "AIOPS_DATA" not in os.environ:  # configs of made runs name it; nothing there is read
        monkeypatch.setenv("AIOPS_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "home"


@pytest.fixture
def attested(tmp_path: Path) -> dict[str, Any]:
    """What a secretary adds to an approval at G4: who wrote it, the minutes, who was there."""
    minutes = tmp_path / "minutes.txt"
    minutes.write_text("The board met and agreed.")
    present = ("Dr Cho: cso", "Dr Lee: clinical lead", "Dr May: fairness reviewer")
    return {"author": "Ana", "attested_by": "The secretary", "minutes": minutes,
            "attendees": present}  # fmt: skip


@pytest.fixture
def make_run(home: Path) -> Callable[..., Path]:
    """Write a run folder; keywords are of `Facts`, or blocks of the config to replace."""

    def make(name: str = "2026-11-22-0a1b2c3d", **changes: Any) -> Path:
        blocks = {k: changes.pop(k) for k in list(changes) if k in {*CONFIG, "tracking"}}
        config = {k: v for k, v in {**CONFIG, **blocks}.items() if v is not None}
        folder = home / "runs" / config["use_case"] / name
        folder.mkdir(parents=True)
        write_run(folder, config, Facts(**changes))
        return folder

    return make


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store to copy: making its tables takes seconds."""
    from aiops import tracking

    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIOPS_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracking.check_connection()
    return folder / "mlflow.db"


@pytest.fixture
def client(empty_store: Path, home: Path) -> Iterator[Any]:
    """A new store in AIOPS_HOME, seen through MLflow's own client."""
    from aiops import tracking

    home.mkdir()
    shutil.copy(empty_store, home / "mlflow.db")
    with tracking._store() as opened:
        yield opened


def write_run(folder: Path, config: dict[str, Any], facts: Facts) -> None:
    (folder / "resolved.yaml").write_text(yaml.safe_dump(config))
    target, metric = config["primary"]["target"], config["primary"]["metric"]
    run = {
        "run_name": folder.name,
        "use_case": config["use_case"],
        "hash": folder.name[-8:],
        "mlflow_run_id": None,
        "created": "2026-11-22T10:00:00+00:00",
        "environment": {"python": "3.11"},
        "stages": {"train": {"inputs": {}, "outputs": {}, "seconds": 36.0}},
    }
    code = {
        "severity": "stop" if facts.audit_state != "note" else "note",
        "meaning": "an image is constant",
        "n": 2,
        "state": facts.audit_state,
        "reason": facts.audit_reason,
    }
    audit = {
        "codes": {"CONSTANT_IMAGE": code},
        "findings": [{"code": "CONSTANT_IMAGE", "case_id": "case-7", "file": "case-7.png"}],
        "n_cases": 400,
        "n_patients": 380,
        "excluded_cases": {},
        "clean": facts.audit_state != "stop",
    }
    primary = {
        "target": target,
        "metric": metric,
        "value": facts.value,
        "low": facts.low,
        "high": facts.high,
        "n_patients": sum(facts.n_patients),
        "n_cases": sum(facts.n_patients) + 20,
        "n_positive": 60,
        "n_failed": 0,
        "state": facts.state,
    }
    verdicts = [v for v in ("concern", "insufficient evidence") if v in facts.verdicts]
    evaluation = {
        "task": config["task"],
        "use_case": config["use_case"],
        "unit": "case",
        "verdict": {
            "overall": (verdicts or ["adequate"])[0],
            "by_attribute": {},
            "sentence": "Said in one sentence.",
        },
        "primary": [primary],
        "seal": {
            "hash": "5" * 64,
            "reading": facts.reading,
            "shared": {"patients": 380, "known": 0, "share": 0.0, "readings": 0, "untold": 0},
        },
        "predictions_sha256": "9" * 64,
        "split": "test",
        "patients_known": True,
    }
    contents = {"run": run, "audit": audit, "evaluation": evaluation}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    metrics_of(primary, facts).to_parquet(folder / "metrics.parquet")
    gaps_of(target, metric, facts).to_parquet(folder / "gaps.parquet")


def metrics_of(primary: dict[str, Any], facts: Facts) -> pd.DataFrame:
    common = {"task": "classification", "split": "test", "operating_point": "", "n_failed": 0}
    overall = {**common, **primary, "attribute": "all", "group": "all", "reason": ""}
    groups = [
        {**overall, "attribute": "sex", "group": group, "n_patients": n, "n_cases": n,
         "n_positive": min(n, 30)}
        for group, n in zip(("female", "male"), facts.n_patients, strict=True)
    ]  # fmt: skip
    more = {**overall, "metric": "brier", "value": 0.1, "low": 0.08, "high": 0.12}
    return pd.DataFrame([overall, more, *(groups if facts.attributes else [])])


def gaps_of(target: str, metric: str, facts: Facts) -> pd.DataFrame:
    bounds = {"adequate": (-0.02, 0.03), "concern": (-0.12, -0.03)}
    rows = []
    for i, group in enumerate(("female", "male")):
        low, high = bounds.get(facts.verdicts[i], (-0.2, 0.1))
        rows.append(
            {
                "target": target,
                "metric": metric,
                "attribute": "sex",
                "group": group,
                "versus": "rest",
                "value": (low + high) / 2,
                "low": low,
                "high": high,
                "low_simultaneous": low,
                "high_simultaneous": high,
                "p_adjusted": np.nan,
                "chance_gap": 0.01,
                "minimum_detectable": 0.04,
                "margin": 0.05,
                "verdict": facts.verdicts[i],
                "prespecified": True,
                "n_patients": facts.n_patients[i],
                "n_cases": facts.n_patients[i],
                "n_positive": 30,
                "n_needed": facts.n_needed,
                "reason": "",
            }
        )
    frame = pd.DataFrame(rows)
    exploratory = frame.assign(metric="brier", verdict="", prespecified=False)
    return pd.concat([frame, exploratory] if facts.attributes else [frame.iloc[:0]])


MADE_UP = {
    "outcome": "pass",
    "file": "",
    "value": "made for a test",
    "figures": [],
    "threshold": "",
    "reason": "",
    "would_decide": "bring it",
}


@pytest.fixture
def answer_gates(monkeypatch):
    """Let every step's gate answer pass, but for the items that are named undecided."""

    def answer(*undecided: str) -> None:
        def answered(step, case, run_dir):
            policy = read_policy(step.policy)
            checks = dict.fromkeys(undecided, "document") | {i.id: i.check for i in policy.items}
            open_items = {n: {"outcome": "undecided", "reason": "not there"} for n in undecided}
            return {
                "policy": step.policy,
                "policy_version": policy.version,
                "policy_sha256": policy_sha256(policy),
                "policy_text": policy.model_dump(mode="json"),
                "valid_months": policy.valid_months,
                "outcome": "undecided" if undecided else "pass",
                "items": [
                    {**MADE_UP, "id": n, "check": check, **open_items.get(n, {})}
                    for n, check in checks.items()
                ],
                "evaluated": {},
            }

        monkeypatch.setattr(basis, "answered", answered)

    return answer


@pytest.fixture
def made_up():
    """Tell whether the evidence of a decision is that of `answer_gates`."""
    return lambda evidence: all(item["value"] == MADE_UP["value"] for item in evidence)
