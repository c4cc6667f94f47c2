"""What a config may say. Plain data: a config cannot run code.

Each class is one block of the YAML; ``aiops.reading`` turns a file into an `Experiment` and
answers mistakes with file and line.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Scalar = str | int | float | bool

NOT_RECORDED = "not_recorded"
"""The word for ``data.patient`` when the table does not say whose case it is."""


class Config(BaseModel):
    """A frozen block of a config, nothing unknown in it; errors repeat no value of a patient."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AttributeConfig(Config):
    """One attribute of patients or cases, by which figures are broken down."""

    column: str = Field(description="Column of the table.")
    values: dict[Scalar, str] = Field(
        default={}, description="Values of the column and the names of their groups."
    )
    bands: list[float] = Field(
        default=[], description="Lower edges of bands for a number, ascending; the last is open."
    )
    range: tuple[float, float] | None = Field(
        default=None, description="Plausible range of a number; the audit names what lies outside."
    )
    per: Literal["patient", "case"] = Field(
        default="patient",
        description="`patient`: one value for all of a patient's rows (sex). `case`: any (view).",
    )


class StudyConfig(Config):
    """Several films of one examination are judged together."""

    column: str = Field(description="Column that names the examination.")
    combine: Literal["mean", "max"] = Field(
        default="mean", description="How the scores of its films become the score of the study."
    )


class FeaturesConfig(Config):
    """Columns a table model may look at."""

    numeric: list[str] = Field(default=[], description="Columns read as numbers.")
    categorical: list[str] = Field(default=[], description="Columns read as categories.")


class DataConfig(Config):
    """Where the cases are and what the columns mean."""

    table: str = Field(description="Cases table: csv, csv.gz, tsv, parquet; or an `.npz` set.")
    case: str = Field(default="case_id", description="Column that names the case.")
    patient: str = Field(description="Column that names the patient, or `not_recorded`.")
    study: StudyConfig | None = Field(default=None, description="Several films per examination.")
    image: str | dict[str, str] | None = Field(
        default=None,
        description="Column with the file, or a pattern such as `images/{case_id}.nii.gz`; "
        "a mapping of channel names to either, for channels on one grid.",
    )
    label: str | None = Field(
        default=None, description="Segmentation: column or pattern of the label file."
    )
    predicted: str | None = Field(
        default=None,
        description="Segmentation without training: column or pattern of a vendor's masks.",
    )
    modality: Literal["ct", "mri", "xray", "photo", "table"] = Field(
        description="No default: a CT scaled as MR fails silently."
    )
    features: FeaturesConfig | None = Field(default=None, description="Columns of a table model.")
    missing: list[Scalar] = Field(default=[], description="Values that mean: not recorded.")
    missing_in: dict[str, list[Scalar]] = Field(
        default={},
        description="The same for one column: `{chol: [0]}`, where 0 is no possible measurement.",
    )
    exclude: dict[str, list[Scalar]] = Field(
        default={}, description="Column and values whose rows are left out, with the count shown."
    )
    attributes: dict[str, AttributeConfig] = Field(
        default={}, description="Attributes by which figures are broken down."
    )


class TargetConfig(Config):
    """One finding a classifier is asked for."""

    label: str = Field(description="Column with the reference standard.")
    positive: list[Scalar] = Field(description="Values of that column that mean: present.")
    score: str | None = Field(
        default=None, description="Column with a vendor's score; then nothing is trained."
    )
    score_kind: Literal["probability", "score"] = Field(
        default="probability", description="Whether the score is a probability."
    )
    implied_by: dict[str, Literal["positive", "written"]] = Field(
        default={}, description="Findings that imply it: when positive, or by any value written."
    )


class PrimaryConfig(Config):
    """The one thing the verdict is about."""

    target: str | list[str] = Field(
        description="Name of a target; a list where a claim covers several; `mean` of structures."
    )
    metric: str = Field(description="Name of a metric.")
    acceptable: float | None = Field(
        default=None,
        description="Value that the interval must clear, set before the test; without it the "
        "gate stays undecided.",
    )


class OperatingPointConfig(Config):
    """How a score becomes a decision. Exactly one of sensitivity, specificity, threshold."""

    sensitivity: float | None = Field(default=None, gt=0, lt=1, description="Reached on tune.")
    specificity: float | None = Field(default=None, gt=0, lt=1, description="Reached on tune.")
    threshold: float | None = Field(default=None, description="As supplied, by a vendor say.")
    tune_share: float | None = Field(
        default=None, gt=0, lt=1, description="Share of patients set aside to choose it on."
    )


