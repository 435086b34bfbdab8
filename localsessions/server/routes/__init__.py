"""What the routes do, one file a noun; ``table`` has all of them."""
