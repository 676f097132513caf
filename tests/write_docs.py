"""``make docs``: the pages, and parts of pages, that are made from the code.

``python tests/write_docs.py`` writes them; with ``--check`` nothing is written, and the exit status is 1 when
one of them differs from what would be.

* ``docs/reasons.md``: every reason code, from the catalogue.
* the example in ``docs/formats/hc1.md``: a certificate of the reference issuer, taken apart layer by layer.
* ``docs/config.md``: every key of ``vaxgate.toml``, from the appliance's own configuration.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import textwrap
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from appliance.config import reference
from issuer.certificates import Person, of_vaccination
from issuer.office import YEAR, Issuer
from issuer.qr import draw
from verifier.assessment import assess
from verifier.checks import revocation_entries
from verifier.keys import load_spki, trusted_key
from verifier.policy.bundle import SIGNATURE_ONLY
from verifier.reasons import CATALOGUE, Reason, State
from verifier.trust import Domain, TrustList
from verifier.verdict import Policy, decide
from verifier.wire import base45, cbor, cose, dcc, deflate, hc1

DOCS = Path(__file__).resolve().parent.parent / "docs"

SEED, CLOCK = "docs", datetime(2022, 3, 1, 2, 0, tzinfo=UTC)
BEGIN, END = "<!-- the example below is written by `make docs` -->", "<!-- end of the example -->"

_REASONS_HEAD = """# Reasons

    {"code": "EXPIRED", "detail": "on 2022-02-28"}

Every answer carries reason codes, worst first. The state of an answer is that of its worst reason; an answer
without any reason is PASS. The order is: what makes it FAIL, then OUT, CHECK, RESCAN, then exemptions and
banners; inside one of these groups it is the order of this table. A banner changes no state.

A code is a contract and keeps its name. The two texts are headlines for the officer and may be polished.
The `detail` beside a code is for integrators and logs: free words that never hold anything about a person.

Codes that only rules beyond "signature alone" give, or a passport, stand here already. This version gives
those marked with a dot.

This page is made from `verifier/catalogue.py` by `make docs`; a test holds the two together.

