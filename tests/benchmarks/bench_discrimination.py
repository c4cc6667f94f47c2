"""Two AUCs and decision curves on 100,000 cases, each beside a plain way of doing it.

The peers of the reference are not installed here: the paired test stands beside DeLong's formula
with ranks from scipy, and the curve beside one pass over a table per threshold, the way the live
package for decision curves goes about it.
"""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, rankdata
from threadpoolctl import threadpool_limits

from evaluation import decision_curve, paired_roc_auc
from evaluation.utility import curve_of

N = 100_000
PAIRED_S, CURVE_S = 0.03, 0.01
THRESHOLDS = np.arange(1, 101) / 101


@pytest.fixture(scope="module")
def cases():
    rng = np.random.default_rng(0)
    y = rng.random(N) < 0.3
    a, b = rng.normal(size=N) + y, rng.normal(size=N) + 1.1 * y
    return y, a, b, np.arange(N), rng.integers(0, 40_000, N)


def quickest(work, times=15):
    """Return what the work gives and the seconds of one core that its quickest run took."""
    seconds = []
    with threadpool_limits(1):
        for _ in range(times):
            start = time.process_time()
            found = work()
            seconds.append(time.process_time() - start)
    return found, min(seconds)


def plain_delong(y, a, b):
    """Paired DeLong by midranks, one model after the other."""
    parts = []
    m, n = y.sum(), (~y).sum()
    for s in (a, b):
        of_all, of_ill, of_well = rankdata(s), rankdata(s[y]), rankdata(s[~y])
        above = (of_all[y] - of_ill) / n
        below = 1 - (of_all[~y] - of_well) / m
        parts.append((above.mean(), above, below))
    ill, well = (np.cov([p[i] for p in parts]) for i in (1, 2))
    total = ill / m + well / n
    se = np.sqrt(total[0, 0] + total[1, 1] - 2 * total[0, 1])
    difference = parts[1][0] - parts[0][0]
    return difference, 2 * norm.sf(abs(difference) / se)


def test_paired_delong(cases):
    y, a, b, single, shared = cases
    ours, took = quickest(lambda: paired_roc_auc(y, a, b, patient_id=single))
    (difference, p), peer = quickest(lambda: plain_delong(y, a, b), 3)
    _, clustered = quickest(lambda: paired_roc_auc(y, a, b, patient_id=shared))
    print(
        f"\npaired DeLong, {N:,}: {1e3 * took:.1f} ms; by 40,000 patients {1e3 * clustered:.1f} ms;"
        f" midranks of scipy {1e3 * peer:.1f} ms ({peer / took:.1f} times as long)"
    )
    assert ours.difference.value == pytest.approx(difference, abs=1e-12)
    assert ours.p == pytest.approx(p, rel=1e-6)
    assert max(took, clustered) <= PAIRED_S


def plain_curve(y, p):
    """Net benefit threshold by threshold from a table."""
    table = pd.DataFrame({"y": y, "p": p})
    out = []
    for t in THRESHOLDS:
        called = table["p"] >= t
        true = (called & table["y"]).mean()
        false = (called & ~table["y"]).mean()
        out.append(true - false * t / (1 - t))
    return np.array(out)


def test_decision_curve(cases):
    y, a, _, single, shared = cases
    p = 1 / (1 + np.exp(-a))
    ours, took = quickest(lambda: curve_of(y, p, THRESHOLDS).net_benefit)
    peer, plain = quickest(lambda: plain_curve(y, p), 2)
    _, alone = quickest(lambda: decision_curve(y, p, THRESHOLDS, patient_id=single))
    _, clustered = quickest(lambda: decision_curve(y, p, THRESHOLDS, patient_id=shared))
    print(
        f"\ndecision curve, {N:,} × {THRESHOLDS.size}: {1e3 * took:.1f} ms; with intervals "
        f"{1e3 * alone:.1f} ms, by 40,000 patients {1e3 * clustered:.1f} ms; threshold by "
        f"threshold {1e3 * plain:.0f} ms ({plain / took:.0f} times as long)"
    )
    assert ours == pytest.approx(peer, abs=1e-12)
    assert took <= CURVE_S
