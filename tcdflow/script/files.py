"""How the files of a run are named in its script: as hub id and commit, or by their path here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tcdflow.files.artifact import Artifact
from tcdflow.files.pickles import is_pickle
from tcdflow.files.source import Source, parse
from tcdflow.request.request import Prepared
from tcdflow.script.images import Given, load
from tcdflow.spec.inputs import ImageUse, Size
from tcdflow.spec.preprocessor import Preprocessor
from tcdflow.spec.script import Lines, call, cannot_write, literal

_IN_CACHE = re.compile(r"/models--([\w.-]+?)--([\w.-]+)/snapshots/([0-9a-f]{40})(?=/|$)", re.A)


@dataclass(frozen=True)
class Files:
    """Names the files of one run (:class:`tcdflow.spec.script.ScriptFiles`).

    Attributes:
        run: with its files.
        given: the input images as the run used them, where its directory still has them.
    """

    run: Prepared
    given: Given

    @property
    def size(self) -> Size:
        """Width and height of the run in pixels."""
        return self.run.spec.width, self.run.spec.height

    def model(self, module: str, name: str, role: str, variable: str, lines: Lines) -> str:
        """Write what loads a model, and return its variable."""
        found = self.artifact(role)
        lines.use(module, name)
        if found.single:
            config = self.config(f"{role}.config", lines)
            lines.models += call(f"{variable} = {name}.from_single_file", self.file(role, lines) | config)
        else:
            lines.models += call(f"{variable} = {name}.from_pretrained", self.place(role) | weights(found))
        return variable

    def artifact(self, role: str) -> Artifact:
        """Return the files of a role.

        Raises:
            ConfigError: if pickles are among them, which tcdflow reads in a way of its own.
        """
        found = self.run.files.by_role[role]
        if any(map(is_pickle, found.files)):
            raise cannot_write(found.key, "pickled weights")
        return found

    def place(self, role: str) -> dict[str, str]:
        """Return where a folder or weight file is, as arguments of the libraries' loaders."""
        found, source = self.artifact(role), self._source(role)
        if source is None:
            folder = {"*": literal(str(found.root if not found.single else found.path.parent))}
            return folder | ({"weight_name": literal(found.path.name)} if found.single else {})
        inside = source.inside
        file = {}
        if found.single:
            inside, _, name = found.files[0].rpartition("/")
            file = {"weight_name": literal(name)}
        subfolder = {"subfolder": literal(inside)} if inside else {}
        return {"*": literal(source.location), **subfolder, **file, "revision": literal(found.revision)}

    def file(self, role: str, lines: Lines) -> dict[str, str]:
        """Return the path of a single file, as an argument."""
        found, source = self.artifact(role), self._source(role)
        if source is None:
            return {"*": literal(str(found.path))}
        lines.use("huggingface_hub", "hf_hub_download")
        arguments = f"{literal(source.location)}, {literal(found.files[0])}, revision={literal(found.revision)}"
        return {"*": f"hf_hub_download({arguments})"}

    def config(self, role: str, lines: Lines) -> dict[str, str]:
        """Return the arguments that name the layout of a single file, and the dtype."""
        found, source = self.artifact(role), self._source(role)
        if source is None:
            return {"config": literal(str(found.root)), "dtype": "dtype"}
        if source.inside:
            raise cannot_write(found.key, "a config in a folder of a repository")
        return {"config": literal(source.location), "revision": literal(found.revision), "dtype": "dtype"}

    def where(self, role: str) -> str | None:
        """Return what is to be said of a path: what ships with tcdflow, or the repository of a cached folder."""
        found = self.run.files.by_role[role]
        if found.source.startswith("embedded:"):
            return f"{literal(found.source)}, version {literal(found.revision)}, which ships with tcdflow"
        if self._source(role) is None and (cached := _IN_CACHE.search(str(found.root))):
            return f"{cached[1]}/{cached[2]} at {cached[3]}"
        return None

    def image(self, use: ImageUse, variable: str, lines: Lines) -> None:
        """Load an input image into a variable, as the run uses it."""
        load(self.run.files.by_role[use.role], use, self.size, self.given, variable, lines)

    def control(self, use: ImageUse, how: Preprocessor | None, key: str, variable: str, lines: Lines) -> None:
        """Make a control image in a variable."""
        if how is None:
            self.image(use, variable, lines)
            return
        unfitted = how.resizes and use.fit == "resize"
        given = ImageUse(use.role, "none", use.fit_key, behind=use.behind) if unfitted else use
        self.image(given, variable, lines)
        lines.add(how.script(variable, key, self))

    def _source(self, role: str) -> Source | None:
        """Return the hub's source of a role; None for what is on this machine alone."""
        found = self.run.files.by_role[role]
        if found.revision is None or found.source.startswith("embedded:"):
            return None
        source = parse(found.source)
        return source if source.kind == "hub" else None


def weights(found: Artifact) -> dict[str, str]:
    """Return the arguments that choose the weights in a folder."""
    variant = {} if found.variant is None else {"variant": literal(found.variant)}
    return {**variant, "dtype": "dtype", "use_safetensors": "True"}
