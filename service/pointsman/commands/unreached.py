"""Why a server was not reached, as far as grpc's own words tell, and what to do."""

from __future__ import annotations

import re

from pointsman.core.errors import PointsmanError, UpstreamUnavailable
from pointsman.settings import Settings

TLS_VARIABLES = "POINTSMAN_SERVER_CA, POINTSMAN_CLIENT_CERT and POINTSMAN_CLIENT_KEY"

_HUNG_UP = re.compile(r"last error: .*(Socket closed|[Cc]onnection reset|Broken pipe|End of TCP)")
"""Of connections that were made, and ended before there was a call: a server with TLS does so where it does not like who comes."""


def hint(error: PointsmanError, where: str, settings: Settings, *, has_local: bool) -> str:
    """Return what to do about a call that no server at `where` has answered; empty for other errors."""
    if not isinstance(error, UpstreamUnavailable) or error.request_id:
        return ""
    said = str(error)
    return (
        _of_tls(said, where, settings)
        or f"is a server running at {where}? start one with 'pointsman serve'{', or use --local' if has_local else ''}"
    )


def _of_tls(said: str, where: str, settings: Settings) -> str:
    if "Hostname Verification" in said:
        return f"the certificate of {where} is for another name: say which in POINTSMAN_SERVER_NAME"
    if "certificate has expired" in said:
        return f"the certificate of {where}, or that of its authority in POINTSMAN_SERVER_CA, has expired"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        trusted = f"{settings.server_ca}, of POINTSMAN_SERVER_CA, does not hold" if settings.server_ca else "POINTSMAN_SERVER_CA must name"
        return f"the certificate of {where} is not trusted: {trusted} the certificate of its authority"
    if "WRONG_VERSION_NUMBER" in said:
        return f"the server at {where} does not speak TLS: unset {TLS_VARIABLES}"
    if "handshake" in said:
        return f"TLS failed with {where}: look at {TLS_VARIABLES}"
    return _hung_up(where, settings) if _HUNG_UP.search(said) else ""


def _hung_up(where: str, settings: Settings) -> str:
    """Return what may be missing where a server ended the connection: it does not say why."""
    if not settings.calls_over_tls:
        return f"a server at {where} ends the connection: if it asks for TLS, name its authority in POINTSMAN_SERVER_CA"
    if settings.client_cert is None:
        asked = "if it asks for a certificate, name yours in POINTSMAN_CLIENT_CERT and POINTSMAN_CLIENT_KEY"
        return f"the server at {where} ends the connection: {asked}"
    own = f"{settings.client_cert}, of POINTSMAN_CLIENT_CERT"
    return f"the server at {where} ends the connection: has {own}, expired, or an authority that is not trusted there?"
