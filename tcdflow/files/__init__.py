"""Where the bytes come from: a source text becomes pinned local files with hashes. No torch here."""
