"""Pure rules about data: contracts, quality, synthetic data, privacy.

Nothing here opens a file or a socket, reads the environment or the clock, or knows Dagster; randomness and time are
passed in.
"""
