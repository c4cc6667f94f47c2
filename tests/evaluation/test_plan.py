import pytest

from evaluation import EvaluationPlan


def plan(**more):
    given = {
        "task": "classification", "targets": ("a", "b"), "primary_targets": ("a",),
        "primary_metric": "roc_auc", "attributes": ("sex",),
    }  # fmt: skip
    return EvaluationPlan(**(given | more))


def test_a_plan_that_fits():
    assert plan(prespecified=("sex",), margin=0.05).family == "claim"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"primary_metric": "dice"}, "primary_metric 'dice' is no metric of task 'classification'"),
        ({"primary_targets": ("c",)}, r"primary_targets \['c'\] are none of \['a', 'b'\]"),
        ({"primary_targets": ("mean",)}, r"primary_targets \['mean'\]"),
        ({"prespecified": ("age",)}, r"prespecified \['age'\] are none of \['sex'\]"),
        ({"per_case": ("age",)}, r"per_case \['age'\]"),
        ({"unit": "film"}, r"unit \['film'\]"),
        ({"combine": "median"}, r"combine \['median'\]"),
        ({"family": "all"}, r"family \['all'\]"),
        ({"margin": 0.0}, "margin 0.0 must be above 0"),
        ({"level": 95.0}, r"level 95.0 in \(0, 1\)"),
        ({"n_boot": 10}, "n_boot 10 >= 100"),
        ({"attributes": ("failed", "sex")}, r"attributes \['failed'\] are called like columns"),
        ({"attributes": ("patient", "all")}, r"attributes \['all', 'patient'\] are called like"),
    ],
)
def test_a_plan_that_does_not_fit_says_why(more, words):
    with pytest.raises(ValueError, match=words):
        plan(**more)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"adjust_for": ("scanner",)}, r"adjust_for \['scanner'\] are none of \['age', 'sex'\]"),
        ({"reasons": {"age": "why"}}, r"reasons \['age'\] are none of \['sex'\]"),
        ({"intersections": (("sex", "site"),)}, r"intersections \['site'\] are none of"),
        ({"intersections": (("sex",),)}, "must name two attributes or more"),
        ({"intersections": (("sex", "sex"),)}, "must name two attributes or more"),
        ({"population": {"site": {"a": 1.0}}}, r"population \['site'\] are none of"),
        ({"population": {"sex": {"F": 51.0}}}, "must be shares from 0 to 1"),
        ({"population": {"sex": {"F": 0.6, "M": 0.6}}}, "adds up to 1.2"),
    ],
)
def test_what_cannot_be_looked_at_is_named(given, words):
    with pytest.raises(ValueError, match=words):
        EvaluationPlan(
            "classification", ("a",), ("a",), "roc_auc", ("sex", "age"), ("sex",), **given
        )
