"""A real Windows Python under Wine, and the tests in it: ``make windows``."""
