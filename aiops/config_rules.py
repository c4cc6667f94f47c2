"""What the keys of a config must be to each other.

Each rule looks at plain data that may itself be wrong, and says nothing of what it cannot read:
so a config's mistakes come out together, those of single keys and those between keys.
"""

from collections.abc import Callable, Iterator
from typing import Any

from aiops.lookup import nearest

Found = Iterator[tuple[tuple[str | int, ...], str, str]]

_OWN_COLUMNS = """
case_id study_id patient_id split fold target y_true y_score score_kind y_pred status reason
model_digest structure metric value unit outcome reference predicted image label index subset all
failed patient
"""
RESERVED = frozenset(_OWN_COLUMNS.split())
"""Columns of our own tables, which an attribute may not be called."""


def block(data: Any, *keys: str) -> dict[str, Any]:
    """Return the mapping at `keys`, or an empty one where there is none."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def listed(value: Any) -> list[Any]:
    """Return a list as it is and anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def _unknown(name: object, known: list[str], kind: str) -> tuple[str, str]:
    guess = nearest(str(name), known)
    hint = f"did you mean '{guess}'? " if guess else ""
    listing = ", ".join(known) or "none yet"
    return f"'{name}' is not {kind}", f"{hint}known here: {listing}"


def targets_fit_task(data: dict[str, Any]) -> Found:
    """Hold structures to label values and findings to columns."""
    task, targets = data.get("task"), block(data, "targets")
    values: dict[int, str] = {}
    for name, target in targets.items():
        key = ("targets", name)
        if task == "segmentation" and isinstance(target, dict):
            yield key, "is a finding, but the task is segmentation", f"write `{name}: 1`"
        elif task == "classification" and not isinstance(target, dict):
            fix = f"write `{name}: {{label: COLUMN, positive: [1]}}`"
            yield key, "is not a finding, but the task is classification", fix
        elif isinstance(target, int) and target < 1:
            yield key, f"label value {target} is background", "label values begin at 1"
        elif isinstance(target, int) and target in values:
            other = values[target]
            yield key, f"label value {target} is '{other}' already", "give each its own value"
        elif isinstance(target, int):
            values[target] = name
        others = [other for other in targets if other != name]
        for implying in block(target, "implied_by"):
            if implying not in others:
                yield (*key, "implied_by"), *_unknown(implying, others, "another finding")


def primary_is_known(data: dict[str, Any]) -> Found:
    """Hold the primary to a target and a metric that are there."""
    from evaluation.metrics import METRICS

    task, targets = data.get("task"), list(block(data, "targets"))
    primary = block(data, "primary")
    known = [*targets, "mean"] if task == "segmentation" and len(targets) > 1 else targets
    for name in listed(primary.get("target")):
        if primary.get("target") is not None and name not in known:
            yield ("primary", "target"), *_unknown(name, known, "a target")
    metric = primary.get("metric")
    fitting = [name for name, entry in METRICS.items() if entry.task == task]
    if isinstance(metric, str) and fitting and metric not in fitting:
        yield ("primary", "metric"), *_unknown(metric, fitting, f"a metric of {task}")
    if metric == "nsd" and block(data, "evaluation").get("tolerance_mm") is None:
        fix = "e.g. `evaluation: {tolerance_mm: 2}`"
        yield ("primary", "metric"), "nsd needs a tolerance in mm", fix
    at_a_threshold = metric in METRICS and METRICS[str(metric)].needs == "decision"
    if at_a_threshold and "operating_point" not in data:
        fix = "e.g. `operating_point: {sensitivity: 0.9}`"
        yield ("primary", "metric"), f"{metric} needs an operating point", fix


