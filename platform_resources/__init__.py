"""The world: storage, sources, engines, alerts, settings. It knows no dataset and no contract."""
