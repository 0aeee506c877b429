"""Artefacts of a run folder: written whole or not at all, and traceable to what made them."""

from genrec.runs.artifact import Draft, digest_files, is_current, new_artifact, open_artifact
from genrec.runs.manifest import Manifest

__all__ = ["Draft", "Manifest", "digest_files", "is_current", "new_artifact", "open_artifact"]
