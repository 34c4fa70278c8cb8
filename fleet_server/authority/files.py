"""The authorities as files, numbered in the order of their making.

The last but one issues; the last is trusted already, so that it can take over with no room disconnected; the one before
both is trusted until all its certificates are renewed. A separate one, `centre`, vouches for the server alone: the
broker's inner door opens to nobody else.
"""

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fleet_server.authority.certificates import Authority, fingerprint_of, issue, new_authority, new_key, pem_of
from fleet_server.durable import write_whole
from fleet_server.errors import WrongSettings
from wire.times import Clock

_ROOMS = "rooms-{:d}"
CENTRE = "centre"
SERVICE_LIVES = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=60)


class AuthorityFiles:
    """Made where they are not there yet. Every method raises OSError, and WrongSettings for a damaged file."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._clock = folder, clock
        for number in (1, 2):
            if not self._numbers() or max(self._numbers()) < number:
                self._make(_ROOMS.format(number))
        if not (folder / f"{CENTRE}.pem").exists():
            self._make(CENTRE)

    @property
    def issuing(self) -> Authority:
        """The one that issues certificates to rooms now."""
        return self._read(self.issuing_name)

    @property
    def issuing_name(self) -> str:
        """Its name."""
        return _ROOMS.format(max(self._numbers()) - 1)

    @property
    def centre(self) -> Authority:
        """The one that vouches for the server."""
        return self._read(CENTRE)

    @property
    def trusted_by_rooms(self) -> str:
        """The issuing one and the next, as PEM."""
        last = max(self._numbers())
        return "".join(self._read(_ROOMS.format(number)).pem for number in (last - 1, last))

    @property
    def accepted(self) -> list[Authority]:
        """All whose certificates the broker takes: the two, and the one before them."""
        return [self._read(_ROOMS.format(number)) for number in self._numbers()[-3:]]

    def rotate(self) -> str:
        """The next one issues from now on, and there is a new next one; the name of the one that issues."""
        self._make(_ROOMS.format(max(self._numbers()) + 1))
        return self.issuing.name

    def service(self, name: str, hosts: tuple[str, ...], authority: Authority) -> tuple[Path, Path]:
        """Certificate and key files of one of our own services; renewed in time with the same key, which may be pinned.

        The authority's certificate follows in the file, for whoever trusts only its successor.
        """
        certificate, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        if not key_file.exists():
            write_whole(key_file, pem_of(new_key()))
        key = _key_in(key_file)
        if not self._serves(certificate, hosts, authority):
            issued = issue(authority, name, key.public_key(), self._clock.now(), SERVICE_LIVES, hosts)
            write_whole(certificate, issued.pem.encode())
        return certificate, key_file

    def fingerprint(self, key_file: Path) -> str:
        """Of a service's key, as rooms pin it."""
        return fingerprint_of(_key_in(key_file).public_key())

    def _serves(self, certificate: Path, hosts: tuple[str, ...], authority: Authority) -> bool:
        try:
            read = x509.load_pem_x509_certificate(certificate.read_bytes())
        except FileNotFoundError:
            return False
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value if hosts else ()
        found = {str(name.value) for name in names}
        lasts = read.not_valid_after_utc - self._clock.now() > _RENEW_BEFORE
        return lasts and found == set(hosts) and read.issuer == authority.certificate.subject

    def _numbers(self) -> list[int]:
        found = (file.stem.removeprefix("rooms-") for file in self._folder.glob("rooms-*.pem"))
        return sorted(int(number) for number in found if number.isdigit())

    def _make(self, name: str) -> None:
        made = new_authority(name, self._clock.now())
        write_whole(self._folder / f"{name}.key", pem_of(made.key))
        write_whole(self._folder / f"{name}.pem", made.pem.encode())  # last: with it the authority is there

    def _read(self, name: str) -> Authority:
        try:
            certificate = x509.load_pem_x509_certificate((self._folder / f"{name}.pem").read_bytes())
        except ValueError as error:
            raise WrongSettings("settings.key_damaged", file=str(self._folder / f"{name}.pem")) from error
        return Authority(name, _key_in(self._folder / f"{name}.key"), certificate)


def _key_in(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise WrongSettings("settings.key_damaged", file=str(file)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise WrongSettings("settings.key_damaged", file=str(file))
    return key
