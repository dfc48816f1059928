"""Who may ask the server for what, and how often."""
