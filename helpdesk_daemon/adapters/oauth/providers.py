"""What is known of providers: their addresses and scopes, and what an operator should do about their refusals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider gives tokens, and for what.

    Attributes:
        token_url: token endpoint (RFC 6749 section 3.2); `{tenant}` is filled in.
        scope: asked for when a person consents: reading by IMAP, sending by SMTP, and a refresh token.
        app_scope: asked for in the client credentials grant; empty where the provider has none for mail.
        device_url: device authorization endpoint (RFC 8628), empty where it does not give these scopes.
        authorize_url: authorization endpoint (RFC 6749 section 3.1).
        extra: parameters the authorization endpoint needs to give a refresh token.
    """

    token_url: str
    scope: str
    app_scope: str = ""
    device_url: str = ""
    authorize_url: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


MICROSOFT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/"
OUTLOOK = "https://outlook.office.com/"
PROVIDERS = {
    # Google's device endpoint refuses the scope of mail, so consent comes by a browser's redirect.
    "google": Provider(
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106  an address
        scope="https://mail.google.com/",
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        extra={"access_type": "offline", "prompt": "consent"},
    ),
    "microsoft": Provider(
        token_url=MICROSOFT + "token",
        scope=f"{OUTLOOK}IMAP.AccessAsUser.All {OUTLOOK}SMTP.Send offline_access",
        app_scope="https://outlook.office365.com/.default",
        device_url=MICROSOFT + "devicecode",
        authorize_url=MICROSOFT + "authorize",
    ),
}

CONSENT = "Consent again: helpdesk-daemon sign-in {name}"
# Provider (empty for any), what it says, what to do. The first row that matches wins.
ADVICE = (
    ("microsoft", r"AADSTS7000222", "The client secret has expired: make a new one in Entra, into client_secret_file"),
    ("microsoft", r"AADSTS7000215", "The client secret is wrong: client_secret_file wants its value, not its ID"),
    ("microsoft", r"AADSTS700016|AADSTS90002|AADSTS900023", "Check client_id and tenant: no such application there"),
    ("microsoft", r"AADSTS7000218|AADSTS700025",
     "Allow public client flows for the application in Entra, without a client secret; or set one, without"),
    ("microsoft", r"AADSTS65001|consent_required",
     "Nobody has consented to these scopes: " + CONSENT + ", or have an administrator grant them in Entra"),
    ("microsoft", r"AADSTS53003|AADSTS5007[69]|AADSTS50158|interaction_required",
     "A policy wants a person to sign in (second factor, Conditional Access). " + CONSENT),
    ("microsoft", r"AADSTS70011|invalid_scope", "Check scope; without it the right ones are asked for"),
    ("microsoft", r"5\.7\.139|SmtpClientAuthentication",
     "SMTP AUTH is switched off: an administrator enables it for this mailbox (Set-CASMailbox -SmtpClientAuthentication"
     "Disabled $false)"),
    ("microsoft", r"AUTHENTICATE failed|authenticated but not connected|5\.7\.3|5\.7\.57",
     "Check that user is the mailbox that consented and that the scopes allow IMAP and SMTP; with client_credentials, "
     "that the application's service principal was registered in Exchange and given access to the mailbox"),
    ("google", r"invalid_grant",
     "Consent was withdrawn, the password changed, the token lay unused for six months, or the application is still "
     "in testing, where tokens last a week. " + CONSENT),
    ("google", r"not enabled for IMAP|IMAP access is disabled", "An administrator allows IMAP for this account"),
    ("google", r"insufficient|invalid credentials|Username and Password not accepted|5\.7\.8",
     "Check that user is the account that consented, with scope https://mail.google.com/. " + CONSENT),
    ("", r"invalid_grant", "The refresh token has expired or was withdrawn. " + CONSENT),
    ("", r"invalid_client|unauthorized_client",
     "Check client_id, client_secret and grant; a client secret may have expired"),
    ("", r"invalid_scope|insufficient_scope", "Check scope"),
    ("", r"access_denied|expired_token", "Nobody consented in time. " + CONSENT),
)  # fmt: skip
OTHERWISE = "Check user, client_id and scope of the oauth table. " + CONSENT


def advice(provider: str, said: str, name: str) -> str:
    """What the operator should do.

    Args:
        provider: a key of `PROVIDERS`, or empty.
        said: the words of the server that refused.
        name: what the `sign-in` command takes.
    """
    rows = (then for of, pattern, then in ADVICE if of in ("", provider) and re.search(pattern, said, re.I))
    return next(rows, OTHERWISE).format(name=name)
