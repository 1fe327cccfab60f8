"""Runs the migrations on the connection, and inside the transaction, that the gateway opened."""

from alembic import context

from gateway.stores.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
