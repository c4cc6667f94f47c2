"""Invented patients of the demo cohorts: who they are and where they were examined."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

Shares = Mapping[str, float]
"""Names and the share of patients that have each; the shares need not add up to one."""


@dataclass(frozen=True)
class Population:
    """How often each attribute is met, and who is examined where.

    Parameters
    ----------
    ethnicity : mapping of str to float
        Shares of the groups.
    age_years : tuple of (float, float, float, float)
        Mean, standard deviation, least and greatest age.
    scanner : mapping of str to float
        Shares of the scanners.
    site_of : mapping of str to str
        Site at which each scanner stands.
    scanner_of : mapping of str to (mapping of str to float)
        Shares of the scanners in groups of ethnicity that differ from `scanner`.
    """

    ethnicity: Shares
    age_years: tuple[float, float, float, float]
    scanner: Shares
    site_of: Mapping[str, str]
    scanner_of: Mapping[str, Shares]


def draw_people(population: Population, n_patients: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return one row per invented patient: patient_id, sex, age, ethnicity, site, scanner.

    Groups are dealt out in the shares asked for, to the nearest patient, and then shuffled: a rare
    group is as rare in every cohort, whatever the seed.

    Examples
    --------
    >>> population = Population({"a": 3, "b": 1}, (50, 9, 18, 90), {"s": 1}, {"s": "north"}, {})
    >>> people = draw_people(population, 8, np.random.default_rng(0))
    >>> people["ethnicity"].value_counts().to_dict()
    {'a': 6, 'b': 2}
    """
    ethnicity = deal(population.ethnicity, n_patients, rng)
    scanner = np.empty(n_patients, dtype=object)
    sex = np.empty(n_patients, dtype=object)
    for group in population.ethnicity:
        here = np.flatnonzero(ethnicity == group)
        shares = population.scanner_of.get(group, population.scanner)
        scanner[here] = deal(shares, len(here), rng)
        sex[here] = deal({"female": 1.0, "male": 1.0}, len(here), rng)
    mean, deviation, least, greatest = population.age_years
    age = np.clip(rng.normal(mean, deviation, n_patients), least, greatest).round().astype(int)
    return pd.DataFrame(
        {
            "patient_id": [f"P{i + 1:05d}" for i in range(n_patients)],
            "sex": sex,
            "age": age,
            "ethnicity": ethnicity,
            "site": [population.site_of[name] for name in scanner],
            "scanner": scanner,
        }
    )


def deal(shares: Shares, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return `n` names in random order, each as often as its share says, to the nearest one.

    Examples
    --------
    >>> sorted(deal({"yes": 0.6, "no": 0.4}, 5, np.random.default_rng(0)).tolist())
    ['no', 'no', 'yes', 'yes', 'yes']
    """
    weights = np.array(list(shares.values()), dtype=float)
    edges = np.round(np.cumsum(weights) / weights.sum() * n).astype(int)
    dealt = np.repeat(np.array(list(shares), dtype=object), np.diff(edges, prepend=0))
    return rng.permutation(dealt)
