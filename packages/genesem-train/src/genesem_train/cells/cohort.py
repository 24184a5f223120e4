"""Cells of a cohort as arrays: marker values, types, status, who belongs to which patient and image."""

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

UNKNOWN = -1
"""Code of a cell without a label."""


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """All cells of all images; codes are `UNKNOWN` where there is no label."""

    name: str
    ids: list[str]
    markers: list[str]
    values: Float[np.ndarray, "cell marker"]
    around: Float[np.ndarray, "cell marker"]
    """Mean values of the nearest other cells of the same image."""
    types: Int[np.ndarray, " cell"]
    type_names: list[str]
    status: Int[np.ndarray, " cell"]
    """Constant within a patient; all `UNKNOWN` where no status was named."""
    status_names: list[str]
    patients: Int[np.ndarray, " cell"]
    patient_names: list[str]
    images: Int[np.ndarray, " cell"]

    image_names: list[str]
    image_sizes: Int[np.ndarray, " image"]
    """Cells of each image, those that a sample leaves out included."""

    @property
    def digest(self) -> str:
        """Return the SHA-256, in hex, of which cells they are, and of the type, status, patient and image of each."""
        digest = hashlib.sha256(
            json.dumps([self.ids, self.type_names, self.status_names, self.patient_names, self.image_names]).encode()
        )
        for codes in (self.types, self.status, self.patients, self.images):
            digest.update(codes.astype("<i8").tobytes())
        return digest.hexdigest()

    @property
    def patient_status(self) -> Int[np.ndarray, " patient"]:
        """Return the status of each patient."""
        return np.asarray(self.status[_first_of_each(self.patients)])

    @property
    def image_status(self) -> Int[np.ndarray, " image"]:
        """Return the status of each image's patient."""
        return np.asarray(self.status[_first_of_each(self.images)])

    @property
    def image_patients(self) -> Int[np.ndarray, " image"]:
        """Return the patient of each image."""
        return np.asarray(self.patients[_first_of_each(self.images)])

    @property
    def has_more_images(self) -> bool:
        """Tell whether a patient has more than one image, so that images and patients are different things."""
        return len(self.image_names) > len(self.patient_names)

    def only(self, rows: Int[np.ndarray, " chosen"]) -> "Cohort":
        """Return these cells alone; their neighbours stay the ones among all cells."""
        patients, images = (np.unique(codes[rows], return_inverse=True) for codes in (self.patients, self.images))
        return replace(
            self,
            ids=[self.ids[row] for row in rows],
            values=self.values[rows],
            around=self.around[rows],
            types=self.types[rows],
            status=self.status[rows],
            patients=patients[1],
            patient_names=[self.patient_names[code] for code in patients[0]],
            images=images[1],
            image_names=[self.image_names[code] for code in images[0]],
            image_sizes=self.image_sizes[images[0]],
        )


def _first_of_each(codes: Int[np.ndarray, " cell"]) -> Int[np.ndarray, " group"]:
    return np.unique(codes, return_index=True)[1]
