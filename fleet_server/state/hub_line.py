"""The line at which everything of a province meets."""

from fleet_server.state.fleet import Fleet


def hub_mbit_s(fleet: Fleet, unknown: float = 30.0) -> float:
    """The narrower way of the widest hub's line, by its contract; `unknown` where no hub says."""
    hubs = [entry.site for entry in fleet.entries.values() if entry.site.kind == "hub"]
    known = [min(hub.line_down_mbit_s or 0, hub.line_up_mbit_s or 0) for hub in hubs]
    return max((rate for rate in known if rate > 0), default=unknown)
