"""One file a program whose transcripts are read."""
