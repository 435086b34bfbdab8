"""Stand-ins for the session stores of frameworks, one file or package a framework.

What may live here: translation between a framework's names and one Session document. What may
not: rules about sessions, which are the store's. Frameworks are imported at use.
"""