|   | code | usual state | vi | en | about |
|---|---|---|---|---|---|
"""


def reasons() -> str:
    """The page ``docs/reasons.md``."""
    given = given_today()
    rows = []
    for reason in Reason:
        said = CATALOGUE[reason]
        states = "/".join(_word(state) for state in said.states)
        dot = "•" if reason in given else " "
        rows.append(f"| {dot} | `{reason.value}` | {states} | {said.vi} | {said.en} | {said.about} |")
    return _REASONS_HEAD + "\n".join(rows) + "\n"


def given_today() -> frozenset[Reason]:
    """The reasons that some line of the program gives: those that it names outside the catalogue."""
    root = DOCS.parent
    text = "".join(
        path.read_text(encoding="utf-8")
        for package in ("verifier", "appliance")
        for path in (root / package).rglob("*.py")
        if path.name not in ("codes.py", "catalogue.py")
    )
    return frozenset(reason for reason in Reason if f"Reason.{reason.name}" in text)


def _word(state: State | None) -> str:
    return "banner" if state is None else state.value


def hc1_page() -> str:
    """The page ``docs/formats/hc1.md`` with its example made anew."""
    page = (DOCS / "formats" / "hc1.md").read_text(encoding="utf-8")
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    return f"{head}{BEGIN}\n\n{example()}\n{END}{tail}"


def example() -> str:
    """A certificate of the reference issuer, from its text to its verdict."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "office"
        with Issuer.create(directory, now=CLOCK, seed=SEED) as issuer:
            person = Person("Nguyễn", "Bảo Duy", "1983-10-10")
            payload = of_vaccination(person, country=issuer.country, day=date(2022, 1, 10))
            issued = issuer.issue(payload, issued_at=CLOCK, expires_at=CLOCK + YEAR)
            keys = [trusted_key(row.certificate) for row in issuer.registry.signing_keys(Domain.HCERT)]
    key = next(key for key in keys if key.kid == issued.kid)
    code = draw(issued.text)
    packed = base45.decode(issued.text[len(hc1.PREFIX) :])
    sign1 = deflate.inflate(packed)
    envelope = cose.decode_sign1(sign1)
    claims = cbor.decode(envelope.payload, "claims")
    read = dcc.read_payload(claims[-260][1])
    entries = revocation_entries(read, claims[1], envelope.signature, load_spki(key.spki))
    verdict = decide(assess(issued.text, trust=TrustList.of([key]), now=CLOCK), Policy(SIGNATURE_ONLY))
    assert verdict.state is State.PASS, verdict.reasons
    parts = [
        ("What the symbol says", f"{_cut(issued.text, 44)}   {len(issued.text)} characters\n"
         f"QR version {code.version}, level {code.level}, {code.mode} mode"),
        ("1. Without `HC1:`, through Base45", f"{_hex(packed, 12)}   {len(packed)} bytes\n"
         f"{packed[:2].hex(' ')} begins a zlib stream"),
        ("2. Inflated", f"{_hex(sign1, 20)}   {len(sign1)} bytes"),
        ("3. COSE_Sign1: tag 18 (d2), an array of four (84)",
         f"protected    {envelope.protected.hex(' ')}\n"
         f"             {{1: {envelope.alg}, 4: h'{issued.kid.hex()}'}}   algorithm, KID\n"
         "unprotected  a0\n"
         f"payload      {_hex(envelope.payload, 12)}   {len(envelope.payload)} bytes\n"
         f"signature    {_hex(envelope.signature, 12)}   {len(envelope.signature)} bytes, r then s"),
        ("4. What is signed: Sig_structure",
         f"{_hex(envelope.to_be_signed, 20)}   {len(envelope.to_be_signed)} bytes\n"
         '["Signature1", protected as received, h\'\', payload]'),
        ("5. The payload: CWT claims",
         f'{{1: "{claims[1]}", 4: {claims[4]}, 6: {claims[6]}, -260: {{1: …}}}}\n'
         f"{_instant(claims[4])} is exp, {_instant(claims[6])} is iat"),
        ("6. Under -260, sub-key 1: the certificate", _pretty(claims[-260][1])),
        ("The signer", f"KID {key.kid.hex()}: the first 8 bytes of the SHA-256 of its certificate\n"
         f"country {key.country}, good from {key.not_before:%Y-%m-%d} to {key.not_after:%Y-%m-%d}"),
        ("Under which hashes it could be revoked",
         "\n".join(f"{kind.name.lower():15} {digest.hex()}" for kind, digest in entries)),
        ("The answer at " + _instant(int(CLOCK.timestamp())), verdict.state.value),
    ]  # fmt: skip
    return "\n".join(f"**{title}**\n\n{_indented(text)}\n" for title, text in parts)


def _cut(text: str, length: int) -> str:
    return f"{text[:length]}…"


def _hex(data: bytes, length: int) -> str:
    return f"{data[:length].hex(' ')} …"


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _pretty(value: dict[str, Any]) -> str:
    """JSON with one member a line at the top; what is inside is wrapped."""
    rows = []
    for name, member in value.items():
        text = f"  {json.dumps(name)}: {json.dumps(member, ensure_ascii=False)}"
        rows.append("\n".join(textwrap.wrap(text, 96, subsequent_indent="        ", break_long_words=False)))
    return "{\n" + ",\n".join(rows) + "\n}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


PAGES: dict[str, Callable[[], str]] = {
    "reasons.md": reasons,
    "formats/hc1.md": hc1_page,
    "config.md": reference,
}


def main() -> int:
    """Write the pages, or compare them; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page differs")
    options = parser.parse_args()
    differ = 0
    for name, make in PAGES.items():
        path, wanted = DOCS / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == wanted:
            continue
        differ += 1
        if not options.check:
            path.write_text(wanted, encoding="utf-8")
        print(f"docs/{name}: {'differs from the code; type: make docs' if options.check else 'written'}")
    return int(bool(differ) and options.check)


if __name__ == "__main__":
    sys.exit(main())
