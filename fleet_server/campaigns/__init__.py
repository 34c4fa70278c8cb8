"""What goes through the fleet in waves: releases for rooms, firmware for their devices."""
