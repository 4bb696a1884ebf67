"""Everything that can stop a command, each with its exit code, a stable code for scripts and a hint.

    CiliumctlError
    ├── UsageError                 2   usage            the request makes no sense
    │   ├── BadFile                2   bad-file         a file that we were given cannot be read or understood
    │   └── UnknownFilter          2   unknown-filter   an agent's own hubble does not know an option
    ├── Refused                    3   refused          a guard said no
    │   ├── NeedsConfirmation      3   needs-confirmation
    │   ├── Exists                 3   exists           it is there already, and differs
    │   ├── ForeignOwner           3   foreign-owner    something else manages it
    │   ├── AnotherCni             3   another-cni      another CNI is in charge of the nodes
    │   ├── Locked                 3   locked           another run is at work
    │   ├── ReleaseStuck           3   release-stuck    Helm left the release pending
    │   ├── UpgradePath            3   upgrade-path     from there to there is not a tested way
    │   ├── Downgrade              3   downgrade        an older version was not asked for by name
    │   ├── LegacyValues           3   legacy-values    values that this chart would silently ignore
    │   ├── PreflightFailed        3   preflight        a check before the change failed
    │   └── StalePlan              3   stale-plan       the world has moved on since the plan was saved
    ├── TimedOut                   4   timeout          the deadline passed first
    ├── ClusterError               5   cluster          the cluster cannot be reached, or refuses us
    │   ├── NoKubeconfig           5   no-kubeconfig
    │   ├── UnknownContext         5   unknown-context
    │   ├── CredentialPlugin       5   credential-plugin
    │   ├── Unreachable            5   unreachable      refused, no route, DNS, time-out
    │   ├── TlsFailed              5   tls
    │   ├── Unauthorized           5   unauthorized     401
    │   ├── Forbidden              5   forbidden        403: which verb on what
    │   ├── NotFound               5   not-found        404
    │   ├── Conflict               5   conflict         409
    │   ├── Invalid                5   invalid          400, 422
    │   └── ApiFailed              5   api              any other answer, a stream that broke
    ├── OutsideError               6   outside          something else outside failed
    │   ├── HelmFailed             6   helm
    │   │   ├── ReleaseNotFound    6   release-not-found
    │   │   ├── ValuesInvalid      6   values-invalid   the chart's schema says no
    │   │   ├── ChartRefused       6   chart-refused    a `fail` of the chart's templates
    │   │   ├── OwnershipConflict  6   ownership        an object belongs to something else
    │   │   ├── HelmTimedOut       4   helm-timeout
    │   │   └── HelmCancelled      130 helm-cancelled
    │   ├── ImagesMissing          6   images           the new version's pods do not come up beside the old ones
    │   ├── ChartNotFound          6   chart-not-found
    │   ├── RepositoryUnreachable  6   repository
    │   ├── DownloadFailed         6   download
    │   ├── ChecksumMismatch       6   checksum
    │   ├── UnsafeArchive          6   archive
    │   └── LabFailed              6   lab
    ├── Partial                    7   partial          a result was written, but some of it failed
    ├── Missing                    8   missing          this machine lacks something
    └── Interrupted                130 interrupted      Ctrl-C
        └── Ended                  143 terminated       SIGTERM
            └── HungUp             129 hung-up          SIGHUP: the terminal or the ssh session is gone

A bad answer is no error: an unhealthy status or a failed check is a result whose `ok` is false (exit 1).
"""

from __future__ import annotations

import signal
from typing import ClassVar


class CiliumctlError(Exception):
    """A failure that explains itself.

    Attributes:
        message: One sentence with the names involved, without an "Error:" prefix.
        hint: What to do next, ideally a command; empty when there is nothing useful to say.
        detail: The other side's own words (Helm's stderr, the API server's message), possibly many lines.
        result: What was reached before the failure; `-o json` shows it beside the error.
    """

    exit_code: ClassVar[int] = 70
    code: ClassVar[str] = "bug"

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail
        self.result: object | None = None


class UsageError(CiliumctlError):
    """The request makes no sense."""

    exit_code = 2
    code = "usage"


class BadFile(UsageError):
    """A file that we were given cannot be read or understood."""

    code = "bad-file"


class UnknownFilter(UsageError):
    """The hubble in an agent does not know an option: that Cilium is older than it."""

    code = "unknown-filter"


class Refused(CiliumctlError):
    """A guard said no; nothing was changed."""

    exit_code = 3
    code = "refused"


class NeedsConfirmation(Refused):
    """The change needs a yes, and nobody is there to ask."""

    code = "needs-confirmation"


class Exists(Refused):
    """It is there already, and differs from what was asked for."""

    code = "exists"


class ForeignOwner(Refused):
    """Something else manages it."""

    code = "foreign-owner"


class AnotherCni(Refused):
    """Another CNI is in charge of the nodes."""

    code = "another-cni"


class Locked(Refused):
    """Another run of ciliumctl, or of Helm, is at work."""

    code = "locked"


class ReleaseStuck(Refused):
    """Helm left the release pending."""

    code = "release-stuck"


class UpgradePath(Refused):
    """From the installed version to the wanted one is not a way that is tested."""

    code = "upgrade-path"


class Downgrade(Refused):
    """The wanted version is older than the installed one."""

    code = "downgrade"


class PreflightFailed(Refused):
    """A check before the change failed."""

    code = "preflight"


