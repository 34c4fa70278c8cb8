"""A room.toml as text, for agents that are started as processes."""

import json

from edge_agent.config import RoomConfig


def room_toml(config: RoomConfig) -> str:
    """The file that `edge_agent.config.load` reads back as this configuration."""
    lines = [f"folder = {json.dumps(config.folder)}"]
    for device in config.devices:
        lines += [
            "[[devices]]", f'id = "{device.id}"', f'role = "{device.role}"', f'driver = "{device.driver}"',
            f"poll_s = {device.poll_s}", f"deadline_s = {device.deadline_s}", "[devices.settings]",
        ]  # fmt: skip
        lines += [f"{key} = {_value(value)}" for key, value in device.settings.items()]
    for feed in config.power:
        lines += ["[[power]]", f'device = "{feed.device}"', f'outlet = "{feed.outlet}"']
        lines += [f"feeds = {json.dumps(feed.feeds)}", f"back_within_s = {feed.back_within_s}"]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """Inline TOML; what is not a table is written as in JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    return json.dumps(value)
