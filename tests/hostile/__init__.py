"""Declarations whose every text is markup that would run; nothing of it may."""
