"""Templates: the wording of a recipe, in versioned data files named `<recipe>.<name>.toml`."""

import hashlib
import json
import tomllib
from dataclasses import dataclass
from importlib.resources import files

from genesem_embed.errors import UnknownNameError

_FOLDER = files("genesem_embed.texts") / "templates"


@dataclass(frozen=True, kw_only=True)
class Template:
    """The wording of a recipe."""

    name: str
    version: int
    system: str | None
    parts: dict[str, str]
    """The other strings of the file; which ones there are is the recipe's affair."""

    def stamp(self) -> dict[str, object]:
        """Return the name and the hash of the wording; notes and comments in the file do not count."""
        wording = {"version": self.version, "system": self.system, **self.parts}
        canonical = json.dumps(wording, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return {"template": self.name, "template_sha256": hashlib.sha256(canonical.encode()).hexdigest()}


def template_names(recipe: str) -> list[str]:
    """Return the templates of `recipe`, in alphabetical order."""
    names = (path.name for path in _FOLDER.iterdir())
    return sorted(name.split(".")[1] for name in names if name.startswith(f"{recipe}.") and name.endswith(".toml"))


def load_template(recipe: str, name: str) -> Template:
    """Return a template of `recipe`.

    Raises
    ------
    UnknownNameError
        There is none of that name; the known ones are listed.
    """
    known = template_names(recipe)
    if name not in known:
        msg = f"recipe {recipe} has no template {name!r}; it has {', '.join(known)}: choose one with --template"
        raise UnknownNameError(msg)
    content = tomllib.loads((_FOLDER / f"{recipe}.{name}.toml").read_text("utf-8"))
    parts = {key: value for key, value in content.items() if key not in {"version", "system", "note"}}
    return Template(name=name, version=content["version"], system=content.get("system"), parts=parts)
