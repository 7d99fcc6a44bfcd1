"""Arrow arrays and tables as raw column buffers in one normal form."""
