"""Evaluation and report of a table the size of a vendor's: 15,621 films, 14 findings, 3 attributes.

There is no peer that makes such a report; the times are printed, the bar is 10 s for the report.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from aiops.pipeline.run import run_stage
from aiops.pipeline.workspace import open_workspace

N, N_PATIENTS, N_FINDINGS = 15_621, 4_363, 14


def silent(done, total):
    pass


def vendor_set(folder: Path) -> Path:
    """Write scores that a program made: rare and frequent findings, films alike in a patient."""
    rng = np.random.default_rng(0)
    who = np.concatenate([np.arange(N_PATIENTS), rng.integers(0, N_PATIENTS, N - N_PATIENTS)])
    table = pd.DataFrame(
        {
            "image": [f"f{i:05}.png" for i in range(N)],
            "patient_id": [f"p{i:04}" for i in who],
            "sex": np.array(["F", "M"])[(who % 9 < 4).astype(int)],
            "age": np.clip(rng.normal(48, 17, N_PATIENTS)[who], 1, 95).round().astype(int),
            "view": rng.choice(["AP", "PA"], N),
        }
    )
    targets = []
    for k, share in enumerate(np.geomspace(0.002, 0.2, N_FINDINGS)):
        y = rng.random(N) < share
        ease = rng.normal(0, 0.7, N_PATIENTS)[who]
        logit = np.log(share / (1 - share)) + 1.6 * y + ease + rng.normal(size=N)
        table[f"label_{k}"] = y.astype(int)
        table[f"score_{k}"] = (1 / (1 + np.exp(-logit))).round(5)
        targets.append(f"  finding_{k}: {{label: label_{k}, positive: [1], score: score_{k}}}")
    table.to_csv(folder / "cases.csv", index=False)
    names = ", ".join(f"finding_{k}" for k in range(N_FINDINGS))
    config = folder / "vendor.yaml"
    config.write_text(
        "kind: experiment\nuse_case: bench-vendor\ntask: classification\n"
        "data:\n  table: cases.csv\n  case: image\n  patient: patient_id\n  modality: xray\n"
        "  attributes:\n    sex: {column: sex}\n    view: {column: view, per: case}\n"
        "    age: {column: age, bands: [0, 18, 40, 60, 80], range: [0, 110], per: case}\n"
        "targets:\n" + "\n".join(targets) + "\n"
        f"primary: {{target: [{names}], metric: roc_auc}}\n"
        "operating_point: {threshold: 0.1}\n"
        "fairness: {attributes: [sex, age, view], margin: 0.05, family: target}\n"
    )
    return config


def test_a_vendors_table_becomes_a_report(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "home"))
    workspace = open_workspace(vendor_set(tmp_path))
    seconds = {}
    for stage in ("audit", "split", "predict", "evaluate", "gate", "report"):
        start = time.perf_counter()
        run_stage(stage, workspace, silent)
        seconds[stage] = time.perf_counter() - start
    n_figures = len(pd.read_parquet(workspace.path("metrics.parquet")))
    size = workspace.path("report.html").stat().st_size / 2**20
    told = ", ".join(f"{stage} {s:.1f} s" for stage, s in seconds.items())
    print(
        f"\n{N:,} films x {N_FINDINGS} findings x 10 groups, {n_figures:,} figures with intervals: "
        f"{told}; report.html {size:.1f} MB (bar: report 10 s)"
    )
    assert workspace.path("report.html").exists()
