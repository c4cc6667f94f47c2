import pytest

from aiops.governance.evidence import evidence_hashes


@pytest.mark.parametrize(
    "name",
    ["plan.json", "masks.parquet", "case_metrics.parquet", "gaps.parquet", "training.json"],
)
def test_each_file_that_figures_come_from_is_bound_by_its_bytes(make_run, name):
    folder = make_run()
    (folder / name).write_bytes(b"one")
    before = evidence_hashes(folder)[name]
    (folder / name).write_bytes(b"two")
    assert evidence_hashes(folder)[name] != before
