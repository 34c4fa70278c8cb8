"""Alembic's entry: it migrates on the connection that the database hands over."""

from alembic import context

from fleet_server.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
