"""A film is what the rays lose: the closed forms hold, and views differ as they do in life."""

import numpy as np
import pytest

from aiops.data import phantom_wrist as wrist
from aiops.data.phantom_people import Population, deal, draw_people


def depth_of_gap(view: str, width_mm: float, seed: int) -> float:
    """Return the largest darkening that a fracture makes on the fine grid."""
    pair = [
        wrist.grow_wrist(size=1, density=1, gap_mm=gap, rng=np.random.default_rng(seed))
        for gap in (None, width_mm)
    ]
    turn = wrist._turn(np.deg2rad(wrist.VIEWS[view]), 0.0)
    whole, broken = (wrist._way(one, turn, np.zeros(2)) for one in pair)
    return float((whole - broken).max())


def test_a_fracture_is_seen_best_from_the_front():
    seeds = range(12)
    mean = {view: np.mean([depth_of_gap(view, 1.5, s) for s in seeds]) for view in wrist.VIEWS}
    assert mean["pa"] > mean["lateral"]
    assert mean["oblique"] > mean["lateral"]


def test_a_wider_gap_takes_more_away():
    assert depth_of_gap("pa", 3.0, 0) >= depth_of_gap("pa", 1.0, 0) > 0


def test_chord_of_a_sphere_is_its_closed_form():
    radius = 10.0
    ball = wrist.Bone("flesh", np.zeros(3), np.eye(3) / radius**2)
    person = wrist.Wrist((), ball, 1.0, None)
    rows, columns, loss = wrist._loss(ball, person, np.eye(3), np.zeros(2))
    y, x = wrist._place(rows)[:, None], wrist._place(columns)[None, :]
    expected = 2 * np.sqrt(np.maximum(radius**2 - x**2 - y**2, 0)) * wrist._SOFT
    np.testing.assert_allclose(loss, expected, atol=2e-3)


def test_gap_that_the_beam_runs_in_is_the_whole_chord():
    fracture = wrist.Fracture(normal=np.array([1.0, 0, 0]), width_mm=2.0, offset_mm=0.0)
    u, chord = np.array([[0.0, 0.9, 1.1]]), np.full((1, 3), 8.0)
    gap = wrist._gap(fracture, np.eye(3), (u, np.zeros((1, 1)), np.zeros((1, 3))), chord)
    assert gap.tolist() == [[8.0, 8.0, 0.0]]


def test_gap_that_the_beam_crosses_is_its_width():
    fracture = wrist.Fracture(normal=np.array([0, 0, 1.0]), width_mm=2.0, offset_mm=0.0)
    zeros = np.zeros((1, 1))
    gap = wrist._gap(fracture, np.eye(3), (zeros, zeros, zeros), np.full((1, 1), 8.0))
    assert gap[0, 0] == pytest.approx(2.0)


@pytest.mark.parametrize("view", wrist.VIEWS)
def test_a_film_is_grey_and_not_constant(view):
    rng = np.random.default_rng(0)
    one = wrist.grow_wrist(size=1, density=1, gap_mm=None, rng=rng)
    film = wrist.film(one, view, wrist.SHARP, rng)
    assert film.shape == (wrist.SIZE, wrist.SIZE)
    assert film.dtype == np.uint8
    assert film.std() > 20


def test_people_are_dealt_in_exact_shares():
    population = Population(
        ethnicity={"a": 0.75, "b": 0.25},
        age_years=(50, 40, 18, 90),
        scanner={"s": 1.0},
        site_of={"s": "north", "t": "south"},
        scanner_of={"b": {"s": 0.2, "t": 0.8}},
    )
    people = draw_people(population, 200, np.random.default_rng(0))
    assert people["ethnicity"].value_counts().to_dict() == {"a": 150, "b": 50}
    assert people.loc[people["ethnicity"] == "b", "scanner"].value_counts()["t"] == 40
    assert people["age"].between(18, 90).all()
    assert (people["site"] == people["scanner"].map(population.site_of)).all()


def test_deal_gives_each_name_its_share_to_the_nearest_one():
    dealt = deal({"a": 1, "b": 1, "c": 1}, 10, np.random.default_rng(0))
    assert sorted(np.unique(dealt, return_counts=True)[1].tolist()) == [3, 3, 4]
