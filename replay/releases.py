"""Releases as a replay needs them: pinned by the digest of their manifest, signed by somebody who is trusted."""

import hashlib
from typing import NamedTuple

from contracts.errors import Refused
from contracts.replay import ReplayJob
from model.manifest import MANIFEST
from model.release import PASS_THROUGH, Release, load_release
from model.scorer import scorer_for
from model.signature import TrustedKeys
from model.store import ModelStore
from replay.rescoring import Rescorer


class Releases(NamedTuple):
    """Where releases are, as in `ModelStore`; with `trusted`, one of those keys must have signed each of them."""

    uri: str
    trusted: TrustedKeys | None = None

    def load(self, version: str) -> Release:
        """A release, every file verified. Raises Misconfigured or Unavailable."""
        return load_release(self.uri, version, self.trusted)

    def rescorer(self, version: str, *, keep_rules: bool) -> Rescorer:
        """A release that is warmed up. Raises Misconfigured or Unavailable."""
        release = self.load(version)
        return Rescorer(release, scorer_for(release), self.load, keep_rules=keep_rules)

    def rescorer_for(self, job: ReplayJob) -> Rescorer:
        """The release that decides a job. Rules that fired are not looked into if told so, or if they fire again."""
        return self.rescorer(job.model_version, keep_rules=job.keep_rules or job.recompute is not None)

    def manifest_sha256(self, version: str) -> str:
        """What pins a release: its manifest names the digest of every file. Empty for the built-in one."""
        if version == PASS_THROUGH:
            return ""
        return hashlib.sha256(ModelStore(self.uri).read(version, MANIFEST)).hexdigest()

    def check(self, job: ReplayJob) -> None:
        """Raise Refused where the release of that name is another than the one that was planned with."""
        found = self.manifest_sha256(job.model_version)
        if found != job.manifest_sha256:
            raise Refused(
                f"Release {job.model_version!r} is not the one that was planned with: its manifest has sha256 "
                f"{found[:12]}..., the plan says {job.manifest_sha256[:12]}.... Plan again, or restore the release."
            )
