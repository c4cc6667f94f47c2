"""Which image belongs to which label: by name, in a folder."""

from dataclasses import dataclass
from pathlib import Path

from aiops.data.images import PICTURES, VOLUMES
from aiops.data.table import suffix_of
from aiops.errors import DataError

IMAGE_FOLDERS = ("images", "imagesTr", "image")
LABEL_FOLDERS = ("labels", "labelsTr", "label", "masks", "segmentations")
_IMAGE_ENDS = ("_image", "-image", "_img", "_0000")
_LABEL_ENDS = ("_label", "-label", "_labels", "_mask", "-mask", "_seg", "-seg")


@dataclass(frozen=True)
class Pairing:
    """Images and labels of a folder by the name they share."""

    images: dict[str, Path]
    labels: dict[str, Path]

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted({*self.images, *self.labels})

    @property
    def images_alone(self) -> list[str]:
        """Names of images without a label; none where there are no labels at all."""
        return sorted(set(self.images) - set(self.labels)) if self.labels else []

    @property
    def labels_alone(self) -> list[str]:
        """Names of labels without an image."""
        return sorted(set(self.labels) - set(self.images))


def pair_files(folder: Path) -> Pairing:
    """Pair the images and labels of a folder by name.

    Parameters
    ----------
    folder : Path
        With folders ``images`` and ``labels`` (or nnU-Net's ``imagesTr`` and ``labelsTr``); or
        with files ``a_image.nii.gz`` and ``a_label.nii.gz``; or with images alone.

    Raises
    ------
    DataError
        If there is no image and no label, or two files share a name.
    """
    if not folder.is_dir():
        raise DataError("the folder is not there", where=str(folder), fix="look at its name")
    image_folder = next((folder / n for n in IMAGE_FOLDERS if (folder / n).is_dir()), None)
    label_folder = next((folder / n for n in LABEL_FOLDERS if (folder / n).is_dir()), None)
    if image_folder or label_folder:
        images = _by_name(_files(image_folder))
        labels = _by_name(_files(label_folder))
    else:
        files = _files(folder)
        marked = [file for file in files if _stem(file).lower().endswith(_LABEL_ENDS)]
        images = _by_name([file for file in files if file not in marked])
        labels = _by_name(marked)
    if not images and not labels:
        raise DataError(
            "the folder holds no image that is read",
            where=str(folder),
            fix=f"put files into {folder.name}/images and {folder.name}/labels; "
            f"read are: {', '.join((*VOLUMES, *PICTURES))}",
        )
    return Pairing(images, labels)


def _files(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    return sorted(
        file
        for file in folder.iterdir()
        if file.is_file()
        and not file.name.startswith(".")
        and suffix_of(file) in VOLUMES + PICTURES
    )


def _stem(file: Path) -> str:
    return file.name[: -len(suffix_of(file))]


def _by_name(files: list[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for file in files:
        stem = _stem(file)
        ends = [end for end in (*_IMAGE_ENDS, *_LABEL_ENDS) if stem.lower().endswith(end)]
        name = stem[: -len(max(ends, key=len))] if ends else stem
        if name in named:
            raise DataError(
                f"two files would both be '{name}': {named[name].name} and {file.name}",
                where=str(file.parent),
                fix="keep one; channels of one case go into a table with data.image: {t1: …}",
            )
        named[name] = file
    return named
