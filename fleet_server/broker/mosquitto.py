"""Mosquitto's files (mosquitto.conf(5), version 2.0 and later): two doors, an access list, a list of revocations.

The outer door is for rooms: TLS 1.3, a certificate of ours, and the name in it is username and client id at once, so
that nobody can take another's connection. The inner door opens to the server's own certificate alone; there a client
may choose its id, by which the server takes the connection of a revoked room away.
"""

import os
import signal
import stat
from pathlib import Path

from msgspec import Struct

from fleet_server.authority.files import AuthorityFiles
from fleet_server.durable import write_whole
from wire.topics import ALL_ANNOUNCED, ALL_ROOMS, BASE

SERVER_NAME = "fleet_server"
"""Name in the server's certificate and its client id: no site can be called so, for it has an underscore."""

CRL, ACL, CONF, PID, CENTRE = "revoked.pem", "acl", "mosquitto.conf", "mosquitto.pid", "centre.pem"
LOG = "broker.log"

_CONF = """\
# Written by `diemcau-server broker config`; what you change here is lost with the next.
{user}pid_file {folder}/{pid}
persistence true
persistence_location {folder}/
autosave_interval 5
persistent_client_expiration 7d
allow_anonymous false
acl_file {folder}/{acl}
max_packet_size 70000
max_inflight_messages 4000
max_queued_messages 100000
max_queued_bytes 268435456
max_keepalive 300
retain_available true
sys_interval 0
log_dest {log}
log_type error
log_type warning
log_type notice
{debug}connection_messages true

# The outer door: rooms.
listener {port} {host}
max_connections {most}
tls_version tlsv1.3
cafile {folder}/rooms.pem
certfile {folder}/broker.pem
keyfile {folder}/broker.key
crlfile {folder}/{crl}
require_certificate true
use_identity_as_username true
use_username_as_clientid true

# The inner door: the server.
listener {inner_port} {inner_host}
max_connections 16
tls_version tlsv1.3
cafile {folder}/{centre}
certfile {folder}/broker.pem
keyfile {folder}/broker.key
require_certificate true
use_identity_as_username true
"""
_ACL = f"""\
# A room writes what it says and reads what it is told, under its own name and nowhere else.
pattern write {BASE}/%u/up/#
pattern read {BASE}/%u/dn/#
# How sessions stand is no secret among rooms: a door sign may show it.
pattern read {ALL_ANNOUNCED}

user {SERVER_NAME}
topic read {ALL_ROOMS}
topic write {BASE}/+/dn/#
topic write {ALL_ANNOUNCED}
"""


class Doors(Struct, frozen=True):
    """Where the broker listens."""

    port: int = 8883
    host: str = "0.0.0.0"
    inner_port: int = 8884
    inner_host: str = "127.0.0.1"
    most: int = 10_000
    count_refused: bool = True
    """Have it log what it refuses into a file that the server reads along and keeps short (`refusals`)."""


def write_config(folder: Path, doors: Doors) -> Path:
    """mosquitto.conf, with the lists of `write_lists` beside it. Raises OSError."""
    folder = _made(folder)
    # As root Mosquitto becomes `mosquitto`, who may not read a folder that is root's own.
    user = "user root\n" if os.geteuid() == 0 and folder.stat().st_uid == 0 else ""
    text = _CONF.format(
        folder=folder, acl=ACL, crl=CRL, pid=PID, centre=CENTRE, user=user, port=doors.port, host=doors.host,
        inner_port=doors.inner_port, inner_host=doors.inner_host, most=doors.most,
        log=f"file {folder / LOG}" if doors.count_refused else "stderr",
        debug="log_type debug\n" if doors.count_refused else "",
    )  # fmt: skip
    if doors.count_refused:
        # Both write it: the broker its lines, the server to begin it anew.
        os.close(os.open(folder / LOG, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        (folder / LOG).chmod(_mode(folder) | (0o020 if _mode(folder) & 0o040 else 0))
    conf = folder / CONF
    if not conf.exists() or conf.read_bytes() != text.encode():  # by its time it is known whether to restart the broker
        write_whole(conf, text.encode(), _mode(folder))
    return conf


def write_lists(folder: Path, authority: AuthorityFiles, names: tuple[str, ...], crl: str) -> None:
    """The broker's certificate for these names, who may do what, whose certificates count, which were revoked.

    Raises OSError, WrongSettings.
    """
    folder = _made(folder)
    certificate, key = authority.service("broker", names, authority.issuing)
    for name, content in (
        ("broker.key", key.read_bytes()),
        ("broker.pem", certificate.read_bytes()),
        (CENTRE, authority.centre.pem.encode()),
        ("rooms.pem", "".join(each.pem for each in authority.accepted).encode()),
        (ACL, _ACL.encode()),
        (CRL, crl.encode()),
    ):
        write_whole(folder / name, content, _mode(folder))


def tell(folder: Path) -> bool:
    """Have a running Mosquitto read its lists and certificates again; False when we may not or it is not there."""
    try:
        number = int((folder / PID).read_text())
        if "mosquitto" not in Path(f"/proc/{number}/comm").read_text():
            return False
        os.kill(number, signal.SIGHUP)
    except (OSError, ValueError):
        return False
    return True


def _made(folder: Path) -> Path:
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    return folder


def _mode(folder: Path) -> int:
    """In a folder that hands its group on, that group is the broker's: it may read. Elsewhere nobody else may."""
    return 0o640 if folder.stat().st_mode & stat.S_ISGID else 0o600
