"""Many rows in a file, answered in one go: read, kept part by part, written."""
