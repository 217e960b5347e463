"""Serving (ch. 5): one graph, a library call, a server."""
