"""The ten-minute tutorial, `docs/tutorial.md`: a domain of two datasets and the files that land for it."""
