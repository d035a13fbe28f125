"""The catalog over HTTP: its API, its pages in plain files, and a door for assistants."""
