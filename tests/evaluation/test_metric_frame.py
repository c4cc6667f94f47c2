import numpy as np
import pandas as pd
import pytest

from evaluation import EvaluationPlan, evaluate_classification
from evaluation.metric_frame import METRIC_NAMES, to_metric_frame

fairlearn = pytest.importorskip("fairlearn.metrics")


def predictions(n=400, **columns):
    rng = np.random.default_rng(0)
    y = rng.random(n) < 0.4
    score = np.clip(0.3 + 0.3 * y + 0.2 * rng.normal(size=n), 0, 1)
    return pd.DataFrame({
        "case_id": [f"c{i:04}" for i in range(n)],
        "patient_id": rng.integers(0, 150, n).astype(str), "split": "test", "target": "a",
        "y_true": y.astype(float), "y_score": score,
        "y_pred": (score > 0.5).astype(float), "status": "ok",
        "sex": rng.choice(["F", "M"], n), "site": rng.choice(["n", "s", "w"], n), **columns,
    })  # fmt: skip


def plan_of(**given):
    given = {"attributes": ("sex", "site"), "per_case": ("sex", "site"), **given}
    return EvaluationPlan("classification", ("a",), ("a",), "roc_auc", n_boot=100, **given)


def test_the_frame_holds_our_figures():
    table = predictions()
    table.loc[:29, "status"] = "failed"
    found = evaluate_classification(table, plan_of()).metrics
    frame = to_metric_frame(table, plan_of(), attributes=("site",))
    ours = found[found["attribute"] == "site"].pivot(
        index="group", columns="metric", values="value"
    )
    for name in METRIC_NAMES:
        assert frame.by_group[name].to_numpy() == pytest.approx(ours[name].to_numpy()), name
        overall = found[(found["attribute"] == "all") & (found["metric"] == name)]
        assert frame.overall[name] == pytest.approx(overall["value"].item())
    assert frame.by_group["count"].sum() == len(table)


def test_it_is_fairlearns_frame_where_fairlearn_is_right():
    from sklearn.metrics import roc_auc_score

    table = predictions()
    frame = to_metric_frame(table, plan_of(), attributes=("sex",))
    assert isinstance(frame, fairlearn.MetricFrame)
    rates = {"sensitivity": fairlearn.true_positive_rate,
             "specificity": fairlearn.true_negative_rate,
             "selection_rate": fairlearn.selection_rate}  # fmt: skip
    y, called = table["y_true"], table["y_pred"]
    peer = fairlearn.MetricFrame(
        metrics=rates, y_true=y, y_pred=called, sensitive_features=table["sex"]
    )
    for name in rates:
        assert frame.by_group[name].to_numpy() == pytest.approx(peer.by_group[name].to_numpy())
        assert frame.difference()[name] == pytest.approx(peer.difference()[name])
        assert frame.ratio()[name] == pytest.approx(peer.ratio()[name])
    female = table[table["sex"] == "F"]
    assert frame.by_group.loc["F", "roc_auc"] == pytest.approx(
        roc_auc_score(female["y_true"], female["y_score"])
    )


def test_case_24_undefined_is_nan_where_fairlearn_says_0():
    table = predictions(8).assign(
        y_true=[1, 1, 0, 0, 0, 0, 0, 0], y_pred=[1, 1, 0, 0, 0, 0, 0, 1], sex=list("aaaabbbb")
    )
    frame = to_metric_frame(table, plan_of(), attributes=("sex",))
    assert np.isnan(frame.by_group.loc["b", "sensitivity"])
    peer = fairlearn.MetricFrame(
        metrics=fairlearn.true_positive_rate, y_true=table["y_true"], y_pred=table["y_pred"],
        sensitive_features=table["sex"],
    )  # fmt: skip
    assert peer.by_group["b"] == 0
    assert frame.by_group.loc["b", "specificity"] == 0.75


def test_case_27_who_is_not_recorded_is_in_the_frame():
    table = predictions(60)
    table.loc[:19, "sex"] = None
    frame = to_metric_frame(table, plan_of(), attributes=("sex",))
    assert frame.by_group.loc["not recorded", "count"] == 20
    assert frame.by_group["count"].sum() == 60


def test_several_attributes_are_crossed():
    frame = to_metric_frame(predictions(), plan_of())
    assert frame.by_group.shape == (6, len(METRIC_NAMES) + 1)


def test_without_a_decision_there_are_no_rates():
    table = predictions().assign(y_pred=np.nan)
    frame = to_metric_frame(table, plan_of())
    assert list(frame.by_group.columns) == ["roc_auc", "brier", "count"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"target": "b"}, r"target \['b'\] are none of \['a'\]"),
        ({"attributes": ("age",)}, r"attributes \['age'\] are none of"),
        ({"metrics": ("tpr",)}, r"metrics \['tpr'\] are none of"),
        ({"attributes": ()}, "must name one column"),
    ],
)
def test_what_is_not_there_is_named(given, words):
    with pytest.raises(ValueError, match=words):
        to_metric_frame(predictions(20), plan_of(), **given)
