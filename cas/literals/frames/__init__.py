"""pandas frames, series and indexes as raw column buffers."""