class LegacyValues(Refused):
    """Values that this chart would silently ignore."""

    code = "legacy-values"


class StalePlan(Refused):
    """A saved plan does not fit what is there any more."""

    code = "stale-plan"


class TimedOut(CiliumctlError):
    """The deadline passed before the desired state."""

    exit_code = 4
    code = "timeout"


class ClusterError(CiliumctlError):
    """The cluster cannot be reached, or refuses us."""

    exit_code = 5
    code = "cluster"


class NoKubeconfig(ClusterError):
    """There is no kubeconfig to connect with, or it is not one."""

    code = "no-kubeconfig"


class UnknownContext(ClusterError):
    """The kubeconfig has no such context."""

    code = "unknown-context"


class CredentialPlugin(ClusterError):
    """The kubeconfig's exec plugin is missing, failed or answered nonsense."""

    code = "credential-plugin"


class Unreachable(ClusterError):
    """Nothing answers: refused, no route, an unknown name, a time-out."""

    code = "unreachable"


class TlsFailed(ClusterError):
    """The server's certificate, or ours, was not accepted."""

    code = "tls"


class Unauthorized(ClusterError):
    """The API server does not know us (401)."""

    code = "unauthorized"


class Forbidden(ClusterError):
    """The API server knows us and says no (403)."""

    code = "forbidden"


class NotFound(ClusterError):
    """The object or the kind does not exist (404)."""

    code = "not-found"


class Conflict(ClusterError):
    """The object exists already, or changed meanwhile (409)."""

    code = "conflict"


class Invalid(ClusterError):
    """The API server does not accept the object (400, 422)."""

    code = "invalid"


class ApiFailed(ClusterError):
    """Any other answer of the API server, or a stream that broke."""

    code = "api"


class OutsideError(CiliumctlError):
    """Something outside failed: Helm, a registry, a download."""

    exit_code = 6
    code = "outside"


class HelmFailed(OutsideError):
    """Helm failed in a way that has no name of its own."""

    code = "helm"


class ReleaseNotFound(HelmFailed):
    """There is no such release."""

    code = "release-not-found"


class ValuesInvalid(HelmFailed):
    """The chart's schema does not accept the values."""

    code = "values-invalid"


class ChartRefused(HelmFailed):
    """The chart's own validation said no, or a template could not be rendered."""

    code = "chart-refused"


class OwnershipConflict(HelmFailed):
    """An object of the chart exists and belongs to something else."""

    code = "ownership"


class HelmTimedOut(HelmFailed):
    """Helm's time ran out."""

    exit_code = 4
    code = "helm-timeout"


class HelmCancelled(HelmFailed):
    """Helm was stopped by a signal."""

    exit_code = 130
    code = "helm-cancelled"


class ImagesMissing(OutsideError):
    """The new version's images cannot be had on every node, or its validation of the policies fails."""

    code = "images"


class ChartNotFound(OutsideError):
    """The repository has no such chart or version."""

    code = "chart-not-found"


class RepositoryUnreachable(OutsideError):
    """The chart repository does not answer."""

    code = "repository"


class DownloadFailed(OutsideError):
    """A download failed for good."""

    code = "download"


class ChecksumMismatch(OutsideError):
    """A downloaded or given file is not the one its publisher made."""

    code = "checksum"


class UnsafeArchive(OutsideError):
    """An archive holds something it must not hold, or lacks what it must."""

    code = "archive"


class LabFailed(OutsideError):
    """The throwaway cluster could not be started or stopped."""

    code = "lab"


class Partial(CiliumctlError):
    """A result was reached, but some steps failed."""

    exit_code = 7
    code = "partial"


class Missing(CiliumctlError):
    """This machine lacks something: a program, a right, a file system."""

    exit_code = 8
    code = "missing"


class Interrupted(CiliumctlError):
    """The user, or the system, asked us to stop."""

    exit_code = 130
    code = "interrupted"


class Ended(Interrupted):
    """The system asked us to stop."""

    exit_code = 128 + signal.SIGTERM
    code = "terminated"


class HungUp(Ended):
    """The terminal that we ran in is gone."""

    exit_code = 128 + signal.SIGHUP
    code = "hung-up"


class Terminated(BaseException):
    """SIGTERM arrived; like `KeyboardInterrupt`, no `except Exception` may swallow it; `Ended` is what it becomes."""


class Disconnected(Terminated):
    """SIGHUP arrived; `HungUp` is what it becomes."""


#: What each exit code means: the same table in `--help`, in the docs and in a test.
EXIT_CODES: dict[int, str] = {
    0: "done, and the answer is yes; nothing to do also counts",
    1: "done, and the answer is no: unhealthy, a check or a test failed, `diff` found differences",
    2: "the request makes no sense",
    3: "refused by a guard: needs confirmation, managed by another tool, downgrade, another CNI in charge, release "
    "locked or stuck",
    4: "the deadline passed before the desired state",
    5: "the cluster cannot be reached, or refuses us: kubeconfig, TLS, 401, 403",
    6: "something else outside failed: Helm, a registry, a download, a checksum",
    7: "partial: a result was written, but some collectors or reports failed",
    8: "this machine lacks something: helm, a runtime, root",
    70: "a bug: traceback, and where to report it",
    129: "hung up (the terminal is gone), after clean-up",
    130: "interrupted, after clean-up",
    143: "terminated, after clean-up",
}
