"""Reports of a full room (86 readings) a second from Mosquitto to committed state, beside a bare paho subscriber.

Both take the same bytes from the same broker, one after the other; each is its own process. The sender writes prepacked
packets to a socket, QoS 1, with a bounded number unacknowledged. Of one room's reports that wait together only the
newest is decoded and judged: `ingest` is a province's rooms that all send without a pause, where most are spared so,
`ingest.each_judged` is every commune of the country once or twice in a batch, where hardly any is.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from bench.packets import publish, send
from demo.broker import mosquitto, start_mosquitto
from demo.processes import Processes
from device_drivers.loopback import free_port
from tests.counterparts.fleet import FleetUnderTest
from tests.counterparts.spoken_room import about_of_room, report_of_room
from tests.counterparts.waiting import listening, wait_for
from wire.codec import encode
from wire.ids import uuid7
from wire.messages import About, Report
from wire.topics import topic_of

_LOADS = {"ingest": (167, 600), "ingest.each_judged": (3321, 20)}
"""Sites, and reports of each."""
_COUNTER = """
import sys, time
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes
wanted, seen = int(sys.argv[2]), 0
def take(client, data, message):
    global seen
    seen += 1
    if seen == wanted:
        print("done", flush=True)
client = paho.Client(CallbackAPIVersion.VERSION2, "counter", protocol=paho.MQTTv5)
client.on_message = take
client.on_subscribe = lambda *_: print("up", flush=True)
client.on_connect = lambda c, *_: c.subscribe("diemcau/v1/+/up/report", qos=1)
properties = Properties(PacketTypes.CONNECT)
properties.ReceiveMaximum = 2000
client.connect("127.0.0.1", int(sys.argv[1]), properties=properties)
client.loop_forever()
"""


def measure() -> Iterator[Figure]:
    """The bare subscriber first, then the server; the ratio is between the two."""
    program = mosquitto()
    if program is None:
        print("ingest: mosquitto is not on this machine", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        folder, processes = Path(name), Processes(Path(name))
        port = free_port()
        try:
            start_mosquitto(processes, program, folder / "broker", port)
            listening(port)
            for figure, (sites, each) in _LOADS.items():
                bare = _rate_of_bare(port, sites, each)
                ours = _rate_of_server(processes, port, folder / figure, sites, each)
                yield Figure(figure, ours, "reports/s", "bare paho subscriber", bare)
        finally:
            processes.end()


def _rate_of_bare(port: int, sites: int, each: int) -> float:
    count = sites * each
    child = subprocess.Popen([sys.executable, "-c", _COUNTER, str(port), str(count)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    began_s = time.perf_counter()
    send(port, _packets("bare", sites, each))
    child.stdout.readline()
    took_s = time.perf_counter() - began_s
    child.kill()
    child.wait()
    return count / took_s


def _rate_of_server(processes: Processes, port: int, folder: Path, sites: int, each: int) -> float:
    rows = "".join(f"s-{number},,Site {number},commune,38-hub,19,105,5,5\n" for number in range(sites))
    fleet = FleetUnderTest(processes, port, folder, rows)
    fleet.start()
    about = about_of_room()
    send(port, [publish(topic_of(f"s-{n}", About.kind), encode(about), n + 1) for n in range(sites)])
    packets = _packets("s", sites, each)

    def last_is_in() -> bool:
        site = fleet.site(f"s-{sites - 1}")
        return any(r["key"] == "cpu" and r["value"] == float(each - 1) for d in site["devices"] for r in d["readings"])

    wait_for(lambda: fleet.site(f"s-{sites - 1}")["devices"], 20)
    began_s = time.perf_counter()
    send(port, packets)
    wait_for(last_is_in, 120)
    took_s = time.perf_counter() - began_s
    fleet.kill()
    fleet.close()
    return sites * each / took_s


def _packets(prefix: str, sites: int, each: int) -> list[bytes]:
    """Reports of all sites in turn, each round a little different, numbered."""
    about, boots = about_of_room(), [uuid7() for _ in range(sites)]
    found = []
    for number in range(each):
        for site in range(sites):
            report = report_of_room(about, boots[site], number + 1, cpu=float(number))
            packet_id = len(found) % 65_535 + 1
            found.append(publish(topic_of(f"{prefix}-{site}", Report.kind), encode(report), packet_id))
    return found
