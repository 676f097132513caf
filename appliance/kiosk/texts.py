"""The page's own words, in Vietnamese and English.

The rules this module keeps:

* Every key has both texts; the words of reasons stand in ``verifier/catalogue.py``. Where a reason has an age
  to tell, its words with that age stand here.

    TEXTS["compare"]["vi"], AGED[Reason.LIST_STALE]["en"].format(age="3 days")
"""

from __future__ import annotations

from verifier.certificate import Family
from verifier.codes import Reason
from verifier.recognition import RecognitionClass

# What a document is, as an officer would name it; the families that are only recognised have their names too.
FAMILIES: dict[Family, dict[str, str]] = {
    Family.HC1: {"vi": "Chứng nhận COVID số (chuẩn EU)", "en": "Digital COVID certificate (EU standard)"},
    Family.LT1: {"vi": "Chứng nhận nội địa (LT1)", "en": "Domestic certificate (LT1)"},
    Family.AT1: {"vi": "Chứng nhận nội địa của Áo (AT1)", "en": "Austrian domestic certificate (AT1)"},
    Family.DDCC: {"vi": "Giấy tờ COVID-19 số của WHO (DDCC)", "en": "WHO digital COVID-19 document (DDCC)"},
    Family.ICVP: {
        "vi": "Chứng nhận tiêm chủng quốc tế (ICVP)",
        "en": "International Certificate of Vaccination (ICVP)",
    },
    Family.SHC: {"vi": "Thẻ sức khỏe SMART", "en": "SMART Health Card"},
    Family.VDS_NC: {"vi": "Mã ICAO (VDS-NC)", "en": "ICAO seal (VDS-NC)"},
    Family.DIVOC: {"vi": "Chứng nhận DIVOC", "en": "DIVOC certificate"},
    Family.NZCP: {"vi": "Thẻ COVID của New Zealand", "en": "NZ COVID Pass"},
    Family.DOC_2D: {"vi": "Giấy tờ Pháp (2D-Doc)", "en": "French document (2D-Doc)"},
    Family.VHL: {"vi": "Liên kết hồ sơ sức khỏe", "en": "Health link"},
    Family.NL2: {"vi": "Chứng nhận nội địa của Hà Lan", "en": "Dutch domestic certificate"},
    Family.VDS: {"vi": "Dấu số ICAO (VDS)", "en": "ICAO visible digital seal"},
}

WAITING = {
    "vi": "Đã đọc {have} / {count} phần, đưa phần tiếp theo",
    "en": "{have} of {count} parts read, hold up the next",
}

READ = {"vi": "Đã đọc hộ chiếu, đưa mã vào trước camera", "en": "Passport read, hold a code to the camera"}

PEOPLE = {
    "vi": "{n} mã của nhiều người: mỗi dòng một kết quả",
    "en": "{n} persons in view: each line has its own result",
}

# Of a gate, where nobody looks.
DOOR: dict[str, dict[str, str]] = {
    "open": {"vi": "CỬA MỞ", "en": "GATE OPEN"},
    "shut": {"vi": "CỬA ĐÓNG: gọi nhân viên", "en": "GATE SHUT: call a person"},
    "place_passport": {"vi": "CỬA ĐÓNG: đặt hộ chiếu vào", "en": "GATE SHUT: place the passport"},
    "one_by_one": {"vi": "CỬA ĐÓNG: từng người một", "en": "GATE SHUT: one person at a time"},
}

UNITS = {
    "hours": {"vi": ("{n} giờ", "{n} giờ"), "en": ("{n} hour", "{n} hours")},
    "days": {"vi": ("{n} ngày", "{n} ngày"), "en": ("{n} day", "{n} days")},
}

# Reasons whose age is known.
AGED: dict[Reason, dict[str, str]] = {
    Reason.LIST_STALE: {"vi": "Danh sách tin cậy đã {age} chưa cập nhật", "en": "Trust list is {age} old"},
    Reason.LIST_EXPIRED: {
        "vi": "Danh sách tin cậy quá hạn: đã {age} chưa cập nhật",
        "en": "Trust list out of date: {age} old",
    },
}

