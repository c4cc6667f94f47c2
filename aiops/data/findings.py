"""What an audit can find: a table of codes, each with its meaning and its remedy.

``stop`` means that figures made from such data would be wrong; ``note`` that a reader must know.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["stop", "note"]


@dataclass(frozen=True)
class Code:
    """One kind of fault: its name, how grave it is, what it means and what to do."""

    code: str
    severity: Severity
    meaning: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """One fault in one place.

    Parameters
    ----------
    code : str
        Key of `CODES`.
    severity : "stop" or "note"
        Mostly that of the code; mixed units stop a CT set and are a note for MRI.
    case_id : str
        The case to be left out if one leaves it out; empty where the whole set is meant.
    other : str
        The case it stands against: the copy that is kept.
    file : str
        The file or the column.
    detail : str
        What was seen, with nothing of a patient in it.
    remedy : str
        What to do about it.
    """

    code: str
    severity: Severity
    case_id: str
    other: str
    file: str
    detail: str
    remedy: str


_CODES = (
    # Files
    Code(
        "FILE_MISSING",
        "stop",
        "A file that the table names is not there.",
        "Copy the file, correct its name in the table, or leave the case out.",
    ),
    Code(
        "FILE_UNREADABLE",
        "stop",
        "A file is broken, cut short, or not of the kind its name says.",
        "Export or copy the file again, or leave the case out.",
    ),
    Code(
        "UNPAIRED_IMAGE",
        "stop",
        "An image has no label.",
        "Add the label file, or leave the case out.",
    ),
    Code(
        "UNPAIRED_LABEL",
        "stop",
        "A label has no image.",
        "Add the image file, or leave the label out.",
    ),
    # Images
    Code(
        "IMAGE_NAN",
        "stop",
        "An image holds values that are not numbers, or are infinite.",
        "Export the image again; find the step that divided by zero.",
    ),
    Code(
        "IMAGE_CONSTANT",
        "stop",
        "Every value of an image is the same.",
        "Export the image again, or leave the case out.",
    ),
    Code(
        "CHANNELS_DIFFER",
        "stop",
        "An image has another number of channels than the others.",
        "Export it as the others were, or leave the case out.",
    ),
    Code(
        "DUPLICATE_IMAGE",
        "stop",
        "The same image stands under two case ids.",
        "Leave one copy out; find out whether two patients were mixed up.",
    ),
    Code(
        "DUPLICATE_ACROSS_SUBSETS",
        "stop",
        "The same image stands in two subsets, so that the test was seen before.",
        "Leave the copy outside the test out.",
    ),
    Code(
        "MIXED_UNITS",
        "note",
        "Intensities of the cases are on scales that cannot be one unit.",
        "CT: convert to Hounsfield units. Otherwise see that images are normalised one by one.",
    ),
    Code(
        "CT_NOT_HU",
        "stop",
        "A CT is not in Hounsfield units: an offset was kept, or it was windowed.",
        "Apply the rescale slope and intercept of the DICOM series, and export again.",
    ),
    Code(
        "GREYS_INVERTED",
        "note",
        "A film looks like the negative of the others: black and white are exchanged.",
        "Look at it; export again with the photometric interpretation of the DICOM file.",
    ),
    # Geometry
    Code(
        "GEOMETRY_MISMATCH",
        "stop",
        "Image and label (or two channels) do not lie on the same grid.",
        "Resample the label on the image's grid, and look at both before going on.",
    ),
    Code(
        "GEOMETRY_OUTLIER",
        "note",
        "The size of a case is far from that of the others: another organ or kind of scan?",
        "Look at the case; leave it out if it does not belong.",
    ),
    Code(
        "ORIENTATION",
        "note",
        "The files are stored in more than one orientation.",
        "Nothing: each is turned to RAS+ when read, and masks are turned back.",
    ),
    Code(
        "ORIENTATION_UNKNOWN",
        "note",
        "A NIfTI file does not say where left and right are (sform and qform code 0).",
        "Convert it again from DICOM; mirrored images would not be noticed.",
    ),
    Code(
        "FORMS_DIFFER",
        "note",
        "The two positions stored in a NIfTI file (sform, qform) contradict each other.",
        "This program follows sform; other tools follow qform. Convert it again from DICOM.",
    ),
    # Labels
    Code(
        "LABEL_EMPTY",
        "stop",
        "A label file marks nothing.",
        "Draw it, leave the case out, or accept it where the structure can be absent.",
    ),
    Code(
        "LABEL_VALUE_UNKNOWN",
        "stop",
        "A label file holds a value that the config gives no name.",
        "Name the value under targets, or correct the label.",
    ),
    Code(
        "LABEL_FRACTIONAL",
        "stop",
        "A label file holds values that are no whole numbers.",
        "It was resampled with interpolation: make it again with nearest neighbour.",
    ),
    Code(
        "LABEL_NOT_INTEGER",
        "note",
        "A label file stores its whole numbers as floating point.",
        "Nothing: they are read as integers.",
    ),
    Code(
        "STRUCTURE_ABSENT",
        "note",
        "A structure that nearly all cases have is not marked in a case.",
        "Look whether it was forgotten, or was removed in surgery.",
    ),
    # Patients
    Code(
        "PATIENT_ACROSS_SUBSETS",
        "stop",
        "A patient has cases in two subsets.",
        "Leave out the cases outside the test, or use split: {by: patient}.",
    ),
    Code(
        "PATIENT_MISSING",
        "stop",
        "A row does not say whose case it is, so that the patient may stand on both sides.",
        "Add the patient, or leave the case out.",
    ),
    Code(
        "DUPLICATE_ROW",
        "note",
        "Two rows of one patient are equal in all features, attributes and outcomes.",
        "Look whether one event was exported twice.",
    ),
    # Attributes and columns
    Code(
        "ATTRIBUTE_VALUE_UNKNOWN",
        "note",
        "An attribute has a value that the config gives no group; it counts as not recorded.",
        "Name the value under the attribute's values, or list it in data.missing.",
    ),
    Code(
        "ATTRIBUTE_OUT_OF_RANGE",
        "note",
        "A number is outside the plausible range; it counts as not recorded.",
        "Correct the table, or widen the attribute's range.",
    ),
    Code(
        "ATTRIBUTE_CONFLICT",
        "note",
        "An attribute differs between the rows of one patient, who stands in 'conflicting'.",
        "Correct the table, or write per: case where it may differ.",
    ),
    Code(
        "MISSING_DISGUISED",
        "note",
        "A value can only mean: not recorded. In attributes and outcomes it is read so.",
        "List the value in data.missing.",
    ),
    Code(
        "AMBIGUOUS_ZERO",
        "note",
        "Zeros stand far from all other values: measured, or not recorded? They were kept.",
        "Ask who made the table; list 0 in data.missing only if no column needs it.",
    ),
    Code(
        "FEATURE_NOT_NUMERIC",
        "note",
        "A numeric feature holds text, which is read as missing.",
        "Correct the table, or list the column under features.categorical.",
    ),
    Code(
        "FEATURE_LEAKS",
        "stop",
        "A feature gives the outcome, the case or the patient away.",
        "Take the column out of data.features.",
    ),
    # Outcomes and scores
    Code(
        "OUTCOME_MISSING",
        "note",
        "The reference standard is missing; the case is counted, not scored.",
        "Add the outcome, or leave the case out.",
    ),
    Code(
        "OUTCOME_NEVER_KNOWN",
        "stop",
        "No case that would be scored has a reference standard, so that no figure could be made.",
        "Look whether targets.label is the right column; add the outcomes, or drop the target.",
    ),
    Code(
        "OUTCOME_ONE_CLASS",
        "note",
        "All cases have the same outcome, so that nothing can be learnt or told apart.",
        "Look whether targets.positive is written as the table writes it.",
    ),
    Code(
        "OUTCOME_OTHER_VALUES",
        "note",
        "An outcome has several values that are all read as absent.",
        "Look whether one of them means uncertain: list it in data.missing.",
    ),
    Code(
        "SCORE_MISSING",
        "note",
        "A vendor gave no score for a case; it counts as failed.",
        "Ask the vendor why; failures count against the product.",
    ),
    Code(
        "SCORE_NOT_NUMERIC",
        "stop",
        "A score column holds text that is no number, such as 0,85 with a comma.",
        "Write decimals with a point; list a word that means no score in data.missing.",
    ),
    Code(
        "SCORE_OUT_OF_RANGE",
        "stop",
        "A score that is said to be a probability is not between 0 and 1.",
        "Write score_kind: score, or divide percentages by 100.",
    ),
    # The audit itself
    Code(
        "AUDIT_RULE_UNUSED",
        "note",
        "The config accepts or excludes a code that finds nothing here.",
        "Take the line out, or ask why the fault is gone.",
    ),
)

CODES: dict[str, Code] = {code.code: code for code in _CODES}
"""Every code an audit can give."""


def finding(
    code: str,
    *,
    detail: str,
    case_id: str = "",
    other: str = "",
    file: str = "",
    severity: Severity | None = None,
) -> Finding:
    """Return a finding with the remedy and, unless said, the severity of its code.

    Examples
    --------
    >>> finding("LABEL_EMPTY", case_id="a1", detail="no voxel is marked").severity
    'stop'
    """
    entry = CODES[code]
    return Finding(
        code=code,
        severity=severity or entry.severity,
        case_id=case_id,
        other=other,
        file=file,
        detail=detail,
        remedy=entry.remedy,
    )
