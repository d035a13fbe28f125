"""Contracts as files that others read: out and in without loss, and what a change between two of them means."""
