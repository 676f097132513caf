"""The heart of Vaxgate: bytes, a trust list, a rule bundle and the time go in; a Verdict comes out.

Everything here is pure. Nothing in this package opens a file, a socket or a database, reads a
clock, writes a log or shows a page; ``tests/test_imports.py`` holds it to that.

    assessment = assess(text, trust=trust, now=now)
    verdict = decide(assessment, Policy(bundle))
    verdict.state            # State.PASS
    verdict.reasons          # (), or Findings, worst first
"""
