"""A camera that speaks ONVIF over HTTP on a socket: identity, clock, profiles, snapshot, reboot, presets, NTP.

Element names: ONVIF device, media and PTZ WSDL (ver10/device, ver10/media, ver20/ptz).
"""

import asyncio
import base64
import hashlib
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from PIL import Image, ImageDraw

from device_drivers.camera_onvif.simulated_digest import DigestDoor
from device_drivers.camera_onvif.simulated_flash import Flash
from device_drivers.equipment import StreamEquipment

_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl"'
    ' xmlns:tptz="http://www.onvif.org/ver20/ptz/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema"'
    ' xmlns:ter="http://www.onvif.org/ver10/error"><s:Body>{body}</s:Body></s:Envelope>'
)
_FAULT = (
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:{code}</s:Value></s:Subcode></s:Code>"
    '<s:Reason><s:Text xml:lang="en">{text}</s:Text></s:Reason></s:Fault>'
)
_BACKGROUNDS: dict[int, list[bytes]] = {}


class SimulatedCamera(StreamEquipment):
    """A believable camera. `reboots` counts what it was told; `picture` is lit, dark or still."""

    def __init__(self, port: int = 0, username: str = "admin", password: str = "camera") -> None:  # noqa: S107
        super().__init__(port)
        self.username, self.password = username, password
        self.make, self.model, self.serial, self.firmware = (
            "Hikvision",
            "DS-2CD2143G2-I",
            "SIM0001",
            "V5.7.13",
        )
        self.picture = "lit"
        self.clock_off = timedelta(0)
        self.reboots = 0
        self.reboot_s = 3.0
        self.ignores_reboot = False
        self.soap_wants: Literal["token", "digest", "digest_alone"] = "token"
        """By which of them its services let somebody in: by HTTP Digest, where the token may or may not go along."""
        self.door = DigestDoor(username, password)
        self.pictures_at: int | str | None = None
        """The port of another server of this camera that has its pictures; its own has none then. A word: no port."""
        self.media_is_up = True
        """Whether all but its clock answers: after a start the media of many begin much later."""
        self.drops = ""
        """The next question with this word in it gets no answer: the connection ends."""
        self.time_is_for: Literal["anybody", "who_is_not_named", "who_is_named"] = "anybody"
        """Some makes refuse a digest of the wrong time even here, others want one."""
        self.ntp = "pool.ntp.org"
        self.moved_to = ""
        self.flash = Flash(self.plug_in, self.unplug)
        self._shown = 0

    def settings(self) -> dict[str, Any]:
        """For the driver camera_onvif."""
        return {"host": "127.0.0.1", "port": self.port, "username": self.username, "password": self.password}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """HTTP/1.1 with keep-alive."""
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"(?i)^content-length: *(\d+)", head, re.M)
            if head.startswith("POST /upgrade"):
                await self._take_firmware(head, int(length[1]) if length else 0, reader, writer)
                return
            body = (await reader.readexactly(int(length[1]))).decode("utf-8", "replace") if length else ""
            await self.while_frozen()
            if self.drops and self.drops in body:
                if self.drops == "SystemReboot":
                    self._SystemReboot(body)
                self.drops = ""
                return
            if head.startswith("GET /snapshot"):
                status, kind, answer = self._snapshot(head)
            else:
                status, kind, answer = self._soap(body, head)
            way = 'Basic realm="camera"' if head.startswith("GET") else self.door.challenge
            extra = f"WWW-Authenticate: {way}\r\n" if status.startswith("401") else ""
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{extra}Content-Length: {len(answer)}\r\n\r\n".encode()
                + answer
            )
            await writer.drain()

    async def _take_firmware(
        self, head: str, length: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        status: str | None = "401 Unauthorized"
        if self._lets_in(head):
            status = await self.flash.take(reader, length, lambda version: setattr(self, "firmware", version))
        else:
            await reader.readexactly(length)
        if status is not None:
            way = 'WWW-Authenticate: Basic realm="camera"\r\n' if status.startswith("401") else ""
            writer.write(f"HTTP/1.1 {status}\r\n{way}Connection: close\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

    def _lets_in(self, head: str) -> bool:
        given = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return f"Basic {given}" in head

    def _snapshot(self, head: str) -> tuple[str, str, bytes]:
        if isinstance(self.pictures_at, int):
            return "404 Not Found", "text/plain", b""
        if not self._lets_in(head):
            return "401 Unauthorized", "text/plain", b""
        if self.picture != "still":
            self._shown += 1
        return "200 OK", "image/jpeg", _frames(self.picture == "dark")[self._shown % 4]

    def _soap(self, body: str, head: str) -> tuple[str, str, bytes]:
        operation = re.search(r"Body[^>]*>\s*<(?:\w+:)?(\w+)", body)
        name = operation[1] if operation else ""
        kind = "application/soap+xml; charset=utf-8"
        is_open = name == "GetSystemDateAndTime" and self.time_is_for in ("anybody", "who_is_not_named")
        if is_open and self.time_is_for == "who_is_not_named":
            is_open = "UsernameToken" not in body
        by_digest = self.soap_wants != "token"
        if not is_open and by_digest and not self.door.lets_in(head):
            return "401 Unauthorized", "text/html", b"<!DOCTYPE html><html><body>401 Unauthorized</body></html>"
        if not is_open and (refused := self._refuses(body)):
            fault = _FAULT.format(code="NotAuthorized", text=refused)
            return "400 Bad Request", kind, _ENVELOPE.format(body=fault).encode()
        answer = getattr(self, f"_{name}", None)
        if not self.media_is_up and name != "GetSystemDateAndTime":
            fault = _FAULT.format(code="Action", text="The service is starting")
            return "500 Internal Server Error", kind, _ENVELOPE.format(body=fault).encode()
        if answer is None:
            fault = _FAULT.format(code="ActionNotSupported", text="Optional Action Not Implemented")
            return "500 Internal Server Error", kind, _ENVELOPE.format(body=fault).encode()
        return "200 OK", kind, _ENVELOPE.format(body=answer(body)).encode()

    def _refuses(self, body: str) -> str | None:
        """Check the digest of WS-Security UsernameToken 1.0, and that its time is ours within 300 s."""
        if self.soap_wants != "token":  # HTTP has said who asks; to some makes twice is once too often
            return "Sender not Authorized" if self.soap_wants == "digest_alone" and "UsernameToken" in body else None
        token = {
            name: found[1] if (found := re.search(rf"<(?:\w+:)?{name}(?:\s[^>]*)?>([^<]*)<", body)) else ""
            for name in ("Username", "Password", "Nonce", "Created")
        }
        try:
            digest = hashlib.sha1(  # noqa: S324 - the algorithm of the profile
                base64.b64decode(token["Nonce"]) + token["Created"].encode() + self.password.encode()
            ).digest()
            made = datetime.fromisoformat(token["Created"].replace("Z", "+00:00"))
        except ValueError:
            return "Sender not Authorized"
        right = token["Username"] == self.username and base64.b64encode(digest).decode() == token["Password"]
        made = made if made.tzinfo else made.replace(tzinfo=UTC)
        in_time = abs((made - self._now()).total_seconds()) <= 300
        return None if right and in_time else "Sender not Authorized"

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.clock_off

    def _address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _GetSystemDateAndTime(self, _body: str) -> str:
        now = self._now()
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
            "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _GetDeviceInformation(self, _body: str) -> str:
        return (
            f"<tds:GetDeviceInformationResponse><tds:Manufacturer>{self.make}</tds:Manufacturer>"
            f"<tds:Model>{self.model}</tds:Model><tds:FirmwareVersion>{self.firmware}</tds:FirmwareVersion>"
            f"<tds:SerialNumber>{self.serial}</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId>"
            "</tds:GetDeviceInformationResponse>"
        )

    def _GetCapabilities(self, _body: str) -> str:
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities>"
            f"<tt:Device><tt:XAddr>{self._address('/onvif/device_service')}</tt:XAddr>{_SYSTEM}</tt:Device>"
            f"<tt:Media><tt:XAddr>{self._address('/onvif/media')}</tt:XAddr><tt:StreamingCapabilities/></tt:Media>"
            f"<tt:PTZ><tt:XAddr>{self._address('/onvif/ptz')}</tt:XAddr></tt:PTZ>"
            "</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _GetProfiles(self, _body: str) -> str:
        return (
            '<trt:GetProfilesResponse><trt:Profiles token="main" fixed="true"><tt:Name>main</tt:Name>'
            '<tt:VideoEncoderConfiguration token="v"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount>'
            "<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height>"
            "</tt:Resolution><tt:Quality>5</tt:Quality><tt:SessionTimeout>PT60S</tt:SessionTimeout>"
            '</tt:VideoEncoderConfiguration><tt:PTZConfiguration token="p"><tt:Name>p</tt:Name>'
            "<tt:UseCount>1</tt:UseCount><tt:NodeToken>n</tt:NodeToken></tt:PTZConfiguration></trt:Profiles>"
            "</trt:GetProfilesResponse>"
        )

    def _GetStreamUri(self, _body: str) -> str:
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>rtsp://127.0.0.1:554/main</tt:Uri>{_UNTIL}"
            "</trt:MediaUri></trt:GetStreamUriResponse>"
        )

    def _GetSnapshotUri(self, _body: str) -> str:
        at = f"http://127.0.0.1:{self.pictures_at or self.port}/snapshot.jpg"
        return (
            f"<trt:GetSnapshotUriResponse><trt:MediaUri><tt:Uri>{at}</tt:Uri>{_UNTIL}"
            "</trt:MediaUri></trt:GetSnapshotUriResponse>"
        )

    def _GetPresets(self, _body: str) -> str:
        return (
            '<tptz:GetPresetsResponse><tptz:Preset token="chair"><tt:Name>Chair</tt:Name></tptz:Preset>'
            '<tptz:Preset token="citizen"><tt:Name>Citizen</tt:Name></tptz:Preset></tptz:GetPresetsResponse>'
        )

    def _GotoPreset(self, body: str) -> str:
        token = re.search(r"PresetToken(?:\s[^>]*)?>([^<]*)<", body)
        self.moved_to = token[1] if token else ""
        return "<tptz:GotoPresetResponse/>"

    def _GetNTP(self, _body: str) -> str:
        return (
            "<tds:GetNTPResponse><tds:NTPInformation><tt:FromDHCP>false</tt:FromDHCP><tt:NTPManual><tt:Type>DNS</tt:Type>"
            f"<tt:DNSname>{self.ntp}</tt:DNSname></tt:NTPManual></tds:NTPInformation></tds:GetNTPResponse>"
        )

    def _SetNTP(self, body: str) -> str:
        name = re.search(r"(?:DNSname|IPv4Address)(?:\s[^>]*)?>([^<]*)<", body)
        self.ntp = name[1] if name else ""
        return "<tds:SetNTPResponse/>"

    def _StartFirmwareUpgrade(self, _body: str) -> str:
        return (
            f"<tds:StartFirmwareUpgradeResponse><tds:UploadUri>{self._address('/upgrade/1')}</tds:UploadUri>"
            "<tds:UploadDelay>PT0S</tds:UploadDelay><tds:ExpectedDownTime>PT60S</tds:ExpectedDownTime>"
            "</tds:StartFirmwareUpgradeResponse>"
        )

    def _SystemReboot(self, _body: str) -> str:
        self.reboots += 1
        if not self.ignores_reboot:
            asyncio.get_running_loop().create_task(self._restart())
        return "<tds:SystemRebootResponse><tds:Message>Rebooting...</tds:Message></tds:SystemRebootResponse>"

    async def _restart(self) -> None:
        await asyncio.sleep(0.5)  # a camera answers on until it goes
        await self.unplug()
        await asyncio.sleep(self.reboot_s)
        await self.plug_in()


_SYSTEM = (
    "<tt:System><tt:DiscoveryResolve>false</tt:DiscoveryResolve><tt:DiscoveryBye>false</tt:DiscoveryBye>"
    "<tt:RemoteDiscovery>false</tt:RemoteDiscovery><tt:SystemBackup>false</tt:SystemBackup>"
    "<tt:SystemLogging>false</tt:SystemLogging><tt:FirmwareUpgrade>true</tt:FirmwareUpgrade>"
    "<tt:SupportedVersions><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tt:SupportedVersions>"
    "<tt:Extension><tt:HttpFirmwareUpgrade>true</tt:HttpFirmwareUpgrade></tt:Extension></tt:System>"
)
_UNTIL = (
    "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
    "<tt:Timeout>PT60S</tt:Timeout>"
)


def _frames(dark: bool) -> list[bytes]:
    """Four pictures of a room that differ as a living camera's do; made once a process."""
    if dark not in _BACKGROUNDS:
        light = 8 if dark else 170
        made = []
        for shift in range(4):
            picture = Image.new("L", (640, 360), light)
            draw = ImageDraw.Draw(picture)
            draw.rectangle((60, 200, 580, 360), fill=light // 3)
            draw.ellipse((280 + shift, 110, 360 + shift, 200), fill=min(255, light + 60 if not dark else light + 4))
            data = io.BytesIO()
            picture.save(data, "JPEG", quality=70)
            made.append(data.getvalue())
        _BACKGROUNDS[dark] = made
    return _BACKGROUNDS[dark]


SIMULATOR = SimulatedCamera