# What to do about it, in plain words; each follows from a reason, see ``facts.advice``.
ADVICE: dict[str, dict[str, str]] = {
    "young_issuer": {
        "vi": "Danh sách cũ có thể thiếu nơi cấp mới: đồng bộ ngay rồi quét lại.",
        "en": "An old list may lack a new issuer: sync the list now, then scan again.",
    },
    "old_list": {
        "vi": "Thiết bị lâu chưa có danh sách mới nên không xác nhận mã nào. Mã này không bị coi là sai.",
        "en": "This unit has had no new list for long and confirms no code. This one may be good.",
    },
    "cannot_verify": {
        "vi": "Thiết bị không kiểm tra được mã nào. Không mã nào bị coi là sai.",
        "en": "This unit cannot verify any code. That says nothing against a code.",
    },
    "sync": {
        "vi": "Đồng bộ danh sách, hoặc mang đến bằng USB. Báo trưởng ca mỗi ca một lần.",
        "en": "Sync the list, or bring it on a USB stick. Tell your supervisor once a shift.",
    },
    "one_by_one": {
        "vi": "Màu này là của kết quả xấu nhất. Để xem kỹ một người, chỉ đưa mã của người đó.",
        "en": "This colour is the worst of them. For more on one person, show that code alone.",
    },
    "manual": {
        "vi": "Làm theo tờ quy trình thủ công.",
        "en": "Follow the manual procedure sheet.",
    },
    "call": {"vi": "Gọi {phone}", "en": "Call {phone}"},
    "call_nobody": {"vi": "Gọi người phụ trách thiết bị.", "en": "Call whoever looks after this unit."},
}

RECOGNISED: dict[RecognitionClass, dict[str, str]] = {
    RecognitionClass.OFFICIAL: {"vi": "Được công nhận chính thức", "en": "Officially recognised"},
    RecognitionClass.TEMPORARY: {"vi": "Được công nhận tạm thời", "en": "Temporarily recognised"},
    RecognitionClass.NONE: {"vi": "Chưa được công nhận", "en": "Not recognised"},
}

