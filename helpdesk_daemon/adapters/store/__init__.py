"""The database: schema, migrations, and small stores by subject; which may import which, `lint-imports` checks."""
