"""The database: schema, migrations, and one small store for each stage."""
