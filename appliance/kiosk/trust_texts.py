"""The words of the page that shows the trust list, in Vietnamese and English.

The rules this module keeps:

* Every key has both texts; every alarm of the sync and every part of the list has its words.
* A word that the sync says and that has no text here is shown as it is: what is new is never left out.

    TRUST_TEXTS["signed_at"]["vi"], ALARMS[Alarm.ROLLBACK]["en"]
"""

from __future__ import annotations

from trustsync.errors import Alarm

ALARMS: dict[Alarm, dict[str, str]] = {
    Alarm.ROLLBACK: {
        "vi": "Máy chủ đưa danh sách cũ hơn danh sách đã biết",
        "en": "An older list than the known one was offered",
    },
    Alarm.SIGNATURE: {"vi": "Chữ ký của danh sách không đúng", "en": "The list's signature is wrong"},
    Alarm.EXPIRED: {"vi": "Danh sách được đưa đã hết hạn", "en": "The list that was offered has expired"},
    Alarm.MISMATCH: {
        "vi": "Các phần của danh sách không khớp",
        "en": "Parts of the list do not belong together",
    },
    Alarm.TOO_BIG: {"vi": "Danh sách lớn quá giới hạn", "en": "The list is larger than allowed"},
    Alarm.CUT_SHORT: {"vi": "Danh sách bị cắt ngắn", "en": "The list was cut short"},
    Alarm.MALFORMED: {"vi": "Danh sách sai định dạng", "en": "The list is not in its form"},
    Alarm.CONTENT: {"vi": "Nội dung danh sách không hợp lệ", "en": "The list's content is not acceptable"},
    Alarm.ANCHOR: {"vi": "Gốc tin cậy không đúng", "en": "The root of trust is wrong"},
    Alarm.CORRUPT: {
        "vi": "Danh sách trên thẻ nhớ bị hỏng, đang dùng bản khác",
        "en": "The list on the card is damaged, another one stands in",
    },
    Alarm.SELF_TEST: {"vi": "Danh sách không qua tự kiểm tra", "en": "The list failed its self-test"},
}

# The page of the list: its headings, and words for the members of `vaxgate-sync status --json`.
TRUST_TEXTS: dict[str, dict[str, str]] = {
    "title": {"vi": "Vaxgate · Danh sách tin cậy", "en": "Vaxgate · Trust list"},
    "back": {"vi": "‹ Về bàn kiểm tra", "en": "‹ Back to the desk"},
    "state": {"vi": "Tình trạng", "en": "State"},
    "environment": {"vi": "Loại khóa", "en": "Kind of keys"},
    "signed_at": {"vi": "Ký lúc", "en": "Signed"},
    "clock": {"vi": "Đồng hồ", "en": "Clock"},
    "origin": {"vi": "Bản đang dùng", "en": "In use"},
    "generation": {"vi": "Số bản", "en": "Generation"},
    "last_sync": {"vi": "Lần đồng bộ cuối", "en": "Last sync"},
    "next_try": {"vi": "Lần đồng bộ kế tiếp", "en": "Next try"},
    "failures": {"vi": "Số lần lỗi liên tiếp", "en": "Failures in a row"},
    "last_error": {"vi": "Lỗi gần nhất", "en": "Last error"},
    "alarms": {"vi": "Cảnh báo", "en": "Alarms"},
    "sets": {"vi": "Các phần của danh sách", "en": "Parts of the list"},
    "operations": {"vi": "Ai đã làm gì", "en": "Who did what"},
    "advisories": {"vi": "Cần cập nhật phần mềm", "en": "Software update required"},
    "name": {"vi": "Phần", "en": "Part"},
    "version": {"vi": "Phiên bản", "en": "Version"},
    "count": {"vi": "Số mục", "en": "Entries"},
    "age": {"vi": "Tuổi", "en": "Age"},
    "expires": {"vi": "Hạn", "en": "Good until"},
    "at": {"vi": "Lúc", "en": "When"},
    "who": {"vi": "Ai", "en": "Who"},
    "what": {"vi": "Việc", "en": "What"},
    "detail": {"vi": "Chi tiết", "en": "Detail"},
    "none": {"vi": "không có", "en": "none"},
    "over": {"vi": "đã quá hạn", "en": "past its end"},
}

# Words of the list's page for values: states that no list in force has, where it came from, its parts.
TRUST_WORDS: dict[str, dict[str, str]] = {
    "NO_LIST": {"vi": "chưa có danh sách", "en": "no list yet"},
    "CORRUPT": {"vi": "danh sách bị hỏng", "en": "list damaged"},
    "STORE_DOWN": {"vi": "không đọc được bộ nhớ", "en": "storage cannot be read"},
    "production": {"vi": "khóa thật", "en": "real keys"},
    "test": {"vi": "khóa thử, để tập huấn", "en": "test keys, for training"},
    "active": {"vi": "bản mới nhất đã nhận", "en": "the newest that arrived"},
    "previous": {"vi": "bản trước đó (bản mới bị hỏng)", "en": "the one before (the newest is damaged)"},
    "seed": {"vi": "bản có sẵn trong máy", "en": "the one that came with the unit"},
    "root": {"vi": "Gốc tin cậy", "en": "Root of trust"},
    "trust": {"vi": "Khóa của nơi cấp", "en": "Issuers' keys"},
    "revocation": {"vi": "Danh sách hủy", "en": "Revocations"},
    "rules": {"vi": "Quy định", "en": "Rules"},
    "recognition": {"vi": "Nơi cấp được công nhận", "en": "Recognised issuers"},
    "software": {"vi": "Phần mềm của máy", "en": "Software of units"},
}