class SplitConfig(Config):
    """How cases are shared out. Patients, never images, are the unit."""

    by: Literal["patient", "site", "time", "column"] = Field(
        default="patient", description="What is kept together."
    )
    column: str | None = Field(
        default=None, description="Column of the site, the time or the ready-made subset."
    )
    test: float | list[Scalar] = Field(
        default=0.2, description="Share read once, last; or the column's values that are test."
    )
    tune: float | list[Scalar] = Field(
        default=0.1, description="Share on which the model and the operating point are chosen."
    )
    stratify: list[str] = Field(
        default=[],
        max_length=3,
        description="Attributes balanced besides the outcome; three variables at most in all.",
    )
    leave_one_out: bool = Field(
        default=False,
        description="By site, a table model: each site is tested by a model that never saw it.",
    )
    folds: int | None = Field(
        default=None, ge=2, le=20, description="Cross-validation folds over all but the test list."
    )
    seed: int = Field(default=0, description="Seed of the shuffle.")


class MitigationConfig(Config):
    """What is done against unfairness; its effect and its cost to every group are measured."""

    method: Literal["reweigh", "balanced_sampling", "grid_search", "group_thresholds"] = Field(
        description="`reweigh`: in training, group and outcome are made independent by weights. "
        "`balanced_sampling`: each group is learnt from equally often. `grid_search`: table models "
        "under pressure towards a constraint. `group_thresholds`: one threshold per group."
    )
    attribute: str | list[str] = Field(
        description="Attribute whose groups are evened out; of a list, each combination is a group."
    )
    constraint: Literal["demographic_parity", "equalized_odds", "true_positive_rate_parity"] = (
        Field(
            default="true_positive_rate_parity",
            description="`grid_search`: the rates whose gap between groups is made small on tune.",
        )
    )
    grid_size: int = Field(
        default=11, ge=3, le=500, description="`grid_search`: models at most, two a group at least."
    )
    allowed_loss: float = Field(
        default=0.01, ge=0, lt=0.5, description="`grid_search`: AUC on tune that may be given up."
    )
    least: int = Field(
        default=30,
        ge=10,
        description="`group_thresholds`: patients of a group on tune that decide on its threshold "
        "(those with the finding, for a sensitivity); with fewer it keeps the common one.",
    )

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes whose combinations are the groups."""
        one = self.attribute
        return (one,) if isinstance(one, str) else tuple(one)

    @property
    def is_learnt(self) -> bool:
        """Whether it is another model, and not another threshold."""
        return self.method != "group_thresholds"


class TrainConfig(Config):
    """How long to train, and with what; all else is planned from the data."""

    budget_minutes: float = Field(default=10.0, gt=0, description="Time the plan fits steps to.")
    steps: int | None = Field(default=None, ge=1, description="Fixed number of steps instead.")
    architecture: str | None = Field(default=None, description="Network; planned if not said.")
    learning_rate: float | None = Field(default=None, gt=0, description="Peak learning rate.")
    batch: int | None = Field(default=None, ge=1, description="Patches or images a step.")
    patch_vox: list[int] | None = Field(default=None, description="Patch in voxels.")
    spacing_mm: list[float] | None = Field(default=None, description="Spacing to resample to.")
    image_size: int | None = Field(
        default=None, ge=16, description="Classification: side to which images are resized."
    )
    augment: str | None = Field(default=None, description="Augmentation preset.")
    seed: int = Field(default=0, description="Seed of weights, patches and augmentation.")
    mitigation: MitigationConfig | None = Field(
        default=None,
        description="None: nothing is done. Else the model without it is made too, and compared.",
    )

    @property
    def remedy(self) -> MitigationConfig | None:
        """The mitigation that another model is trained for, if any."""
        return self.mitigation if self.mitigation and self.mitigation.is_learnt else None


class MissingConfig(Config):
    """What stands for a structure that one mask or both lack; a miss always costs."""

    both_empty: Literal["exclude", "perfect"] = Field(
        default="exclude", description="A structure in neither mask: left out, or perfect."
    )
    penalty_mm: Annotated[float, Field(gt=0)] | Literal["diagonal"] = Field(
        default="diagonal",
        description="Distance of a missed, invented or failed structure; the image's diagonal.",
    )


class EvaluationConfig(Config):
    """How figures are computed."""

    tolerance_mm: float | dict[str, float] | None = Field(
        default=None, description="Tolerance of the surface Dice (NSD), per structure or for all."
    )
    missing: MissingConfig = Field(
        default=MissingConfig(), description="What stands for a structure that a mask lacks."
    )
    lesions: dict[str, float] = Field(
        default={},
        description="Structures whose connected parts are counted as lesions, each with the "
        "overlap over union (0 to 1) at which one is found.",
    )
    n_boot: int = Field(default=1000, ge=100, description="Bootstrap replicates, by patient.")
    level: float = Field(default=0.95, gt=0.5, lt=1, description="Confidence level.")
    prevalence: float | dict[str, float] | None = Field(
        default=None,
        description="How common a finding is where the tool is to be used, per target or for all: "
        "PPV, NPV and alarms are told for it.",
    )
    prevalence_source: str = Field(default="", description="Where that prevalence comes from.")
    seed: int = Field(default=0, description="Seed of the bootstrap.")


class PopulationConfig(Config):
    """The people who are served, beside whom the data are held."""

    file: str = Field(
        description="Table with the columns attribute, group, share (0 to 1, of those served)."
    )
    source: str = Field(min_length=1, description="Where the shares come from, with the year.")


class FairnessConfig(Config):
    """Groups named in advance, and the gap that would matter."""

    attributes: list[str] = Field(min_length=1, description="Attributes with a verdict each.")
    margin: float = Field(
        gt=0, description="Gap in the primary metric that would matter; no default."
    )
    family: Literal["claim", "target"] = Field(
        default="claim",
        description="`claim`: intervals hold for all primary targets at once. `target`: for each "
        "target by itself, where each is a claim of its own.",
    )
    reasons: dict[str, str] = Field(
        default={}, description="Attribute and why it was named in advance."
    )
    intersections: list[list[str]] | None = Field(
        default=None,
        description="Attributes to combine, e.g. `[[sex, age]]`; all pairs of the named ones if "
        "not said, none with `[]`.",
    )
    adjust_for: list[str] = Field(
        default=[],
        description="Attributes such as scanner or site whose part in a gap is told from the "
        "group's; they need not be named in advance.",
    )
    population: PopulationConfig | None = Field(
        default=None, description="None: the report cannot say who is missing."
    )


class AuditConfig(Config):
    """Findings one goes on with deliberately; the reason stands in run, report and decision."""

    accept: dict[str, str] = Field(default={}, description="Code and why it may stand.")
    exclude: dict[str, str] = Field(
        default={}, description="Code and why the cases it names are left out."
    )


class DisclosureConfig(Config):
    """What is hidden and rounded in all that leaves the team; the internal report is whole."""

    suppress_below: int = Field(
        default=8,
        ge=1,
        description="Counts of a group from 1 up to, not including, this one are hidden with their "
        "figures. 1 hides and rounds nothing; the report says so.",
    )
    round_to: int = Field(
        default=5, ge=1, description="Counts of groups are rounded to multiples of it; 1: exact."
    )
    complementary: bool = Field(
        default=True,
        description="Further counts are hidden from which a hidden one could be computed.",
    )


class TrackingConfig(Config):
    """What leaves the run folder for MLflow."""

    share: Literal["aggregate", "cases"] = Field(
        default="aggregate",
        description="`aggregate`: tables with small counts hidden, no case, no pixel. `cases`: "
        "case rows under keyed pseudonyms, for a store that the team controls.",
    )


class VendorConfig(Config):
    """What a supplier calls the tool that is evaluated."""

    product: str = Field(min_length=2, description="Name of the product.")
    version: str = Field(min_length=1, description="Its version, as its label says.")
    supplier: str = Field(default="", description="Who sells it.")


class Experiment(Config):
    """One use case's experiment, from table to report."""

    kind: Literal["experiment"] = Field(description="What this YAML is.")
    use_case: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{1,62}$", description="Slug in the register of use cases."
    )
    intended_use: str = Field(default="", description="On whom, for what, read by whom.")
    task: Literal["segmentation", "classification"] = Field(description="What is learnt.")
    data: DataConfig
    targets: dict[str, int | TargetConfig] = Field(
        min_length=1,
        description="Segmentation: structure and its label value. Classification: finding.",
    )
    primary: PrimaryConfig
    operating_point: OperatingPointConfig | None = Field(
        default=None, description="None: metrics at a threshold are not estimable."
    )
    split: SplitConfig = SplitConfig()
    train: TrainConfig | None = Field(
        default=None, description="None: nothing is trained, a vendor's scores are evaluated."
    )
    vendor: VendorConfig | None = Field(
        default=None, description="Product and version of a vendor's tool: what is approved."
    )
    evaluation: EvaluationConfig = EvaluationConfig()
    fairness: FairnessConfig | None = Field(
        default=None, description="None: the report says that no group was named in advance."
    )
    audit: AuditConfig = AuditConfig()
    disclosure: DisclosureConfig = DisclosureConfig()
    tracking: TrackingConfig = TrackingConfig()
    gate: str = Field(default="gate_basic", description="Policy under `configs/policy`.")

    @property
    def primary_targets(self) -> tuple[str, ...]:
        """The targets the verdict is about, the headline first."""
        target = self.primary.target
        return (target,) if isinstance(target, str) else tuple(target)

    @property
    def is_vendor(self) -> bool:
        """Whether ready scores are evaluated and nothing is trained."""
        return self.train is None

    @property
    def structures(self) -> dict[str, int]:
        """Segmentation: names of structures and their label values."""
        return {name: t for name, t in self.targets.items() if isinstance(t, int)}

    @property
    def findings(self) -> dict[str, TargetConfig]:
        """Classification: names of findings and how they are read."""
        return {name: t for name, t in self.targets.items() if isinstance(t, TargetConfig)}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of an experiment, for editors and the docs.

    Examples
    --------
    >>> "use_case" in json_schema()["required"]
    True
    """
    return Experiment.model_json_schema()
