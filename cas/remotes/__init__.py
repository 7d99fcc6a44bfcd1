"""Repositories at URLs: where they are, the stores that hold them, and what moves between them."""
