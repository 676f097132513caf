"""The words for what papers say, in Vietnamese and English: events, products, names against passports.

The rules this module keeps:

* Every entry has both texts. Products have one name in every language.
* What no table has is shown as its code; a rule says whether it is known.

    EVENTS["recovery"]["vi"], PRODUCTS["EU/1/20/1528"], NAMES[NameClass.ORDER]["en"]
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.births import BirthMatch
from verifier.certificate import DETECTED, NOT_DETECTED
from verifier.names import NameClass, Note
from verifier.vocabulary import MEASLES, NAAT, POLIOMYELITIS, RAPID, YELLOW_FEVER

Words = Mapping[str, dict[str, str]]

EVENTS: Words = {
    "vaccination": {"vi": "Tiêm chủng", "en": "Vaccination"},
    "test": {"vi": "Xét nghiệm", "en": "Test"},
    "recovery": {"vi": "Đã khỏi bệnh, dương tính lần đầu", "en": "Recovered, first positive"},
    "exemption": {"vi": "Miễn tiêm chủng đến", "en": "Exempt from vaccination until"},
    "prophylaxis": {"vi": "Dự phòng", "en": "Prophylaxis"},
}

DISEASES: Words = {
    YELLOW_FEVER: {"vi": "Sốt vàng", "en": "Yellow fever"},
    POLIOMYELITIS: {"vi": "Bại liệt", "en": "Polio"},
    MEASLES: {"vi": "Sởi", "en": "Measles"},
}

TEST_KINDS: Words = {
    NAAT: {"vi": "Xét nghiệm PCR/LAMP", "en": "PCR/LAMP test"},
    RAPID: {"vi": "Xét nghiệm nhanh kháng nguyên", "en": "Rapid antigen test"},
}

RESULTS: Words = {
    NOT_DETECTED: {"vi": "không phát hiện", "en": "not detected"},
    DETECTED: {"vi": "phát hiện", "en": "detected"},
}

# Names under which products are known; the codes are those of the EU value set of vaccine products.
PRODUCTS: Mapping[str, str] = {
    "EU/1/20/1528": "Comirnaty",
    "EU/1/20/1507": "Spikevax",
    "EU/1/21/1529": "Vaxzevria",
    "EU/1/20/1525": "Jcovden",
    "EU/1/21/1618": "Nuvaxovid",
    "EU/1/21/1624": "Valneva",
    "BBIBP-CorV": "BBIBP-CorV (Vero Cell)",
    "Sputnik-V": "Sputnik V",
}

NAMES: Mapping[NameClass, dict[str, str]] = {
    NameClass.EXACT: {"vi": "Tên khớp hộ chiếu", "en": "Name agrees with the passport"},
    NameClass.VARIANT: {"vi": "Tên khớp, cách viết khác", "en": "Name agrees, other spelling"},
    NameClass.TRUNCATED: {"vi": "Tên khớp, hộ chiếu bị cắt bớt", "en": "Name agrees, cut in the passport"},
    NameClass.ORDER: {"vi": "Tên khớp, thứ tự khác", "en": "Name agrees, other order"},
    NameClass.PARTIAL: {"vi": "Tên trùng một phần", "en": "Name agrees in part"},
    NameClass.CHANGED: {"vi": "Khác họ", "en": "Other surname"},
    NameClass.DIFFERENT: {"vi": "Tên không khớp hộ chiếu", "en": "Name differs from the passport"},
}

BIRTHS: Mapping[BirthMatch, dict[str, str]] = {
    BirthMatch.MATCH: {"vi": "ngày sinh khớp", "en": "birth date agrees"},
    BirthMatch.MATCH_KNOWN: {"vi": "ngày sinh khớp phần đã biết", "en": "birth date agrees as far as known"},
    BirthMatch.SWAPPED: {"vi": "ngày và tháng sinh bị đảo?", "en": "day and month of birth swapped?"},
    BirthMatch.UNKNOWN: {"vi": "không có ngày sinh để so", "en": "no birth date to compare"},
    BirthMatch.DIFFERENT: {"vi": "ngày sinh không khớp", "en": "birth date differs"},
}

NOTES: Mapping[Note, dict[str, str]] = {
    Note.RESPELLED: {
        "vi": "Nơi cấp ghi sai dạng tên trong hộ chiếu",
        "en": "The issuer wrote the passport form of the name wrongly",
    },
    Note.UNSPELLED: {
        "vi": "Có chữ không chuyển được sang chữ cái hộ chiếu",
        "en": "Letters that no passport spelling is known for",
    },
    Note.TRANSCRIBED: {"vi": "Tên được chuyển từ chữ viết khác", "en": "Name put over from another script"},
    Note.FILLER: {
        "vi": "Bỏ qua từ thay cho tên, hoặc tên lặp lại",
        "en": "A word in place of a name, or a repeated name, left out",
    },
    Note.JOINED: {
        "vi": "Khớp khi bỏ dấu cách và gạch nối",
        "en": "Agrees once blanks and hyphens are left out",
    },
}
