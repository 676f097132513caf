"""Trust sync: fetches the signed trust list, proves it, and keeps it where the verifier can read it.

The verifier's process opens the store read-only; only this package writes it.
"""
