"""Where messages go: one class a vendor, each of which takes a message or says why not."""

from platform_resources.alerts.channels.base import Channel, ChannelRefused
from platform_resources.alerts.channels.kinds import CHANNELS, open_channel

__all__ = ["CHANNELS", "Channel", "ChannelRefused", "open_channel"]
