"""Replacements for the session stores of frameworks, a file or package for each framework.

This package holds translation between a framework's names and a Session document. It may not hold
rules about sessions; those are the store's. Frameworks are imported at use.
"""
