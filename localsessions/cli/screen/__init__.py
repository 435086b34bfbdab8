"""What a person or a program sees of a command, on either stream."""
