"""Migrations, one module each, in order. Raw SQL that runs on SQLite and PostgreSQL; applied ones are never edited."""
