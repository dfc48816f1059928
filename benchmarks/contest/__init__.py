"""Model servers side by side: each contestant's own file, and what starts, loads and compares them."""
