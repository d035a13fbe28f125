"""Departures from New York's airports in 2013, with the planes, the airlines, the airports and the weather."""
