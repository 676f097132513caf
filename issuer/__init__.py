"""The reference issuer, the other end of the wire: keys, certificates of every family, revocation, lists.

It is here so that a checkpoint can be built, shown and tested without asking any state for anything. Its
country is ``XV``, which no state will ever have, and its travellers are invented.

    from issuer.office import Issuer

    issuer = Issuer.create(Path("office"), now=now, seed="a seed")
    issued = issuer.issue(of_vaccination(person, country="XV", day=day), issued_at=now, expires_at=None)
    issuer.revoke(issued.uvci)
    issuer.publish(now)                  # office/public is a TUF repository now
"""
