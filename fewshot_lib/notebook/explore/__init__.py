"""The explorer: one episode of a trained network, looked at from all sides."""
