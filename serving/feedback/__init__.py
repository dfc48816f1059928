"""What comes back of an answer: the outcome, what a person decided, and what an auditor asks about it."""
