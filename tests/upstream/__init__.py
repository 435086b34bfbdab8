"""The frameworks' own tests over our adapters; see README.md."""
