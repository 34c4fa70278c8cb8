"""An SNMP v2c agent on a UDP port: a table of objects. Its messages are pysnmp's, where the driver has puresnmp's."""

import time
from typing import Any

from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import api

from device_drivers.equipment import DatagramEquipment
from device_drivers.snmp import objects

_V2C = api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]
_MOST_ROWS = 25


class SimulatedAgent(DatagramEquipment):
    """A conferencing appliance with eight switch ports, two of them powered, and a UPS card: one of everything."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.community, self.write_community = "diemcau-ro", "diemcau-rw"
        self.ignores_writes = False
        self.most_binds, self.says_too_big = 1_000, False
        """What a small card takes in one request or answer; it is silent to more, or says tooBig."""
        self.largest = 0
        """The most that was asked for at once."""
        self.booted_s = time.monotonic() - 86_400
        self.objects: dict[str, int | str] = {
            objects.SYS_DESCR: "Poly G7500 Software 4.2.0", objects.SYS_NAME: "decoder",
            objects.MAKE: "Poly", objects.MODEL: "G7500", objects.SERIAL: "8G220912AB3C", objects.FIRMWARE: "4.2.0",
            objects.BATTERY_STATUS: 2, objects.MINUTES_LEFT: 160, objects.CHARGE: 100, objects.INPUT_VOLTAGE: 228,
            objects.OUTPUT_SOURCE: 3, objects.LOAD: 22, objects.TEST_RESULT: 1,
        }  # fmt: skip
        for port_number in range(1, 9):
            for column, value in ((objects.IF_TYPE, 6), (objects.IF_ADMIN, 1), (objects.IF_OPER, 1)):
                self.objects[f"{column}.{port_number}"] = value
        for powered in ("1.1", "1.2"):
            self.objects[f"{objects.POE_ADMIN}.{powered}"] = 1

    def settings(self) -> dict[str, Any]:
        """For the driver snmp."""
        return {
            "host": "127.0.0.1", "port": self.port, "community": self.community,
            "write_community": self.write_community, "poe": {"ports": ["1.1", "1.2"], "pause_s": 0.3},
        }  # fmt: skip

    def hear(self, datagram: bytes, sender: tuple[str, int]) -> None:
        """One request; what is not for us is answered by silence, as RFC 3416 wants it."""
        message, _ = decoder.decode(datagram, asn1Spec=_V2C.Message())
        pdu = _V2C.apiMessage.get_pdu(message)
        is_write = pdu.isSameTypeWith(_V2C.SetRequestPDU())
        may = (self.write_community,) if is_write else (self.community, self.write_community)
        if str(_V2C.apiMessage.get_community(message)) not in may:
            return
        answer = _V2C.apiMessage.get_response(message)
        wanted = _binds_of(pdu)
        self.largest = max(self.largest, wanted)
        if wanted > self.most_binds:
            if self.says_too_big:
                _V2C.apiPDU.set_error_status(_V2C.apiMessage.get_pdu(answer), 1)
                self.say(encoder.encode(answer), sender)
            return
        _V2C.apiPDU.set_varbinds(_V2C.apiMessage.get_pdu(answer), self._answers(pdu, is_write))
        self.say(encoder.encode(answer), sender)

    def _answers(self, pdu: Any, is_write: bool) -> list[tuple[Any, Any]]:
        if pdu.isSameTypeWith(_V2C.GetBulkRequestPDU()):
            at = [_name(name) for name, _ in _V2C.apiBulkPDU.get_varbinds(pdu)]
            rows = min(int(_V2C.apiBulkPDU.get_max_repetitions(pdu)), _MOST_ROWS)
            binds: list[tuple[Any, Any]] = []
            for _ in range(rows):
                row = [self._next(name) for name in at]
                at = [_name(name) for name, _ in row]
                binds += row
            return binds
        asked = _V2C.apiPDU.get_varbinds(pdu)
        if pdu.isSameTypeWith(_V2C.GetNextRequestPDU()):
            return [self._next(_name(name)) for name, _ in asked]
        if is_write and not self.ignores_writes:
            for name, value in asked:
                if _name(name) in self.objects:
                    self.objects[_name(name)] = int(value)
        return [(name, value if is_write else self._value(_name(name))) for name, value in asked]

    def _next(self, after: str) -> tuple[Any, Any]:
        later = [name for name in (*self.objects, objects.SYS_UPTIME) if _key(name) > _key(after)]
        if not later:
            return _V2C.ObjectIdentifier(after), _V2C.EndOfMibView("")
        name = min(later, key=_key)
        return _V2C.ObjectIdentifier(name), self._value(name)

    def _value(self, name: str) -> Any:
        if name == objects.SYS_UPTIME:
            return _V2C.TimeTicks(int((time.monotonic() - self.booted_s) * 100))
        value = self.objects.get(name)
        if value is None:
            return _V2C.NoSuchInstance("")
        return _V2C.Integer32(value) if isinstance(value, int) else _V2C.OctetString(value.encode())


def _binds_of(pdu: Any) -> int:
    if pdu.isSameTypeWith(_V2C.GetBulkRequestPDU()):
        return len(_V2C.apiBulkPDU.get_varbinds(pdu)) * int(_V2C.apiBulkPDU.get_max_repetitions(pdu))
    return len(_V2C.apiPDU.get_varbinds(pdu))


def _name(found: Any) -> str:
    return ".".join(str(part) for part in tuple(found))


def _key(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split("."))


SIMULATOR = SimulatedAgent
