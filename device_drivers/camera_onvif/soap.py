"""ONVIF services of one camera over a transport that keeps to one host, one deadline and a bounded size.

The WSDL files are parsed once a process and shared by all cameras.
"""

import io
import os
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from importlib.metadata import files as files_of
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

import onvif
import requests
import urllib3
import zeep
import zeep.wsdl
from onvif.definition import SERVICES
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from device_drivers.camera_onvif.surface import OPERATIONS, Surface
from device_drivers.camera_onvif.transport import SoapTransport
from device_drivers.errors import BadAnswer, NotAnswering, WrongCredentials

_MAX_SOAP_BYTES = 1 << 20
_MAX_PICTURE_BYTES = 16 << 20
_CHUNK_BYTES = 65_536
_STALLS_S = 60.0
"""A camera may write each block of its firmware before it takes the next."""


class BoundedAdapter(HTTPAdapter):
    """Speaks to one host, at its port and where its pictures are; follows no redirect, reads so much for so long."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        super().__init__(max_retries=0)
        self._host, self.ports = host.lower(), {port}
        self.most_bytes, self.waits_s = _MAX_SOAP_BYTES, timeout_s

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """One request and its whole answer."""
        url = urlsplit(request.url or "")
        if url.hostname != self._host or (url.port or 80) not in self.ports:
            raise BadAnswer(f"the camera sends us to {url.hostname}:{url.port}; only {self._host} is configured")
        until_s = monotonic() + self.waits_s
        kwargs |= {"timeout": self.waits_s, "stream": True}
        response = super().send(request, *args, **kwargs)
        if response.is_redirect:
            response.close()
            raise BadAnswer(f"{self._host} answers with a redirect, which is not followed")
        body = bytearray()
        try:
            while part := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                body += part
                if len(body) > self.most_bytes:
                    raise BadAnswer(f"{self._host} answers with more than {self.most_bytes} bytes")
                if monotonic() > until_s:
                    raise NotAnswering(f"{self._host}: its answer takes longer than {self.waits_s:g} s")
        except urllib3.exceptions.TimeoutError as error:
            raise NotAnswering(f"{self._host}: its answer stops in the middle") from error
        except urllib3.exceptions.HTTPError as error:
            raise BadAnswer(f"{self._host}: its answer is no HTTP ({type(error).__name__})") from error
        finally:
            response.close()
        response.raw = io.BytesIO(bytes(body))
        return response


class Services:
    """The services of one camera, each made when first asked for."""

    def __init__(self, host: str, port: int, username: str, password: str, timeout_s: float) -> None:
        self._host, self._port = host, port
        self._username, self._password = username, password
        self._adapter = BoundedAdapter(host, port, timeout_s)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)
        self._transport = SoapTransport(self._session, timeout_s, username, password)
        self._made: dict[str, Any] = {}
        self._way_in: AuthBase | None = None
        self._no_pictures_at: set[int] = set()
        self.skew = timedelta(0)
        """How far the camera's clock is ahead of ours; its digest wants its own time."""

    def service(self, name: str, path: str) -> Any:
        """The ONVIF service `name` (as onvif-zeep calls it) at a path of this camera."""
        named = onvif.client.UsernameDigestTokenDtDiff(
            self._username, self._password, dt_diff=self.skew, use_digest=True
        )  # fmt: skip
        return self._service(name, name, path, named)

    def open_service(self, name: str, path: str) -> Any:
        """The same, without saying who asks."""
        return self._service(f"{name} to anybody", name, path, None)

    def _service(self, key: str, name: str, path: str, named: Any) -> Any:
        if key not in self._made:
            client = zeep.Client(_document(name), wsse=named, transport=self._transport, settings=_settings())
            self._made[key] = onvif.ONVIFService(
                self.here(path), self._username, self._password, str(wsdl_of(name)),
                zeep_client=client, binding_name=f"{{{SERVICES[name]['ns']}}}{SERVICES[name]['binding']}",
            )  # fmt: skip
        return self._made[key]

    def forget(self) -> None:
        """Make every service anew, with the skew and paths as they are then."""
        self._made.clear()
        self._no_pictures_at.clear()

    def here(self, address: str, port: int | None = None) -> str:
        """An address that the camera named, on the host and port that we were told: it may believe another."""
        url = urlsplit(address)
        return urlunsplit(("http", f"{self._host}:{port or self._port}", url.path or "/", url.query, ""))

    def picture(self, address: str) -> bytes:
        """The bytes of a snapshot, by Digest or Basic, whichever the camera asks for.

        Some makes have their pictures at another port than their services, and name it: there one looks first.
        """
        if (port := self._port_of_pictures(address)) is not None:
            try:
                return self._picture(self.here(address, port))
            except (BadAnswer, NotAnswering, requests.RequestException):
                self._no_pictures_at.add(port)  # until it is asked anew who it is
        return self._picture(self.here(address))

    def _port_of_pictures(self, address: str) -> int | None:
        url = urlsplit(address)
        try:
            port = url.port or 80
        except ValueError:  # no port at all: where its services are, if anywhere
            return None
        if url.scheme != "http" or url.hostname != self._host.lower() or port in (self._port, *self._no_pictures_at):
            return None
        self._adapter.ports = {self._port, port}
        return port

    def _picture(self, url: str) -> bytes:
        self._adapter.most_bytes = _MAX_PICTURE_BYTES
        try:
            answer = self._session.get(url, auth=self._way_in, allow_redirects=False)
            if answer.status_code == 401 and self._learns_way_in(answer):
                answer = self._session.get(url, auth=self._way_in, allow_redirects=False)
        finally:
            self._adapter.most_bytes = _MAX_SOAP_BYTES
        if answer.status_code in (401, 403):
            raise WrongCredentials(f"{self._host}: the camera refuses user name or password for snapshots")
        if answer.status_code != 200:
            raise BadAnswer(f"{self._host}: snapshot answered with HTTP {answer.status_code}")
        return answer.content

    def upload(self, address: str, image: Path, within_s: float) -> int:
        """Send a file by POST; the HTTP status. Raises NotAnswering where it is too slow, requests' errors, OSError."""
        url, until_s, waits_s = self.here(address), monotonic() + within_s, self._adapter.waits_s
        self._adapter.waits_s = min(within_s, _STALLS_S)
        try:
            answer = self._post(url, image, until_s)
            if answer.status_code == 401 and self._learns_way_in(answer):
                answer = self._post(url, image, until_s)
            return answer.status_code
        finally:
            self._adapter.waits_s = waits_s

    def _post(self, url: str, image: Path, until_s: float) -> requests.Response:
        with image.open("rb") as file:
            headers = {"Content-Type": "application/octet-stream"}
            body = _Outgoing(file, until_s)
            return self._session.post(url, data=body, headers=headers, auth=self._way_in, allow_redirects=False)

    def _learns_way_in(self, answer: requests.Response) -> bool:
        """Whether the camera asks for another way in than ours; with new firmware it may."""
        kind = HTTPDigestAuth if "digest" in answer.headers.get("WWW-Authenticate", "").lower() else HTTPBasicAuth
        if isinstance(self._way_in, kind):
            return False
        self._way_in = kind(self._username, self._password)
        return True

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class _Outgoing:
    """A file on its way out, until a moment; its length is told, so that it does not go in chunks."""

    def __init__(self, file: BinaryIO, until_s: float) -> None:
        self._file, self._until_s = file, until_s

    def __len__(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def read(self, most: int) -> bytes:
        """The next bytes. Raises NotAnswering once it is too late."""
        if monotonic() > self._until_s:
            raise NotAnswering("the camera takes its firmware too slowly")
        return self._file.read(most)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(_CHUNK_BYTES), b"")

    def tell(self) -> int:
        """How far it is."""
        return self._file.tell()

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Begin again, when the camera first asks who we are."""
        return self._file.seek(place, whence)


@cache
def _document(name: str) -> Any:
    transport: Any = _surface()
    return zeep.wsdl.Document(str(wsdl_of(name)), transport, settings=_settings())


@cache
def _surface() -> Surface:
    return Surface({wsdl_of(name): operations for name, operations in OPERATIONS.items()})


def _settings() -> zeep.Settings:
    return zeep.Settings(strict=False, forbid_dtd=True, forbid_entities=True, forbid_external=True)


@cache
def wsdl_of(name: str) -> Path:
    """Where onvif-zeep's WSDL files have been installed; it puts them beside its package."""
    wanted = f"wsdl/{SERVICES[name]['wsdl']}"
    for file in files_of("onvif-zeep") or ():
        if str(file).endswith(wanted):
            return Path(str(file.locate()))
    raise FileNotFoundError(f"onvif-zeep is installed without {wanted}; install it again")
