"""What speaks SNMP: decoders, managed switches, network cards of UPSes."""
