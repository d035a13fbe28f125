"""YAML and JSON documents on disk, comments and order kept; and the JSON schema of the contract standard."""

import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from platform_resources.errors import ResourceError


class UnreadableDocument(ResourceError):
    """A document that is no YAML or JSON; the message names the file, the place and the fix."""


class DocumentExists(ResourceError):
    """A document that may not change lies there already, with another content."""


def read_document(path: Path) -> Any:
    """Return a YAML or JSON document; mappings keep their order and their comments.

    Raises:
        UnreadableDocument: There is no such file, or it is neither.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - only who reads contracts pays for it
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else YAML().load(text)
    except OSError as error:
        raise UnreadableDocument(f"{path}: {error.strerror}. Fix: name a file that is there.") from error
    except (ValueError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UnreadableDocument(f"{path}: is no YAML or JSON: {reason}. Fix: mend the file.") from error


def document_text(document: Any) -> str:
    """Return a document as YAML, in its order, with its comments."""
    from io import StringIO  # noqa: PLC0415

    from ruamel.yaml import YAML  # noqa: PLC0415

    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def write_document(path: Path, document: Any) -> None:
    """Return when the document lies under its name, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(document_text(document), encoding="utf-8")
    draft.replace(path)


def odcs_schema() -> Mapping[str, Any]:
    """Return the JSON schema of the Open Data Contract Standard, as its own package ships it."""
    text = files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


@contextmanager
def folder_at(reference: str, folder: Path) -> Iterator[Path]:
    """Yield a copy of a folder as it is at a branch, tag or commit of the Git repository around it.

    Raises:
        UnreadableDocument: There is no such reference, no repository, or no such folder in it.
    """
    around = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    top = _git(around, "rev-parse", "--show-toplevel").decode().strip()
    place = folder.absolute().resolve().relative_to(Path(top).resolve())
    # Text before the commit's name would be read as an option, so that a reference is resolved first.
    commit = _git(around, "rev-parse", "--verify", "--end-of-options", f"{reference}^{{commit}}").decode().strip()
    packed = _git(Path(top), "archive", "--format=tar", commit, "--", str(place))
    with (
        tempfile.TemporaryDirectory(prefix="platform-contracts-") as copy,
        tarfile.open(fileobj=BytesIO(packed)) as tar,
    ):
        tar.extractall(copy, filter="data")
        yield Path(copy) / place


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)  # noqa: S607
    except FileNotFoundError as error:
        raise UnreadableDocument("git is not installed. Fix: install it, or name a version or a file.") from error
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise UnreadableDocument(
            f"{arguments[-1].removesuffix('^{commit}')}: is no reference of the repository that holds {folder}: "
            f"{reason}. Fix: name a published version, a contract file, or a branch, tag or commit."
        )
    return done.stdout
