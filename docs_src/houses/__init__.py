"""The package of docs/question.md: five tables, a roll-up, a sheet of Excel."""
