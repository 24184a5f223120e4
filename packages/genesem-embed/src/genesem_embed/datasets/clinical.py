"""Whose image is whose, out of a clinical table whose columns nobody has written down."""

from pathlib import Path

import pandas as pd

from genesem_embed.errors import InputError, MissingExtraError

_STATUS_NAMES = ("status", "group", "response", "survival group", "lts/sts", "stage")


def read_clinical(folder: Path, images: list[str]) -> dict[str, dict[str, str]]:
    """Return ``patient`` and ``status`` by image name, as far as a table in `folder` tells them.

    Every sheet of every ``.xlsx`` and every ``.csv`` is looked at. The column of images is the one that names most of
    `images`; the patient is the column whose name holds "patient" or "case", the status one called status or group.

    Parameters
    ----------
    images
        Names of the images that were read.
    """
    found: dict[str, dict[str, str]] = {}
    for source, table in _tables(folder):
        table = table.rename(columns=str)
        names = [str(name) for name in table.columns]
        shares = {name: _share(column, images) for name, column in table.items()}
        key = max(names, key=lambda name: shares[name], default="")
        if shares.get(key, 0.0) < 0.5:
            continue
        rows = table.dropna(subset=[key]).drop_duplicates(key).set_index(key)
        for what, column in (("patient", _patient_column(names, key)), ("status", _status_column(names))):
            if column is not None and what not in found:
                found[what] = _by_image(rows[column], images, source)
    return found


def _tables(folder: Path) -> list[tuple[Path, pd.DataFrame]]:
    tables = [(path, pd.read_csv(path, dtype=str)) for path in sorted(folder.glob("*.csv"))]
    for path in sorted(folder.glob("*.xlsx")):
        try:
            sheets = pd.read_excel(path, sheet_name=None, dtype=str)
        except ImportError as error:
            msg = (
                f"{path} needs openpyxl, which is not installed: "
                'pip install "genesem-embed[clinical]", or save the table as .csv'
            )
            raise MissingExtraError(msg) from error
        except Exception as error:  # openpyxl and zipfile each have their own errors for a broken file
            msg = f"{path} cannot be read as a clinical table ({(str(error).splitlines() or ['damaged'])[0]})"
            raise InputError(msg) from error
        tables += [(path, sheet) for sheet in sheets.values()]
    return tables


def _share(column: "pd.Series[str]", images: list[str]) -> float:
    return len(set(images) & set(column.dropna().astype(str).str.strip())) / len(images)


def _patient_column(names: list[str], image_column: str) -> str | None:
    return next((name for name in names if name != image_column and _has(name, ("patient", "case"))), None)


def _status_column(names: list[str]) -> str | None:
    return next((name for name in names if name.strip().lower() in _STATUS_NAMES), None)


def _has(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name.lower() for word in words)


def _by_image(column: "pd.Series[str]", images: list[str], source: Path) -> dict[str, str]:
    told = {str(image).strip(): value for image, value in column.dropna().items()}
    missing = [image for image in images if image not in told]
    if missing and column.name is not None and _has(str(column.name), ("patient", "case")):
        msg = f"{source} names no {column.name} for {len(missing)} of {len(images)} images (first: {missing[0]})"
        raise InputError(msg)
    return {image: str(told[image]) for image in images if image in told}