def values_are_possible(data: dict[str, Any]) -> Found:
    """Hold the acceptable value and the margin to what the primary metric can be."""
    from evaluation.metrics import METRICS

    metric = METRICS.get(str(block(data, "primary").get("metric")))
    if metric is None:
        return
    low, high = metric.low, metric.high
    acceptable = block(data, "primary").get("acceptable")
    if isinstance(acceptable, int | float) and not low <= acceptable <= high:
        what = f"{metric.name} is never {acceptable:g}, so the gate could give one answer only"
        fix = f"between {low:g} and {high:g}" + (", e.g. 0.85 for 85 %" if high == 1 else "")
        yield ("primary", "acceptable"), what, fix
    margin = block(data, "fairness").get("margin")
    if isinstance(margin, int | float) and margin >= high - low:
        what = f"no gap in {metric.name} reaches {margin:g}, so every group would be adequate"
        yield ("fairness", "margin"), what, f"less than {high - low:g}, e.g. 0.05 for 5 points"


def operating_point_is_one(data: dict[str, Any]) -> Found:
    """Hold the threshold to one way, and to cases it can be chosen on."""
    if "operating_point" not in data:
        return
    point = block(data, "operating_point")
    ways = [way for way in ("sensitivity", "specificity", "threshold") if way in point]
    if data.get("task") == "segmentation":
        yield ("operating_point",), "a segmentation has none", "delete it"
    elif len(ways) != 1:
        fix = "write one of sensitivity, specificity, threshold"
        yield ("operating_point",), f"{len(ways)} ways to choose a threshold", fix
    elif data.get("train") is None and ways != ["threshold"] and "tune_share" not in point:
        fix = f"add `tune_share: 0.3`, or `threshold:` as the vendor states it, beside {ways[0]}"
        yield ("operating_point",), "nothing is trained, so there is no tune part", fix
    elif ways == ["threshold"] and "tune_share" in point:
        yield ("operating_point", "tune_share"), "a given threshold is not chosen", "delete it"


def attributes_are_sound(data: dict[str, Any]) -> Found:
    """Hold attributes to names of their own, and to groups or bands."""
    for name, attribute in block(data, "data", "attributes").items():
        key = ("data", "attributes", name)
        if name in RESERVED:
            yield key, f"'{name}' is a column of our own tables", "call it otherwise"
        if not isinstance(attribute, dict):
            continue
        bands = attribute.get("bands")
        if bands and attribute.get("values"):
            yield key, "has both values and bands", "keep one"
        if isinstance(bands, list) and bands != sorted(set(map(float, _numbers(bands)))):
            yield (*key, "bands"), f"{bands} do not ascend", "write lower edges, smallest first"


def _numbers(values: list[Any]) -> list[float]:
    return [v for v in values if isinstance(v, int | float)]


def names_are_attributes(data: dict[str, Any]) -> Found:
    """Hold fairness and strata to attributes that the data block names."""
    known = list(block(data, "data", "attributes"))
    for where in (("fairness", "attributes"), ("fairness", "adjust_for"), ("split", "stratify")):
        names = block(data, where[0]).get(where[1]) or []
        for name in listed(names):
            if name not in known:
                yield where, *_unknown(name, known, "an attribute under data.attributes")


def fairness_is_told(data: dict[str, Any]) -> Found:
    """Hold reasons to what was named in advance, and intersections to attributes."""
    fairness = block(data, "fairness")
    named = [str(name) for name in listed(fairness.get("attributes") or [])]
    for name, reason in block(fairness, "reasons").items():
        key = ("fairness", "reasons", name)
        if name not in named:
            yield key, *_unknown(name, named, "named in advance under fairness.attributes")
        elif not str(reason or "").strip():
            yield key, "is empty", "say why this group may be served worse"
    known = list(block(data, "data", "attributes"))
    key_of_pairs = ("fairness", "intersections")
    for names in listed(fairness.get("intersections") or []):
        names = listed(names)
        for name in names:
            if name not in known:
                yield key_of_pairs, *_unknown(name, known, "an attribute under data.attributes")
        if len(set(map(str, names))) < max(2, len(names)):
            fix = "e.g. `intersections: [[sex, age]]`"
            yield key_of_pairs, f"{names} combines fewer than two attributes", fix
    adjusted = [str(name) for name in listed(fairness.get("adjust_for") or [])]
    if adjusted and named and set(named) <= set(adjusted):
        fix = "name the groups under attributes and the scanner under adjust_for"
        yield ("fairness", "adjust_for"), "leaves no attribute whose gap could be adjusted", fix


