"""The PC of the room, observed through psutil and udev."""
