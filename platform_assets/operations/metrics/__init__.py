"""What a monitoring system asks of the platform, as OpenMetrics."""

from platform_assets.operations.metrics.exporter import CONTENT_TYPE, Exporter, render_metrics

__all__ = ["CONTENT_TYPE", "Exporter", "render_metrics"]