def split_is_whole(data: dict[str, Any]) -> Found:
    """Hold the split's keys together; something must be left to train on."""
    split = block(data, "split")
    by, column = split.get("by", "patient"), split.get("column")
    if by in ("site", "time", "column") and not column:
        yield ("split",), f"by {by} needs the column that holds it", "add `column: …`"
    if by == "patient" and column:
        yield ("split", "column"), "by patient reads no column", "delete it, or `by: column`"
    for part in ("test", "tune"):
        share = split.get(part)
        if isinstance(share, list) and by not in ("site", "time", "column"):
            fix = "write a share such as 0.2, or `by: column`"
            yield ("split", part), f"a list of values, but the split is by {by}", fix
        elif isinstance(share, int | float) and not 0 < share < 1:
            yield ("split", part), f"{share} is not a share", "between 0 and 1, both excluded"
    if split.get("leave_one_out"):
        yield from _leave_one_out(data, split)
        return
    shares = [split.get("test", 0.2), split.get("tune", 0.1)]
    if all(isinstance(s, int | float) and 0 < s < 1 for s in shares) and sum(shares) >= 1:
        yield ("split",), "test and tune leave nothing to train on", "make their sum less than 1"


def _leave_one_out(data: dict[str, Any], split: dict[str, Any]) -> Found:
    """Every patient is tested, so nobody is left for what a test list leaves over."""
    key = ("split", "leave_one_out")
    if split.get("by") != "site":
        yield key, "each site is left out once, but the split is not by site", "`by: site`"
    elif block(data, "data").get("modality") != "table" or data.get("train") is None:
        yield key, "only table models are trained once for each site", "hold named sites out: test"
    if split.get("folds"):
        yield ("split", "folds"), "each site is a fold already", "delete folds"
    if "test" in split:
        yield ("split", "test"), "every site is tested", "delete test"
    point = block(data, "operating_point")
    if point and "threshold" not in point:
        fix = "supply it: operating_point: {threshold: 0.5}, or delete it"
        yield ("operating_point",), "every patient is tested: nobody to choose it on", fix


def data_fit_task(data: dict[str, Any]) -> Found:
    """Hold the data to what their task reads."""
    cases, task = block(data, "data"), data.get("task")
    modality = cases.get("modality")
    trains = data.get("train") is not None
    if task == "segmentation":
        if modality == "table":
            yield ("data", "modality"), "a table has nothing to segment", "ct, mri, xray or photo"
        for key in ("image", "label"):
            if key not in cases:
                fix = f'add `{key}: "{key}s/{{case_id}}.nii.gz"` or the column\'s name'
                yield ("data",), f"a segmentation needs data.{key}", fix
        if not trains and "predicted" not in cases:
            fix = "add `train: {budget_minutes: 10}`, or `data.predicted` for a vendor's masks"
            yield ("train",), "is missing and so are ready masks", fix
    elif task == "classification" and modality == "table" and trains and "features" not in cases:
        fix = "add `features: {numeric: […], categorical: […]}`"
        yield ("data",), "a table model needs data.features", fix
    elif task == "classification" and modality != "table" and trains and "image" not in cases:
        yield ("data",), "a model of images needs data.image", "add the column or a pattern"
    features = block(cases, "features")
    columns = [c for k in ("numeric", "categorical") for c in listed(features.get(k) or [])]
    twice = sorted({str(c) for c in columns if columns.count(c) > 1})
    if twice:
        yield ("data", "features"), f"named twice: {', '.join(twice)}", "keep one of them"


