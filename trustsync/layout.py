"""Where things stand in a trust repository, and how large they may be: names alone, light to load.

The rules this module keeps:

* A document is one role's word: the folder in its path is the role's name.
* What a repository must publish and what it may leave out is said once, here.
* A size beyond the limit is refused before a byte of it is fetched.

    DOCUMENTS["trust"], OPTIONAL[SELF_TEST_PATH]
    check_size("trust/keys.cbor", 284_000)

The form of each is described in ``docs/formats/trust-repository.md``.
"""

from __future__ import annotations

from trustsync.errors import Alarm, RefusedError

KEYS_PATH = "trust/keys.cbor"
SELF_TEST_PATH = "trust/self-test.json"
REVOCATION_INDEX_PATH = "revocation/index.cbor"
RULES_PATH = "rules/bundles.json"
POLICY_PATH = "rules/policy.json"
RECOGNITION_PATH = "recognition/issuers.json"
ADVISORIES_PATH = "software/advisories.json"
SIGNED_AT_FIELD = "x-signed-at"

# The roles of the repository and the document that each of them must publish.
DOCUMENTS = {"trust": KEYS_PATH, "revocation": REVOCATION_INDEX_PATH, "rules": RULES_PATH}
# Documents that a repository may do without, and the role that speaks for each.
OPTIONAL = {
    SELF_TEST_PATH: "trust",
    POLICY_PATH: "rules",
    RECOGNITION_PATH: "recognition",
    ADVISORIES_PATH: "software",
}

MAX_DOCUMENT = 64 << 20  # bytes of one document: 20,000 key records with their certificates fit
MAX_SEGMENT = 1 << 30  # bytes of one segment: the EU's planning maximum is 80 million entries of 8


def check_size(path: str, length: int) -> None:
    """Raise RefusedError when a target's signed length is beyond what we ever install."""
    most = MAX_SEGMENT if path.endswith(".seg") else MAX_DOCUMENT
    if length > most:
        raise RefusedError(
            f"{path}: {length} bytes are announced, at most {most} are installed; "
            "the list in force stays, and the publisher must be told",
            Alarm.TOO_BIG,
        )
