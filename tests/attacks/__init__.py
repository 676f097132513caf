"""Attacks on the trust of a unit, each told as a story: an honest night, the attack, and what stands.

python -m attacks            # from the tests' folder, or `make attacks`: runs them all, a line each
"""
