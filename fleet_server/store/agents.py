"""Queries about the agents: which release each room runs, by what its agent says as it starts."""

from sqlalchemy import Connection, select

from fleet_server.store.agent_tables import agents
from fleet_server.store.upsert import upsert


def started(db: Connection, site: str, version: str, at_ms: int) -> bool:
    """An agent runs this release since this moment; whether that is another one than before."""
    if db.execute(select(agents.c.version).where(agents.c.site == site)).scalar() == version:
        return False
    upsert(db, agents, ["site"], [{"site": site, "version": version[:60], "since": at_ms}])
    return True


def versions(db: Connection) -> dict[str, str]:
    """Site -> release, of every room that has said it."""
    return {row.site: row.version for row in db.execute(select(agents.c.site, agents.c.version))}
