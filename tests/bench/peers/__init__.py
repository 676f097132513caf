"""Readers and chains of others beside ours, by turns in one run, each in a pinned environment of its own.

The rules this package keeps:

* Figures come from one run, with ratios by turns: :mod:`bench.peers.measuring` tells how.
* Environments are set up once below ``build/``: :mod:`bench.peers.environments`. Without a network the peers
  that are missing stand in ``absent``, each with its why; ours and zxing-cpp, on which ours stands, stay.
* What comes back is plain, for JSON and for whoever writes tables and plots.

    environments = prepare(Path("build/peers"))
    decode(environments, drawn_frames(Path("build/bench")), rounds=3)
    {"reference": "zxing-cpp, fast", "rounds": 3,
     "frames": {"code": 225, "no code": 42},         # how many
     "conditions": {"clean": 9, ..., "empty": 42},   # of them in each condition
     "engines": {"zbar": {
         "package": "pyzbar 0.1.9", "environment": "zbar",
         "decoded": 136,                             # frames with a right text
         "false texts": 0,                           # texts that are in no code of the frame
         "conditions": {"clean": 9, ...},            # frames decoded in each condition
         "code": {"p50": 19.0, "p95": 57.0, "max": 80.1,       # ms of the processor for one frame
                  "wall p50": 19.1, "wall p95": 57.9,          # ms on the clock
                  "ratio": 16.2},                              # to the reference
         "no code": {...}}},                         # the same; {} where there are no such frames
     "absent": {"jsQR": "npm is missing. Type: sudo apt-get install nodejs npm"}}

    chains(environments, certificates(40), rounds=9)
    {"reference": "vaxgate", "rounds": 9,
     "families": {"HC1": {"texts": 40, "chains": {"cwt": {
         "package": "cwt 3.3.0", "environment": "chain",
         "us": 112.0, "per second": 8929,            # of the processor, for one certificate
         "ratio": 1.8,                               # theirs to ours, for the signature alone
         "refuses a forgery": True}}}, "SHC": {...}},
     "absent": {}}

    photos(environments)                             # None without the published vectors
    {"photos": 42, "read by a peer": 38, "of those read by us": 38, "missed": [],
     "ours alone": ["photos/..."], "engines": {"zbar": 20, ...}, "absent": {}}
"""

from bench.peers.environments import Environments, prepare
from bench.peers.measuring import chains, decode, photos
from bench.peers.subjects import Certificates, Frame, certificates, drawn_frames, frames_in

__all__ = [
    "Certificates", "Environments", "Frame", "certificates", "chains", "decode", "drawn_frames", "frames_in",
    "photos", "prepare",
]  # fmt: skip
