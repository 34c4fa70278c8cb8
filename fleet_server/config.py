"""Settings of the server: command line over environment (DIEMCAU_…) over default; secrets never on a command line."""

import importlib.util
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from fleet_server.domain.access import Role
from fleet_server.errors import WrongSettings
from wire.identity import is_loopback
from wire.probe import LONGEST_S

_WORKING = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


class IdentityProvider(Struct, frozen=True):
    """The province's own sign-in (OpenID Connect)."""

    issuer: str
    client: str
    secret: str = ""
    role_claim: str = "roles"
    roles: dict[str, str] = {}
    """What the claim may hold -> the role here."""
    sites_claim: str = ""
    """The claim that names a person's sites, `*` for all of them; where none is given everybody is everywhere."""


class Office(Struct, frozen=True):
    """Who issues minutes, as it stands at the head of its documents."""

    above: str = ""
    """The body that it belongs to, such as `UBND TỈNH …`."""
    name: str = ""
    short: str = ""
    """For the number: `12/BB-VP`."""
    place: str = ""


class Settings(Struct, frozen=True):
    """What the server needs to know."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8080
    broker_host: str = "127.0.0.1"
    broker_port: int = 1883
    broker_tls: bool = False
    """TLS 1.3, with a certificate of our own authority; without it the broker must be on this machine."""
    broker_files: Path | None = None
    """Where the broker's files are written; a folder of our own where none is given."""
    rooms_broker: tuple[str, int] | None = None
    """Where rooms reach the broker; where we do, when nothing else is said."""
    names: tuple[str, ...] = ("localhost", "127.0.0.1")
    """By which names and addresses rooms reach the broker and us: what stands in our certificates."""
    web_tls: bool = False
    """Pages and API by HTTPS, with a certificate of our own authority."""
    signer_socket: Path | None = None
    """Where the signing process listens; the keys are files of ours where none is given."""
    second_factor: bool = True
    """Whether whoever can act gives a one-time code too."""
    second_person: bool = False
    """Whether a dangerous command waits for another person's yes."""
    provider: IdentityProvider | None = None
    """Where people may sign in instead of here."""
    office: Office = Office()
    gate_webhook: str | None = None
    """Told how each session stands, whenever that changes."""
    heartbeat: str | None = None
    """Asked once a minute while all is well, so that somebody elsewhere notices when we are silent."""
    renewal_spread_s: float = 21_600.0
    """Over which time rooms come for new certificates when the authority is replaced."""
    release_key: Path = Path("/etc/diemcau/release.pub")
    """Public key of whoever makes releases: rooms are offered nothing else."""
    database_url: str | None = None
    timezone: str = "Asia/Ho_Chi_Minh"
    working_hours: str = "07:00-17:00"
    """When people work, Monday to Friday, in that zone: reports count no other time."""
    public_url: str | None = None
    """Where rooms reach this server."""
    echo_host: str = "127.0.0.1"
    """Where the echo listens that rooms time their lines by (UDP); it gives nothing away."""
    echo_port: int = 8080
    line_test_share: float = 0.5
    """How much of the hub's line all line tests together may take, of each way."""
    line_test_s: float = 4.0
    """How long a test sends each way; 10 s at most."""

    @property
    def database(self) -> str:
        """The SQLAlchemy URL; SQLite in our folder where none is given."""
        return self.database_url or f"sqlite:///{self.folder / 'fleet.db'}"

    @property
    def authority_folder(self) -> Path:
        """Of the authorities and our own certificates."""
        return self.folder / "authority"

    @property
    def keys_folder(self) -> Path:
        """Of the keys that sign what rooms are told."""
        return self.folder / "keys"

    @property
    def broker_folder(self) -> Path:
        """Of the broker's configuration and lists."""
        return self.broker_files or self.folder / "broker"

    @property
    def broker_of_rooms(self) -> tuple[str, int]:
        """Host and port of the broker for rooms."""
        return self.rooms_broker or (self.broker_host, self.broker_port)

    @property
    def own_url(self) -> str:
        """Where people reach us."""
        scheme = "https" if self.web_tls else "http"
        return self.public_url or f"{scheme}://127.0.0.1:{self.port}"

    @property
    def firmware_folder(self) -> Path:
        """Of the firmware images that rooms' devices can be offered."""
        return self.folder / "firmware"

    @property
    def releases_folder(self) -> Path:
        """Of the bundles that rooms are offered."""
        return self.folder / "releases"

    @property
    def profiles_folder(self) -> Path:
        """What the province adds to the catalogue: families/ and sites/."""
        return self.folder / "profiles"

    @property
    def map_file(self) -> Path:
        """The boundaries that the map draws."""
        return self.folder / "map.geojson"