TEXTS: dict[str, dict[str, str]] = {
    "title": {"vi": "Vaxgate · Bàn kiểm tra", "en": "Vaxgate · Officer's desk"},
    # In both languages at once: nobody must take it for the real thing.
    "training": {"vi": "TẬP HUẤN – TRAINING", "en": "TẬP HUẤN – TRAINING"},
    "compare": {"vi": "So sánh họ tên và ngày sinh với hộ chiếu", "en": "Compare name and birth date"},
    "name": {"vi": "Họ và tên", "en": "Name"},
    "birth_date": {"vi": "Ngày sinh", "en": "Birth date"},
    "issuer": {"vi": "Nơi cấp", "en": "Issuer"},
    "document": {"vi": "Loại giấy tờ", "en": "Document"},
    "last": {"vi": "Kết quả vừa rồi", "en": "Last result"},
    "duties": {"vi": "Nghĩa vụ", "en": "Duties"},
    "order": {"vi": "Lệnh của trạm", "en": "Order of this post"},
    "passport": {"vi": "Hộ chiếu đã đọc", "en": "Passport read"},
    "several": {"vi": "{n} giấy đã đưa", "en": "{n} documents shown"},
    "new_rules": {"vi": "quy định mới từ {date}", "en": "new rules from {date}"},
    # What can be tapped.
    "why": {"vi": "Vì sao?", "en": "Why?"},
    "journey": {"vi": "Chuyến đi", "en": "Journey"},
    "none": {"vi": "Không có chứng nhận", "en": "No certificate"},
    "next": {"vi": "Người tiếp theo", "en": "Next"},
    "close": {"vi": "Đóng", "en": "Close"},
    "enter": {"vi": "Nhập", "en": "Enter"},
    "clear": {"vi": "Bỏ", "en": "Clear"},
    "search": {"vi": "Tìm, không cần dấu", "en": "Search, without accents"},
    "refused": {"vi": "Thiết bị không nhận. Bấm lại.", "en": "The unit did not take it. Tap again."},
    "ask_journey": {"vi": "Mục đích", "en": "Kind of journey"},
    "ask_country": {"vi": "Nước đến", "en": "Country of arrival"},
    "ask_mode": {"vi": "Đến bằng", "en": "Arrives by"},
    "ask_departure": {"vi": "Giờ khởi hành", "en": "Departure"},
    "ask_arrival": {"vi": "Giờ đến", "en": "Arrival"},
    "ask_longest": {"vi": "Chuyến đi dài nhất (giờ)", "en": "Longest journey (hours)"},
    "ask_flight": {"vi": "Chuyến bay", "en": "Flight"},
    "ask_origin": {"vi": "Đến từ nước", "en": "Country of origin"},
    "ask_area": {"vi": "Đến từ địa phương", "en": "Comes from district"},
    "ask_airside": {"vi": "Số giờ quá cảnh", "en": "Hours in transit"},
    "ask_role": {"vi": "Diện miễn", "en": "Exempt category"},
    "ask_paper": {"vi": "Đã xem giấy", "en": "Paper seen"},
    "ask_paper_country": {"vi": "Giấy của nước", "en": "Country of the paper"},
    "ask_birth": {"vi": "Năm sinh", "en": "Year of birth"},
    "entry": {"vi": "Nhập cảnh", "en": "Entry"},
    "transit": {"vi": "Quá cảnh", "en": "Transit"},
    "domestic": {"vi": "Trong nước", "en": "Domestic"},
    "air": {"vi": "Máy bay", "en": "Air"},
    "land": {"vi": "Đường bộ", "en": "Land"},
    "sea": {"vi": "Đường biển", "en": "Sea"},
    "rail": {"vi": "Đường sắt", "en": "Rail"},
    "day": {"vi": "ngày", "en": "day"},
    "hour": {"vi": "giờ", "en": "hour"},
    "minute": {"vi": "10 phút", "en": "10 min"},
    "zone": {"vi": "múi giờ", "en": "zone"},
    # On the "why?" panel.
    "rules_asked": {"vi": "Không có quy định nào được hỏi.", "en": "No rule was asked."},
    "unused": {"vi": "không quyết định", "en": "did not decide"},
    "left": {"vi": "và {n} quy định khác", "en": "and {n} more"},
    "list": {"vi": "Danh sách tin cậy", "en": "Trust list"},
    "no_list": {"vi": "chưa có", "en": "none"},
    "clock": {"vi": "Đồng hồ", "en": "Clock"},
    "rules": {"vi": "Quy định", "en": "Rules"},
    "no_rules": {"vi": "chưa có", "en": "none in force"},
    "language": {"vi": "English", "en": "Tiếng Việt"},
    "lost_word": {"vi": "MẤT KẾT NỐI", "en": "NO CONNECTION"},
    "lost_hint": {
        "vi": "Trang này không còn nhận tin từ thiết bị. Xem đèn.",
        "en": "This page hears nothing from the unit. Look at the lamp.",
    },
    "minutes": {"vi": "{n} phút trước", "en": "{n} min ago"},
    "hours": {"vi": "{n} giờ trước", "en": "{n} h ago"},
    "days": {"vi": "{n} ngày trước", "en": "{n} d ago"},
    "FRESH": {"vi": "mới", "en": "fresh"},
    "STALE-1": {"vi": "cũ", "en": "old"},
    "STALE-2": {"vi": "quá hạn", "en": "out of date"},
    "STALE-3": {"vi": "quá hạn", "en": "out of date"},
    "EXPIRED": {"vi": "hết hạn", "en": "expired"},
    "TRUSTED": {"vi": "tin cậy", "en": "trusted"},
    "BOUNDED": {"vi": "chưa xác nhận", "en": "unconfirmed"},
    "FLOOR-ONLY": {"vi": "chưa xác nhận quá lâu", "en": "unconfirmed too long"},
    "UNSYNCED-TIME": {"vi": "không tin cậy", "en": "not to be trusted"},
}
