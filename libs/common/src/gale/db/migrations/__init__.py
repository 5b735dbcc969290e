"""The history of the schema, for Alembic. `gale.db.schema` runs it, `make migration` adds to it."""