def url_of(given: str, env: Mapping[str, str]) -> str:
    """SQLAlchemy's form of a database's address; the password comes from a file. Raises WrongSettings."""
    url = urlsplit(given)
    if url.scheme == "sqlite":
        return given
    if url.scheme not in ("postgresql", "postgresql+psycopg") or url.password is not None or not url.path.strip("/"):
        raise WrongSettings("settings.wrong_database", scheme=url.scheme[:20])
    if importlib.util.find_spec("psycopg") is None:
        raise WrongSettings("settings.no_psycopg")
    where, password = given.partition("://")[2], env.get("DIEMCAU_DATABASE_PASSWORD_FILE")
    if password:
        try:
            secret = quote(Path(password).read_text(encoding="utf-8").strip(), safe="")
        except OSError as error:
            raise WrongSettings("settings.secret_unreadable", file=password, detail=error.strerror) from error
        who, _, place = where.rpartition("@")
        where = f"{who}:{secret}@{place}"
    return f"postgresql+psycopg://{where}"


def settings_of(folder: Path | None, host: str | None, port: int | None, broker: str | None) -> Settings:
    """Settings from what the command line gave and the environment holds. Raises WrongSettings."""
    env = os.environ
    broker_host, _, broker_port = (broker or env.get("DIEMCAU_BROKER", "127.0.0.1:1883")).rpartition(":")
    listen = host or env.get("DIEMCAU_HOST", "127.0.0.1")
    try:
        loopback = listen == "localhost" or ipaddress.ip_address(listen).is_loopback
        rooms_host, _, rooms_port = env.get("DIEMCAU_ROOMS_BROKER", "").rpartition(":")
        rooms_broker = (rooms_host, int(rooms_port)) if rooms_host else None
        spread_s = min(max(float(env.get("DIEMCAU_RENEWAL_SPREAD_S", "21600")), 0.0), 864_000.0)
        numbers = int(broker_port), port or int(env.get("DIEMCAU_PORT", "8080"))
        echo_port = int(env.get("DIEMCAU_ECHO_PORT", numbers[1]))
        share = min(max(float(env.get("DIEMCAU_LINE_TEST_SHARE", "0.5")), 0.01), 1.0)
        test_s = min(max(float(env.get("DIEMCAU_LINE_TEST_S", "4")), 0.2), LONGEST_S)
    except ValueError as error:
        raise WrongSettings("settings.not_a_number_or_address", detail=str(error)) from error
    web_tls = env.get("DIEMCAU_WEB_TLS", "") not in ("", "0")
    if not loopback and not web_tls:
        raise WrongSettings("settings.web_needs_tls", host=listen)
    broker_tls = env.get("DIEMCAU_BROKER_TLS", "") not in ("", "0")
    if not broker_tls and not is_loopback(broker_host or "127.0.0.1"):
        raise WrongSettings("settings.broker_needs_tls", host=broker_host)
    webhook = env.get("DIEMCAU_GATE_WEBHOOK") or None
    heartbeat = env.get("DIEMCAU_HEARTBEAT_URL") or None
    for address in filter(None, (webhook, heartbeat)):
        if not address.startswith("https://") and not is_loopback(urlsplit(address).hostname or ""):
            raise WrongSettings("settings.webhook_needs_https", address=address)
    working = env.get("DIEMCAU_WORKING_HOURS", "07:00-17:00")
    if not _WORKING.fullmatch(working) or working[:5] >= working[6:]:
        raise WrongSettings("settings.wrong_hours", hours=working)
    zone = env.get("DIEMCAU_TIMEZONE", "Asia/Ho_Chi_Minh")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WrongSettings("settings.wrong_zone", zone=zone) from error
    database = env.get("DIEMCAU_DATABASE_URL")
    files, signer = env.get("DIEMCAU_BROKER_FILES"), env.get("DIEMCAU_SIGNER")
    return Settings(
        folder=folder or Path(env.get("DIEMCAU_FOLDER", "var")), host=listen, port=numbers[1],
        broker_host=broker_host or "127.0.0.1", broker_port=numbers[0],
        broker_tls=broker_tls, broker_files=Path(files) if files else None, rooms_broker=rooms_broker,
        names=_names(env.get("DIEMCAU_NAMES", "")), web_tls=web_tls,
        provider=_provider(env),
        second_factor=env.get("DIEMCAU_SECOND_FACTOR", "1") != "0",
        second_person=env.get("DIEMCAU_SECOND_PERSON", "") not in ("", "0"),
        signer_socket=Path(signer) if signer else None, renewal_spread_s=spread_s,
        release_key=Path(env.get("DIEMCAU_RELEASE_KEY", "/etc/diemcau/release.pub")),
        database_url=url_of(database, env) if database else None, working_hours=working, timezone=zone,
        public_url=(env.get("DIEMCAU_PUBLIC_URL") or "").rstrip("/") or None,
        echo_host=env.get("DIEMCAU_ECHO_HOST", listen), echo_port=echo_port,
        line_test_share=share, line_test_s=test_s, gate_webhook=webhook, heartbeat=heartbeat,
        office=Office(*(env.get(f"DIEMCAU_OFFICE{part}", "")[:120] for part in ("_ABOVE", "", "_SHORT", "_PLACE"))),
    )  # fmt: skip


