"""The programs whose transcripts can be read, a file for each."""
