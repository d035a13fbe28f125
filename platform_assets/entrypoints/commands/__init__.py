"""The commands, one module a group: each has `commands`, a Typer app, and is found by being here.

A module parses, calls an operation and prints what it returns. Operations are imported when a command is called, so
that `platform --help` answers at once.
"""