def _provider(env: Mapping[str, str]) -> IdentityProvider | None:
    issuer = env.get("DIEMCAU_OIDC_ISSUER")
    if not issuer:
        return None
    file, client = env.get("DIEMCAU_OIDC_SECRET_FILE"), env.get("DIEMCAU_OIDC_CLIENT", "diemcau")
    try:
        secret = Path(file).read_text(encoding="utf-8").strip() if file else ""
    except OSError as error:
        raise WrongSettings("settings.secret_unreadable", file=file, detail=error.strerror) from error
    pairs = (pair.partition("=") for pair in env.get("DIEMCAU_OIDC_ROLES", "").split(",") if pair.strip())
    roles = {value.strip(): role.strip() for value, _, role in pairs} or {str(role): str(role) for role in Role}
    if unknown := sorted(set(roles.values()) - {str(role) for role in Role}):
        raise WrongSettings("settings.unknown_role", roles=", ".join(unknown))
    if not issuer.startswith("https://") and not is_loopback(urlsplit(issuer).hostname or ""):
        raise WrongSettings("settings.provider_needs_https", issuer=issuer)
    return IdentityProvider(
        issuer, client, secret, env.get("DIEMCAU_OIDC_ROLE_CLAIM", "roles"), roles,
        env.get("DIEMCAU_OIDC_SITES_CLAIM", ""),
    )  # fmt: skip


def _names(text: str) -> tuple[str, ...]:
    """Without doubles, in order; the machine itself is always among them."""
    return tuple(dict.fromkeys([*(name.strip() for name in text.split(",") if name.strip()), "localhost", "127.0.0.1"]))
