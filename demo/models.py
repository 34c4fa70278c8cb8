"""Makes and models that simulated rooms draw from: what a survey of communes finds."""

CAMERAS = (
    ("Hikvision", "DS-2CD2143G2-I", "V5.7.13"),
    ("Dahua", "IPC-HFW2431S", "2.840.0"),
    ("KBVISION", "KX-C4K01", "1.0"),
)
DISPLAYS = (("EPSON", "EB-L210W"), ("NEC", "P525UL"), ("Panasonic", "PT-VMZ51"))
DECODERS = (("Poly", "G7500", "4.2.0"), ("Cisco", "Room Kit EQ", "RoomOS 11.14"), ("Yealink", "MeetingEye 500", "1"))
SOUNDS = ("Jabra Speak 750", "Poly Sync 40", "Yamaha YVC-330", "Focusrite Scarlett 2i2")
UPSES = (("SANTAK", "C1KS-LCD"), ("APC", "Smart-UPS 1500"), ("EATON", "5E 1100i"))
LINES = (("VNPT", "FiberXtra 5M"), ("Viettel", "Leased line 5M"), ("FPT", "Office 5M"))
LAMPS = (("Rạng Đông", "LED Panel 60x60"), ("Philips", "CoreLine 36W"), ("Điện Quang", "ĐQ LEDPN04"))
