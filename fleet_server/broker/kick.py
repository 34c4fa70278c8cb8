"""Takes the connection of a room away: its client id, used at the broker's inner door, ends whoever had it."""

import threading

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from wire.mqtt import Broker
from wire.tls import tls_context

_WITHIN_S = 5.0


def kick(broker: Broker, site: str) -> bool:
    """Whether the broker has let us take the connection of this site. Blocks for up to 5 s."""
    client = paho.Client(CallbackAPIVersion.VERSION2, site, protocol=paho.MQTTv5, reconnect_on_failure=False)
    if broker.tls is not None:
        client.tls_set_context(tls_context(broker.tls))
    client.connect_timeout = _WITHIN_S
    answered, taken = threading.Event(), []

    def connected(_client: object, _data: object, _flags: object, reason: ReasonCode, _properties: object) -> None:
        taken.append(not reason.is_failure)
        answered.set()

    client.on_connect = connected
    try:
        client.connect(broker.host, broker.port, clean_start=True)
    except (OSError, ValueError):
        return False
    client.loop_start()
    try:
        return answered.wait(_WITHIN_S) and taken == [True]
    finally:
        client.disconnect()
        client.loop_stop()
