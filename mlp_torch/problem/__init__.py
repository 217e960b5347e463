"""Problem representation (ch. 3): what is predicted, and how it is judged."""
