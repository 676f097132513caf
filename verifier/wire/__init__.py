"""Wire formats: each module holds encode and decode of one format, side by side."""
