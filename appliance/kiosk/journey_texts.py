"""The words for what officers pick: roles and papers that rules may name.

Every entry has both texts. What a bundle names and this table has not is offered by its code.

    ROLES["crew"]["vi"], PAPERS["medical"]["en"]
"""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, dict[str, str]]

ROLES: Words = {
    "diplomat": {"vi": "Ngoại giao, công vụ", "en": "Diplomat"},
    "crew": {"vi": "Tổ bay, thuyền viên", "en": "Crew"},
    "lorry-driver": {"vi": "Lái xe tải", "en": "Lorry driver"},
}

PAPERS: Words = {
    "medical": {"vi": "Giấy miễn vì lý do y tế", "en": "Medical exemption"},
    "waiver": {"vi": "Giấy miễn vì lý do y tế", "en": "Medical waiver"},
    "test": {"vi": "Phiếu xét nghiệm", "en": "Test report"},
    "recovery": {"vi": "Giấy ra viện, khỏi bệnh", "en": "Proof of recovery"},
    "vaccination": {"vi": "Sổ, giấy tiêm chủng", "en": "Vaccination record"},
}