def scores_or_training(data: dict[str, Any]) -> Found:
    """Hold targets to one source: a vendor's scores or a trained model."""
    if data.get("task") != "classification":
        return
    for name, target in block(data, "targets").items():
        has_score = isinstance(target, dict) and target.get("score") is not None
        if data.get("train") is None and isinstance(target, dict) and not has_score:
            fix = "add `score: COLUMN`, or `train: {budget_minutes: 10}`"
            yield ("targets", name), "has no score and nothing is trained", fix
        elif has_score and target["score"] == target.get("label"):
            fix = "name the column that holds what the tool said"
            yield ("targets", name), "score and label are one column: it would be right always", fix
        elif data.get("train") is not None and has_score:
            fix = "delete `train` to evaluate the scores, or `score` to train"
            yield ("targets", name), "has a ready score, but a model is trained", fix


def audit_codes_are_known(data: dict[str, Any]) -> Found:
    """Hold the audit's answers to known codes, each once, with a reason."""
    from aiops.data.findings import CODES

    audit = block(data, "audit")
    accepted = block(audit, "accept")
    for way in ("accept", "exclude"):
        for code, reason in block(audit, way).items():
            key = ("audit", way, code)
            if code not in CODES:
                guess = nearest(str(code), [c.lower() for c in CODES])
                hint = f"did you mean '{guess.upper()}'? " if guess else ""
                yield key, f"'{code}' is not a finding", f"{hint}one of: {', '.join(CODES)}"
            elif not str(reason or "").strip():
                yield key, "has no reason", "say why; it stands in report and decision"
            elif way == "exclude" and code in accepted:
                yield key, "is accepted and excluded", "keep one"


_OF_LESIONS = ("lesion_sensitivity", "lesion_precision", "lesion_f1", "false_lesions")


def tolerances_are_structures(data: dict[str, Any]) -> Found:
    """Hold each tolerance, and what is said of lesions, to a structure."""
    known = list(block(data, "targets"))
    for name, value in block(data, "evaluation", "tolerance_mm").items():
        key = ("evaluation", "tolerance_mm", name)
        if name not in known:
            yield key, *_unknown(name, known, "a target")
        elif isinstance(value, int | float) and value < 0:
            yield key, f"{value} mm is negative", "zero or more"
    for name, value in (lesions := block(data, "evaluation", "lesions")).items():
        key = ("evaluation", "lesions", name)
        if name not in known or data.get("task") != "segmentation":
            yield key, *_unknown(name, known, "a structure")
        elif isinstance(value, int | float) and not 0 <= value <= 1:
            yield key, f"an overlap over union of {value} is none", "0 to 1; 0.1 is common"
    primary = block(data, "primary")
    if str(primary.get("metric")) in _OF_LESIONS:
        for name in (n for n in listed(primary.get("target")) if n not in lesions):
            fix = f"add `evaluation: {{lesions: {{{name}: 0.1}}}}`"
            yield ("primary", "metric"), f"'{name}' is not said to consist of lesions", fix


_OF_METHOD = {
    "constraint": "grid_search",
    "grid_size": "grid_search",
    "allowed_loss": "grid_search",
    "least": "group_thresholds",
}
"""Keys of train.mitigation that one method alone reads."""


