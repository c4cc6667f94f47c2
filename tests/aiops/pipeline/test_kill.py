"""`aiops train`, killed with SIGKILL and started again, ends in the bits of the unbroken run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

STAGES = ("audit", "split", "plan")


def films(folder: Path) -> Path:
    rng = np.random.default_rng(5)
    (folder / "films").mkdir(parents=True)
    rows = []
    for i in range(40):
        film = rng.normal(100, 20, (32, 32)) + 40 * (i % 2) * (np.arange(32) > 20)
        Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(folder / "films" / f"{i}.png")
        rows.append({"case_id": f"f{i}", "patient_id": i, "film": f"films/{i}.png", "ill": i % 2})
    pd.DataFrame(rows).to_csv(folder / "cases.csv", index=False)
    config = folder / "films.yaml"
    config.write_text(
        "kind: experiment\nuse_case: killed-films\ntask: classification\n"
        "data: {table: cases.csv, patient: patient_id, image: film, modality: xray}\n"
        "targets: {ill: {label: ill, positive: [1]}}\n"
        "primary: {target: ill, metric: roc_auc}\n"
        "split: {test: 0.3, tune: 0.2}\ntrain: {steps: 150, batch: 8}\n"
    )
    return config


def call(command: str, config: Path, home: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "AIOPS_HOME": str(home)}
    arguments = [sys.executable, "-m", "aiops", command, str(config)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(arguments, env=environment, **quiet)


def weights(home: Path) -> bytes:
    (path,) = home.glob("runs/*/*/model/model/weights.safetensors")
    return path.read_bytes()


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_the_unbroken_run(tmp_path):
    config = films(tmp_path / "set")
    home, broken = tmp_path / "whole", tmp_path / "broken"
    for stage in STAGES:
        assert call(stage, config, home).wait() == 0
    subprocess.run(["cp", "-r", home, broken], check=True)  # the same frozen plan
    began = time.monotonic()
    assert call("train", config, home).wait() == 0
    whole_s = time.monotonic() - began
    moments = random.Random(0)
    for _ in range(3):
        process = call("train", config, broken)
        time.sleep(moments.uniform(0.3, 0.95) * whole_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert call("train", config, broken).wait() == 0
    assert weights(broken) == weights(home)
