"""The words of the "why?" screen, in Vietnamese and English. Every entry has both texts.

ANSWERS["unknown"]["en"], WHY_TEXTS["title"]["vi"]
"""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, dict[str, str]]

ANSWERS: Words = {
    "true": {"vi": "đạt", "en": "met"},
    "false": {"vi": "không đạt", "en": "not met"},
    "unknown": {"vi": "chưa rõ", "en": "not known"},
}

WHY_TEXTS: Words = {
    "title": {"vi": "Vì sao?", "en": "Why?"},
    "rules": {"vi": "Quy định", "en": "Rules"},
    "order": {"vi": "Lệnh của trạm", "en": "Order of this post"},
    "none": {
        "vi": "Không có quy định nào được hỏi: kết quả đến từ chính mã.",
        "en": "No rule was asked: the result comes from the code itself.",
    },
    "gone": {"vi": "Không còn kết quả nào trên trang.", "en": "No result stands on the page any more."},
    "unused": {"vi": "không quyết định", "en": "did not decide"},
    "left": {"vi": "và {n} quy định khác", "en": "and {n} more"},
    "source": {"vi": "Theo", "en": "After"},
    "back": {"vi": "Trở lại", "en": "Back"},
}
