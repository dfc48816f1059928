"""A release becomes a container image without a container engine: one layer more on an image that is in a registry."""
