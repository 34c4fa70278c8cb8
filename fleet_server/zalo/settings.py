"""What the server must be told of the province's account. What nobody has documented is a setting."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from fleet_server.errors import WrongSettings

_MOST_PER_MINUTE = 4_000
"""An app's own limit, whatever the package."""


class ZaloSettings(Struct, frozen=True):
    """Of one app and one account."""

    app: str
    secret: str
    oauth: str
    openapi: str
    business: str
    proves: bool
    """Whether each call proves that we know the app's secret; needed where it is switched on for the app."""
    template: str
    template_data: tuple[tuple[str, str], ...]
    """Our value -> the template's name for it."""
    per_minute: int = 100
    """Calls that the account's package allows in a minute."""
    webhook_secret: str = ""
    """What Zalo signs its calls with; empty: nobody is heard."""
    webhook_id: str = ""
    """The id that the signature begins with: the app's, by some accounts the account's."""

    @property
    def is_complete(self) -> bool:
        """Whether an app is named."""
        return bool(self.app and self.secret)

    @property
    def mark(self) -> str:
        """Changes with the configuration: what was given up is tried again then."""
        return sha256(f"{self.app}\n{self.secret}\n{self.openapi}".encode()).hexdigest()[:16]


def settings_of(env: Mapping[str, str]) -> ZaloSettings:
    """From DIEMCAU_ZALO_…; secrets are in files. Raises WrongSettings."""
    per_minute = env.get("DIEMCAU_ZALO_PER_MINUTE", "100")
    if not per_minute.isdigit() or not 1 <= int(per_minute) <= _MOST_PER_MINUTE:
        raise WrongSettings("settings.wrong_zalo_rate", value=per_minute[:20], most=_MOST_PER_MINUTE)
    pairs = (pair.partition(":") for pair in env.get("DIEMCAU_ZALO_TEMPLATE_DATA", "").split(",") if ":" in pair)
    return ZaloSettings(
        env.get("DIEMCAU_ZALO_APP", ""), _secret(env, "DIEMCAU_ZALO_SECRET_FILE"),
        _base(env, "DIEMCAU_ZALO_OAUTH", "https://oauth.zaloapp.com"),
        _base(env, "DIEMCAU_ZALO_OPENAPI", "https://openapi.zalo.me"),
        _base(env, "DIEMCAU_ZALO_BUSINESS", "https://business.openapi.zalo.me"),
        env.get("DIEMCAU_ZALO_PROOF", "") not in ("", "0"), env.get("DIEMCAU_ZALO_TEMPLATE", ""),
        tuple((ours.strip(), theirs.strip()) for ours, _, theirs in pairs), int(per_minute),
        _secret(env, "DIEMCAU_ZALO_WEBHOOK_SECRET_FILE"),
        env.get("DIEMCAU_ZALO_WEBHOOK_ID") or env.get("DIEMCAU_ZALO_APP", ""),
    )  # fmt: skip


def _secret(env: Mapping[str, str], name: str) -> str:
    file = env.get(name)
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else ""
    except OSError as error:
        raise WrongSettings("settings.secret_unreadable", file=file, detail=error.strerror) from error


def _base(env: Mapping[str, str], name: str, usual: str) -> str:
    return env.get(name, usual).rstrip("/")