def prevalence_is_told(data: dict[str, Any]) -> Found:
    """Hold a prevalence to findings, to a share, to a decision and to where it comes from."""
    evaluation, targets = block(data, "evaluation"), list(block(data, "targets"))
    given = evaluation.get("prevalence")
    if given is None:
        return
    key = ("evaluation", "prevalence")
    if data.get("task") == "segmentation":
        yield key, "a segmentation calls nobody positive", "delete it"
        return
    shares = given if isinstance(given, dict) else {"": given}
    for name, share in shares.items():
        where = (*key, name) if name else key
        if name and name not in targets:
            yield where, *_unknown(name, targets, "a target")
        if isinstance(share, int | float) and not 0 < share < 1:
            yield where, f"{share:g} is not a share", "between 0 and 1, e.g. 0.05 for 5 %"
    if not evaluation.get("prevalence_source"):
        fix = 'e.g. `prevalence_source: "radiology reports of 2025"`'
        yield ("evaluation", "prevalence_source"), "nobody says where the prevalence is from", fix
    if "operating_point" not in data:
        fix = "e.g. `operating_point: {sensitivity: 0.9}`"
        yield key, "PPV and NPV need an operating point", fix


def mitigation_fits(data: dict[str, Any]) -> Found:
    """Hold the mitigation to attributes that are there and to what its method can be done on."""
    told = block(data, "train", "mitigation")
    key, method = ("train", "mitigation"), told.get("method")
    known = list(block(data, "data", "attributes"))
    names = listed(told.get("attribute") or [])
    for name in names:
        if name not in known:
            what = _unknown(name, known, "an attribute under data.attributes")
            yield (*key, "attribute"), *what
    if len(set(map(str, names))) < len(names):
        yield (*key, "attribute"), "names an attribute twice", "keep one"
    for name, of in _OF_METHOD.items():
        if name in told and method in MITIGATIONS and method != of:
            yield (*key, name), f"is read by {of} alone, not by {method}", "delete it"
    if method in MITIGATIONS:
        yield from _method_fits(data, str(method))


MITIGATIONS = ("reweigh", "balanced_sampling", "grid_search", "group_thresholds")


def _method_fits(data: dict[str, Any], method: str) -> Found:
    """Hold a method of mitigation to the task, the modality and the operating point."""
    key = ("train", "mitigation", "method")
    is_table = block(data, "data").get("modality") == "table"
    point = block(data, "operating_point")
    chosen = [way for way in ("sensitivity", "specificity") if way in point]
    if data.get("task") == "segmentation" and method != "balanced_sampling":
        fix = "`method: balanced_sampling` draws each group equally often"
        yield key, f"{method} needs an outcome, yes or no; a segmentation has none", fix
    elif method == "grid_search" and not is_table:
        fix = "`method: reweigh` or `balanced_sampling` for images"
        yield key, "grid_search fits many models, and is for tables alone", fix
    elif method == "grid_search" and not point:
        fix = "e.g. `operating_point: {sensitivity: 0.9}`"
        yield key, "grid_search compares decisions on tune: it needs an operating point", fix
    elif method == "group_thresholds" and not chosen:
        what = "needs an operating point to reach in each group"
        if "threshold" in point:
            what = "chooses thresholds, but operating_point gives one"
        yield key, f"group_thresholds {what}", "e.g. `operating_point: {sensitivity: 0.9}`"
    elif method == "grid_search" and block(data, "split").get("leave_one_out"):
        fix = "`method: reweigh` or `balanced_sampling` chooses nothing"
        yield key, "grid_search chooses on tune, but every patient is tested", fix


def gate_is_there(data: dict[str, Any]) -> Found:
    """Hold the gate to a policy that is there."""
    from aiops.home import configs_dir

    known = sorted(p.stem for p in (configs_dir() / "policy").glob("gate_*.yaml"))
    gate = data.get("gate", "gate_basic")
    if isinstance(gate, str) and gate not in known:
        yield ("gate",), *_unknown(gate, known, "a policy under configs/policy")


RULES: tuple[Callable[[dict[str, Any]], Found], ...] = (
    targets_fit_task,
    primary_is_known,
    values_are_possible,
    operating_point_is_one,
    attributes_are_sound,
    names_are_attributes,
    fairness_is_told,
    split_is_whole,
    data_fit_task,
    scores_or_training,
    audit_codes_are_known,
    tolerances_are_structures,
    prevalence_is_told,
    mitigation_fits,
    gate_is_there,
)
