import numpy as np
import pytest

from aiops.governance.shares import share_by_patient
from evaluation import clustered_proportion


def test_the_bound_of_few_never_falls_as_faults_are_found():
    who = np.repeat(["a", "b", "c"], [80, 10, 10])
    high = [share_by_patient(np.arange(100) < k, who)[2] for k in (0, 1, 3, 7)]
    assert high[1] == high[2] == high[3] >= high[0]
    low = share_by_patient(np.arange(100) >= 7, who)[1]
    assert low == pytest.approx(1 - high[3])


def test_a_share_of_many_is_that_of_the_patients():
    hit = np.arange(100) < 40
    who = (np.arange(100) // 2).astype(str)
    peer = clustered_proportion(hit, who)
    assert share_by_patient(hit, who) == (peer.value, peer.low, peer.high)
