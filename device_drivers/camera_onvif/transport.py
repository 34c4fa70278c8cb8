"""How a question reaches a camera: with the token of WS-Security, by HTTP Digest, or both, whichever lets us in.

ONVIF Core specification, 5.9.1 (HTTP Digest, and the username token of earlier releases). A challenge for Basic is not
answered: it would send the password in the open.
"""

from copy import deepcopy
from time import monotonic
from typing import Any

import requests
from requests.auth import HTTPDigestAuth
from zeep.exceptions import TransportError
from zeep.transports import Transport
from zeep.wsdl.utils import etree_to_string

_AGAIN_AFTER_S = 600.0
"""Cameras lock out whoever is refused too often."""
_SECURITY = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"


class SoapTransport(Transport):
    """Posts envelopes; remembers by which way the camera let us in."""

    def __init__(self, session: requests.Session, timeout_s: float, username: str, password: str) -> None:
        super().__init__(session=session, timeout=timeout_s, operation_timeout=timeout_s)  # type: ignore[no-untyped-call]
        self._username, self._password = username, password
        self._digest: HTTPDigestAuth | None = None
        self._names_us = True
        """Whether the token goes along where HTTP says who we are."""
        self._not_before_s = float("-inf")

    def post_xml(self, address: str, envelope: Any, headers: dict[str, str]) -> requests.Response:
        """The camera's answer. Raises TransportError for a refusal in no words of SOAP, requests' errors."""
        answer = self._say(address, envelope, headers, self._digest, self._names_us)
        if not _is_refusal(answer):
            return answer
        wants_digest = answer.status_code == 401 and "digest" in answer.headers.get("WWW-Authenticate", "").lower()
        if self._digest is None and wants_digest and monotonic() >= self._not_before_s:
            answer = self._by_digest(address, envelope, headers) or answer
        else:
            self._digest, self._names_us = None, True
        if answer.status_code in (401, 403) and b"Fault" not in answer.content:
            raise TransportError(f"HTTP {answer.status_code}", status_code=answer.status_code)
        return answer

    def _by_digest(self, address: str, envelope: Any, headers: dict[str, str]) -> requests.Response | None:
        """What it answers whom it lets in; None where it does not."""
        for names_us in (True, False) if envelope.find(f".//{_SECURITY}") is not None else (False,):
            digest = HTTPDigestAuth(self._username, self._password)
            answer = self._say(address, envelope, headers, digest, names_us)
            if not _is_refusal(answer):
                self._digest, self._names_us = digest, names_us
                return answer
        self._not_before_s = monotonic() + _AGAIN_AFTER_S
        return None

    def _say(
        self, address: str, envelope: Any, headers: dict[str, str], digest: HTTPDigestAuth | None, names_us: bool
    ) -> requests.Response:
        if not names_us:
            envelope = deepcopy(envelope)
            for security in envelope.findall(f".//{_SECURITY}"):
                security.getparent().remove(security)
        message = etree_to_string(envelope)
        return self.session.post(address, data=message, headers=headers, timeout=self.operation_timeout, auth=digest)


def _is_refusal(answer: requests.Response) -> bool:
    return answer.status_code in (401, 403) or b"NotAuthorized" in answer.content
