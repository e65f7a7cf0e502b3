"""A few-shot learning report that runs itself: networks, losses and the tools around them."""

__version__ = "0.1.0"
