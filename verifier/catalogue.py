"""How each reason is said: the officer's words in Vietnamese and English, and a line for integrators.

CATALOGUE[Reason.EXPIRED].vi, CATALOGUE[Reason.EXPIRED].states[0]
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.codes import Reason, State


@dataclass(frozen=True, slots=True)
class Wording:
    """How one reason is said.

    states: the states that this reason usually gives, the first being the default; ``None`` is a banner.
    vi, en: the officer's headline. about: one line for integrators.
    """

    states: tuple[State | None, ...]
    vi: str
    en: str
    about: str


CATALOGUE: dict[Reason, Wording] = {
    Reason.SIG_BAD: Wording(
        (State.FAIL,),
        "Chữ ký không đúng: nội dung đã bị sửa",
        "Signature wrong: content altered",
        "No held key with this KID verifies the signature; a wrong length or encoding counts too.",
    ),
    Reason.KEY_UNKNOWN: Wording(
        (
            State.FAIL,
            State.CHECK,
        ),
        "Chưa xác nhận được nơi cấp",
        "Issuer cannot be confirmed",
        "No key for this KID (or issuer) is in the trust list; CHECK when the list is no longer FRESH.",
    ),
    Reason.KEY_WITHDRAWN: Wording(
        (State.FAIL,),
        "Khóa của nơi cấp đã bị thu hồi",
        "Issuer's key has been withdrawn",
        "The trust list knows the key and marks it withdrawn.",
    ),
    Reason.KEY_USAGE: Wording(
        (State.FAIL,),
        "Khóa không được dùng cho loại chứng nhận này",
        "Key not allowed for this kind of certificate",
        "The key's extended key usage OIDs do not allow this kind of event.",
    ),
    Reason.KEY_PERIOD: Wording(
        (State.FAIL,),
        "Cấp ngoài thời hạn của khóa",
        "Issued outside the key's period",
        "iat lies outside the key's validity period, or the period has not begun.",
    ),
    Reason.KEY_EXPIRED: Wording(
        (State.FAIL,),
        "Khóa của nơi cấp đã hết hạn",
        "Issuer's key has expired",
        "iat lies inside the key's validity period, but the period is over now.",
    ),
    Reason.CHAIN_BAD: Wording(
        (State.FAIL,),
        "Khóa ký không được nước cấp xác nhận",
        "Signing key not vouched for by its country",
        "The signer certificate does not chain to the CSCA that is held for its country.",
    ),
    Reason.KEY_TEST: Wording(
        (State.FAIL,),
        "Mã mẫu, không có giá trị",
        "Sample code, not valid",
        "The KID belongs to a test environment; it never verifies for a green.",
    ),
    Reason.ALG_REFUSED: Wording(
        (State.FAIL,),
        "Thuật toán ký không được chấp nhận",
        "Signature method not accepted",
        "The algorithm is not allowed, stands outside the protected header, or does not fit the key.",
    ),
    Reason.ISSUER_MISMATCH: Wording(
        (State.FAIL,),
        "Nước cấp không khớp với khóa",
        "Issuing country and key disagree",
        "The issuer's country code differs from the country that owns the key.",
    ),
    Reason.REVOKED: Wording(
        (State.FAIL,),
        "Chứng nhận đã bị hủy",
        "Certificate revoked",
        "A revocation list names the certificate: by identifier, country and identifier, or signature.",
    ),
    Reason.REVOCATION_UNCHECKED: Wording(
        (State.CHECK,),
        "Chưa kiểm tra được danh sách hủy",
        "Revocation could not be checked",
        "Revocation data is missing, corrupt or past its own expiry.",
    ),
    Reason.EXPIRED: Wording(
        (State.FAIL,), "Mã đã hết hạn", "Code expired", "exp is more than five minutes ago."
    ),
    Reason.NOT_YET_VALID: Wording(
        (State.FAIL,), "Chưa có hiệu lực", "Not valid yet", "iat or the date of the event lies in the future."
    ),
    Reason.NO_EXPIRY: Wording(
        (State.CHECK,),
        "Không ghi ngày hết hạn",
        "No expiry date given",
        "The family has an exp, and this certificate does not state it.",
    ),
    Reason.RENEW: Wording(
        (State.CHECK,),
        "Cần tạo lại mã trong ứng dụng",
        "Code must be renewed in the app",
        "The issuer asks for the code to be renewed.",
    ),
    Reason.MALFORMED: Wording(
        (State.FAIL,),
        "Dữ liệu chứng nhận bị lỗi",
        "Certificate data damaged",
        "The bytes break the format; the detail names the layer.",
    ),
    Reason.TOO_BIG: Wording(
        (State.FAIL,),
        "Dữ liệu vượt giới hạn",
        "Data beyond limits",
        "A size, depth or count is beyond the limit of its layer.",
    ),
    Reason.MULTI_EVENT: Wording(
        (State.FAIL,),
        "Nhiều hơn một sự kiện trong một mã",
        "More than one event in one code",
        "More than one vaccination, test or recovery stands in one code.",
    ),
    Reason.UNSUPPORTED: Wording(
        (State.CHECK,),
        "Loại chứng nhận chưa hỗ trợ",
        "Kind of certificate not supported",
        "Recognised and not verified by this version; or authentic, and good inside its own country only.",
    ),
    Reason.VALUE_UNKNOWN: Wording(
        (State.CHECK,),
        "Có mã dữ liệu chưa biết",
        "Contains an unknown value",
        "A coded value is in none of the value sets on this unit.",
    ),
    Reason.DISEASE_OTHER: Wording(
        (State.CHECK,),
        "Chứng nhận cho bệnh khác",
        "Certificate is for another disease",
        "The disease is not the rule set's.",
    ),
    Reason.DOSE_SHORT: Wording(
        (
            State.FAIL,
            State.CHECK,
        ),
        "Chưa tiêm đủ liều",
        "Vaccine course not complete",
        "Fewer doses than the course asks for.",
    ),
    Reason.BOOSTER_UNCLEAR: Wording(
        (State.CHECK,),
        "Không rõ là mũi nhắc lại hay mũi cơ bản",
        "Booster or primary dose: unclear",
        "The dose numbers do not tell a booster from a primary dose.",
    ),
    Reason.TOO_SOON: Wording(
        (
            State.CHECK,
            State.FAIL,
        ),
        "Chưa đủ số ngày sau tiêm",
        "Not enough days since the dose",
        "The waiting time after the dose is not over.",
    ),
    Reason.TOO_OLD: Wording(
        (
            State.CHECK,
            State.FAIL,
        ),
        "Mũi tiêm đã quá thời hạn",
        "Dose too long ago",
        "The dose is older than the rule set allows.",
    ),
    Reason.VACCINE_NOT_LISTED: Wording(
        (State.FAIL,),
        "Vắc xin không trong danh mục",
        "Vaccine not on the list",
        "The product is not on the list that the rule set names.",
    ),
    Reason.IMPLAUSIBLE_DATE: Wording(
        (State.CHECK,),
        "Ngày tháng không hợp lý",
        "Date not plausible",
        "A date that cannot be right, though it is well formed.",
    ),
    Reason.TEST_POSITIVE: Wording(
        (State.FAIL,), "Mời gặp nhân viên y tế", "Please see health staff", "The result code says: detected."
    ),
    Reason.TEST_TYPE: Wording(
        (State.FAIL,),
        "Loại xét nghiệm không được chấp nhận",
        "Kind of test not accepted",
        "The kind of test is not one that the rule set accepts.",
    ),
    Reason.TEST_TOO_OLD: Wording(
        (State.FAIL,),
        "Xét nghiệm đã quá giờ quy định",
        "Test too old",
        "The sample is older than the rule set allows.",
    ),
    Reason.TEST_FUTURE: Wording(
        (State.FAIL,),
        "Giờ lấy mẫu ở tương lai",
        "Sample time lies in the future",
        "The sample time is more than 30 minutes in the future.",
    ),
    Reason.TIME_ZONE_UNKNOWN: Wording(
        (State.CHECK,),
        "Không rõ múi giờ lấy mẫu",
        "Time zone of sample unknown",
        "The sample time has no offset, and the answer depends on it.",
    ),
    Reason.RECOVERY_EARLY: Wording(
        (State.FAIL,),
        "Chưa đủ ngày sau khi mắc bệnh",
        "Too early after infection",
        "The waiting time after the first positive test is not over.",
    ),
    Reason.RECOVERY_OLD: Wording(
        (
            State.FAIL,
            State.CHECK,
        ),
        "Khỏi bệnh đã quá thời hạn",
        "Recovery too long ago",
        "The first positive test is older than the rule set allows.",
    ),
    Reason.NEED_SECOND_DOC: Wording(
        (State.CHECK,),
        "Cần thêm giấy tờ",
        "Another document needed",
        "The rule set asks for one more document.",
    ),
    Reason.NEED_CONTEXT: Wording(
        (State.CHECK,),
        "Cần nhập thêm thông tin chuyến đi",
        "Journey details needed",
        "The rule needs journey details that nobody has entered.",
    ),
    Reason.PAPER_ONLY: Wording(
        (State.CHECK,),
        "Kiểm tra giấy tờ bằng mắt",
        "Check the paper by eye",
        "A person has to look at a paper.",
    ),
    Reason.ISSUER_NOT_RECOGNISED: Wording(
        (State.CHECK,),
        "Nơi cấp chưa được công nhận: cần chứng nhận lãnh sự",
        "Issuer not recognised: consular certification needed",
        "Authentic, from an issuer that is neither officially nor temporarily recognised.",
    ),
    Reason.DUTY_ONLY: Wording(
        (State.CHECK,),
        "Được vào, kèm nghĩa vụ",
        "May enter, with duties",
        "A rule is not met, and the rule set answers that with a duty.",
    ),
    Reason.EXEMPT_AGE: Wording(
        (State.PASS,), "Miễn theo tuổi", "Exempt by age", "The rule set exempts this age."
    ),
    Reason.EXEMPT_ROLE: Wording(
        (State.PASS,), "Miễn theo diện", "Exempt by category", "The rule set exempts this role."
    ),
    Reason.RULE_FAILED: Wording(
        (State.FAIL,),
        "Không đáp ứng một quy định",
        "A rule is not met",
        "A rule answers no and has no reason of its own.",
    ),
    Reason.RULE_UNKNOWN: Wording(
        (State.CHECK,),
        "Chưa kết luận được một quy định",
        "A rule could not be decided",
        "A rule answers unknown: an input is absent, or the rule cannot be evaluated.",
    ),
    Reason.RULES_MISSING: Wording(
        (State.CHECK,), "Chưa có quy định áp dụng", "No rule in force", "No bundle is in force here."
    ),
    Reason.RULES_EXPIRED: Wording(
        (State.CHECK,),
        "Bộ quy định đã hết hiệu lực",
        "Rule set has expired",
        "The bundle is past its end and has no successor.",
    ),
    Reason.NAME_PARTIAL: Wording(
        (State.CHECK,), "Tên trùng một phần", "Name agrees in part", "Name class PARTIAL."
    ),
    Reason.NAME_CHANGED: Wording(
        (State.CHECK,),
        "Khác họ, trùng tên và ngày sinh",
        "Other surname, same given name and birth date",
        "Name class CHANGED.",
    ),
    Reason.NAME_DIFFERENT: Wording(
        (State.FAIL,), "Tên không khớp hộ chiếu", "Name does not match the passport", "Name class DIFFERENT."
    ),
    Reason.DOB_PARTIAL: Wording(
        (State.CHECK,),
        "Ngày sinh không đầy đủ",
        "Birth date incomplete",
        "The birth date is incomplete and the answer depends on it.",
    ),
    Reason.DOB_DIFFERENT: Wording(
        (
            State.CHECK,
            State.FAIL,
        ),
        "Ngày sinh không khớp",
        "Birth date does not match",
        "The birth dates disagree.",
    ),
    Reason.IDENTITY_UNREAD: Wording(
        (State.RESCAN,),
        "Chưa đọc được hộ chiếu",
        "Passport not read",
        "The passport line was not read, or a check digit is wrong.",
    ),
    Reason.REPLAY: Wording(
        (State.CHECK,),
        "Mã vừa được dùng với hộ chiếu khác",
        "Code just used with another passport",
        "The code was used within the hour with another passport.",
    ),
    Reason.NOT_CERT: Wording(
        (State.RESCAN,),
        "Đây không phải mã chứng nhận",
        "This is not a certificate code",
        "A code of another world; the detail names its kind where it is known.",
    ),
    Reason.INCOMPLETE: Wording(
        (State.RESCAN,),
        "Mới đọc được một phần của mã",
        "Only part of the code has been read",
        "A part of a many-part code is missing.",
    ),
    Reason.UNREADABLE: Wording(
        (State.RESCAN,),
        "Không đọc được: giữ thẳng, tăng độ sáng",
        "Not readable: hold flat, more brightness",
        "No symbol could be read from the picture.",
    ),
    Reason.LIST_STALE: Wording(
        (None,),
        "Danh sách tin cậy đã cũ",
        "Trust list is old",
        "The list is older than 36 hours and at most 7 days; a signed policy may say sooner.",
    ),
    Reason.LIST_EXPIRED: Wording(
        (
            State.CHECK,
            State.OUT,
        ),
        "Danh sách tin cậy quá hạn",
        "Trust list out of date",
        "The list is older than 7 days (CHECK) or 60 days (OUT), sooner by a signed policy; or whoever "
        "signed it may no longer speak (OUT).",
    ),
    Reason.CLOCK_UNSURE: Wording(
        (
            State.OUT,
            State.CHECK,
        ),
        "Đồng hồ thiết bị chưa tin cậy",
        "Unit's clock cannot be trusted",
        "The clock is behind what the unit has proof of (OUT), or unconfirmed for too long (CHECK).",
    ),
    Reason.CAMERA_DOWN: Wording(
        (State.OUT,), "Camera không hoạt động", "Camera not working", "The camera gives no frames."
    ),
    Reason.STORE_DOWN: Wording(
        (State.OUT,),
        "Bộ nhớ bị lỗi",
        "Storage fault",
        "The trust store cannot be read, or its digest is wrong.",
    ),
    Reason.NO_LIST: Wording(
        (State.OUT,),
        "Chưa có danh sách tin cậy",
        "No trust list on this unit",
        "No trust list has been synced to this unit yet.",
    ),
    Reason.UNIT_FAULT: Wording(
        (State.OUT,),
        "Thiết bị gặp lỗi",
        "Fault in this unit",
        "A fault of ours; it says nothing about the document.",
    ),
}
