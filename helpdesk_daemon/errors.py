"""What can go wrong, named by what the caller should do about it; every other module may use these."""

from __future__ import annotations


class HelpdeskError(Exception):
    """Any failure this program expects; its text is fit for an operator's eyes."""


class ConfigError(HelpdeskError):
    """Something the operator wrote cannot be used.

    Attributes:
        file: the file that holds it.
        key: the dotted path of the key in that file, empty when the file itself is at fault.
        problem: what is wrong.
        mend: what to write instead.
    """

    def __init__(self, file: str, key: str, problem: str, mend: str) -> None:
        where = f"{file}: {key}" if key else file
        super().__init__(f"{where}: {problem}. {mend}")
        self.file, self.key, self.problem, self.mend = file, key, problem, mend


class UnusableRules(HelpdeskError):
    """Rules that were saved cannot be used; the text says why, and quotes the line.

    Attributes:
        where: place and key without anything that the file says: fit for a log.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


class Refused(HelpdeskError):
    """A person ordered what cannot be done."""


class TransientError(HelpdeskError):
    """The other side may succeed later.

    Attributes:
        retry_after: seconds to wait at least, or None to leave it to the caller's back-off.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(TransientError):
    """No connection to the server: not this mail's fault, and every other mail would fare the same."""


class PermanentError(HelpdeskError):
    """The other side will never accept this; trying again is pointless."""


class TooLarge(PermanentError):
    """A server takes only smaller mail.

    Attributes:
        limit: bytes it takes (RFC 1870).
    """

    def __init__(self, message: str, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


class SignInError(HelpdeskError):
    """A server refused our credentials; hammering it would lock the account."""


class AmbiguousDelivery(HelpdeskError):
    """The connection broke after the final dot of DATA: the mail is perhaps delivered (RFC 5321 4.5.3.2.6)."""


class StoreError(HelpdeskError):
    """The database cannot be written (full disk, read-only, corrupt); the stages must stop."""


class AlreadyRunning(HelpdeskError):
    """Another process runs the stages on this data folder."""
