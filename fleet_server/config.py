"""Settings of the server: command line over environment (DIEMCAU_…) over default; secrets never on a command line."""

import ipaddress
import os
from pathlib import Path

from msgspec import Struct

from fleet_server.errors import WrongSettings
from wire.probe import LONGEST_S


class Settings(Struct, frozen=True):
    """What the server needs to know."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8080
    broker_host: str = "127.0.0.1"
    broker_port: int = 1883
    broker_username: str | None = None
    broker_password: str | None = None
    broker_ca_file: str | None = None
    database_url: str | None = None
    timezone: str = "Asia/Ho_Chi_Minh"
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
    def profiles_folder(self) -> Path:
        """What the province adds to the catalogue: families/ and sites/."""
        return self.folder / "profiles"

    @property
    def map_file(self) -> Path:
        """The boundaries that the map draws."""
        return self.folder / "map.geojson"


def settings_of(folder: Path | None, host: str | None, port: int | None, broker: str | None) -> Settings:
    """Settings from what the command line gave and the environment holds. Raises WrongSettings."""
    env = os.environ
    broker_host, _, broker_port = (broker or env.get("DIEMCAU_BROKER", "127.0.0.1:1883")).rpartition(":")
    listen = host or env.get("DIEMCAU_HOST", "127.0.0.1")
    try:
        loopback = listen == "localhost" or ipaddress.ip_address(listen).is_loopback
        numbers = int(broker_port), port or int(env.get("DIEMCAU_PORT", "8080"))
        echo_port = int(env.get("DIEMCAU_ECHO_PORT", numbers[1]))
        share = min(max(float(env.get("DIEMCAU_LINE_TEST_SHARE", "0.5")), 0.01), 1.0)
        test_s = min(max(float(env.get("DIEMCAU_LINE_TEST_S", "4")), 0.2), LONGEST_S)
    except ValueError as error:
        raise WrongSettings("settings.not_a_number_or_address", detail=str(error)) from error
    if not loopback:
        raise WrongSettings("settings.loopback_only", host=listen)
    password_file = env.get("DIEMCAU_BROKER_PASSWORD_FILE")
    try:
        password = Path(password_file).read_text().strip() if password_file else env.get("DIEMCAU_BROKER_PASSWORD")
    except OSError as error:
        raise WrongSettings("settings.secret_unreadable", file=password_file, detail=error.strerror) from error
    return Settings(
        folder=folder or Path(env.get("DIEMCAU_FOLDER", "var")), host=listen, port=numbers[1],
        broker_host=broker_host or "127.0.0.1", broker_port=numbers[0],
        broker_username=env.get("DIEMCAU_BROKER_USERNAME"), broker_password=password,
        broker_ca_file=env.get("DIEMCAU_BROKER_CA_FILE"), database_url=env.get("DIEMCAU_DATABASE_URL"),
        public_url=(env.get("DIEMCAU_PUBLIC_URL") or "").rstrip("/") or None,
        echo_host=env.get("DIEMCAU_ECHO_HOST", listen), echo_port=echo_port,
        line_test_share=share, line_test_s=test_s,
    )  # fmt: skip
