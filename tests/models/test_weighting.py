import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.weighting import UNKNOWN, Emphasis, balanced_order, balancing, reweighing

people = st.lists(st.tuples(st.sampled_from("fmu"), st.booleans()), min_size=1, max_size=60)


@given(people)
def test_after_reweighing_the_rate_is_that_of_all_in_every_group_with_both_outcomes(rows):
    group, y = np.array([g for g, _ in rows]), np.array([float(ill) for _, ill in rows])
    weights = reweighing(group, y)
    assert (weights > 0).all()
    for name in set(group):
        mine = group == name
        if len(set(y[mine])) == 2:
            assert np.average(y[mine], weights=weights[mine]) == pytest.approx(y.mean())
        else:
            assert np.average(y[mine], weights=weights[mine]) == y[mine][0]
    if all(len(set(y[group == name])) == 2 for name in set(group)):
        assert weights.mean() == pytest.approx(1)


def test_the_published_formula_by_hand():
    """10 people, 5 women of whom 2 are hired, 5 men of whom 4 are (P(hired) = 0.6)."""
    group = np.array(["f"] * 5 + ["m"] * 5)
    hired = np.array([1, 1, 0, 0, 0, 1, 1, 1, 1, 0])
    wanted = {("f", 1): 0.5 * 0.6 / 0.2, ("f", 0): 0.5 * 0.4 / 0.3,
              ("m", 1): 0.5 * 0.6 / 0.4, ("m", 0): 0.5 * 0.4 / 0.1}  # fmt: skip
    by_hand = [wanted[key] for key in zip(group, hired, strict=True)]
    assert reweighing(group, hired) == pytest.approx(by_hand)
    assert wanted[("f", 1)] == pytest.approx(1.5)
    assert wanted[("m", 0)] == pytest.approx(2.0)


def test_weights_do_not_depend_on_the_order_of_the_rows():
    rng = np.random.default_rng(0)
    group, y = rng.choice(list("abc"), 50), rng.random(50) < 0.4
    order = rng.permutation(50)
    assert np.array_equal(reweighing(group, y)[order], reweighing(group[order], y[order]))


@given(st.lists(st.integers(-1, 3), min_size=1, max_size=40).filter(lambda c: max(c) >= 0))
def test_balancing_gives_each_known_group_the_same_sum_and_leaves_the_unknown_alone(codes):
    groups = np.array(codes)
    weights = balancing(groups)
    known = groups[groups != UNKNOWN]
    sums = [weights[groups == code].sum() for code in set(known)]
    assert sums == pytest.approx([len(known) / len(set(known))] * len(sums))
    assert (weights[groups == UNKNOWN] == 1).all()
    assert weights.mean() == pytest.approx(1)


@given(
    st.lists(st.integers(-1, 3), min_size=1, max_size=30).filter(lambda c: max(c) >= 0),
    st.integers(1, 7),
    st.integers(0, 3),
)
def test_each_group_is_drawn_equally_often_and_each_of_its_cases_in_turn(codes, batch, seed):
    groups = np.array(codes)
    turns = 3
    steps = turns * len(groups)  # batch draws a step: `batch * turns` whole turns
    drawn = np.array([c for s in range(steps) for c in balanced_order(groups, batch, s, seed)])
    known = sorted(set(codes) - {UNKNOWN})
    n_known = sum(c != UNKNOWN for c in codes)
    for n_turns in range(1, batch * turns + 1):
        so_far = drawn[: n_turns * len(groups)]
        counts = [int((groups[so_far] == code).sum()) for code in known]
        assert sum(counts) == n_turns * n_known
        assert max(counts) - min(counts) <= 1
    for code in set(codes):
        mine = np.flatnonzero(groups == code)
        times = [int((drawn == case).sum()) for case in mine]
        assert max(times) - min(times) <= 1


def test_the_order_is_a_function_of_seed_and_step():
    groups = np.array([0] * 20 + [1] * 4)
    first = [balanced_order(groups, 5, step, 3) for step in range(9)]
    assert first[4:] == [balanced_order(groups, 5, step, 3) for step in range(4, 9)]
    assert first != [balanced_order(groups, 5, step, 4) for step in range(9)]
    flat = [c for cases in first for c in cases]
    assert flat == [c for step in range(15) for c in balanced_order(groups, 3, step, 3)]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: reweighing(np.array(["a"]), np.array([1, 0])), r"group \(1,\) and y \(2,\)"),
        (lambda: reweighing(np.array([]), np.array([])), "must match, and not be empty"),
        (lambda: reweighing(np.array(["a"]), np.array([2])), "y must hold 0 and 1 alone"),
        (lambda: reweighing(np.array(["a"]), np.array([np.nan])), "y must hold 0 and 1 alone"),
        (lambda: balancing(np.array([0.5])), "whole numbers, one a case"),
        (lambda: balancing(np.array([-1, -1])), "must hold codes from 0"),
        (lambda: balanced_order(np.array([], int), 1, 0, 0), "groups of 0 cases"),
        (lambda: Emphasis(weights=np.array([[-1.0]])), "of numbers >= 0"),
        (lambda: Emphasis(weights=np.array([1.0])), r"weights \(1,\) must be \(cases, outputs\)"),
        (lambda: Emphasis(groups=np.array([0, 1])).of(3, 1), "one entry per case, 3"),
        (lambda: Emphasis(weights=np.ones((2, 1))).of(2, 2), r"weights \(2, 1\) must be \(2, 2\)"),
    ],
)
def test_what_cannot_be_weighed_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_a_weight_counts_a_case_so_many_times(name):
    from models import losses

    loss = losses.build(name)
    logits = torch.tensor([[0.3], [-1.2], [2.0]])
    target = torch.tensor([[1.0], [0.0], [float("nan")]])
    twice = torch.tensor([0, 0, 1, 2])
    weighted = loss(logits, target, torch.tensor([[2.0], [1.0], [5.0]])) * 2
    assert weighted == pytest.approx(float(loss(logits[twice], target[twice]) * 3))
    alike = loss(logits, target, torch.ones(3, 1))
    assert float(alike) == float(loss(logits, target))


def test_a_loss_of_maps_takes_no_weight():
    from models import losses

    with pytest.raises(ValueError, match="a loss of maps has no findings to weigh"):
        losses.build("dice_ce")(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4), torch.ones(1, 2))


def test_emphases_are_told_apart_by_their_digest():
    groups = np.array([0, 1, 0])
    base = Emphasis(groups=groups)
    assert Emphasis().digest == ""
    assert base.digest == Emphasis(groups=groups.copy()).digest
    others = [Emphasis(groups=groups[::-1].copy() * 2), Emphasis(weights=np.ones((3, 1))),
              dataclasses.replace(base, weights=np.ones((3, 1)))]  # fmt: skip
    assert len({base.digest, *(e.digest for e in others)}) == 4
