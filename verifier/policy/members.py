"""The members of the data that rules look at: what each is called in words, and which an expression asks for.

The rules this module keeps:

* Every member that :mod:`verifier.policy.facts` gives has its words here, and nothing else has: so a rule
  that asks for what no desk will ever know is told of before it is signed.
* The data inside a ``reduce`` is that of the list it goes over; it has no words.

    paths_of({"before": [{"need": ["event.given"]}, {"var": "journey.entry"}]})
    # ("event.given", "journey.entry")
    MEMBERS["event.given"].en                     # "day given"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from verifier.policy.bundle import On

_PATHS = frozenset({"var", "need", "known"})  # operators that name a member
_V, _T, _R, _E, _P = On.VACCINATION, On.TEST, On.RECOVERY, On.EXEMPTION, On.PROPHYLAXIS
_EVENTS = frozenset({_V, _T, _R, _E, _P})


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the data. vi, en: its words. on: the kinds of events that have it; empty: it is there for
    rules of every kind.
    """

    vi: str
    en: str
    on: frozenset[On] = frozenset()


def _event(vi: str, en: str, *on: On) -> Member:
    return Member(vi, en, frozenset(on) or _EVENTS)


MEMBERS: Mapping[str, Member] = MappingProxyType(
    {
        "event.kind": _event("loại sự kiện", "kind of event"),
        "event.disease": _event("bệnh", "disease"),
        "event.country": _event("nước thực hiện", "country of the event"),
        "event.vaccine": _event("loại vắc xin", "kind of vaccine", _V),
        "event.product": _event("sản phẩm", "product", _V, _P),
        "event.maker": _event("nhà sản xuất", "maker", _V),
        "event.dose": _event("mũi số", "dose number", _V),
        "event.doses": _event("số mũi của liệu trình", "doses of the course", _V),
        "event.given": _event("ngày tiêm", "day given", _V, _P),
        "event.valid_from": _event("giấy ghi có giá trị từ", "document says valid from", _V, _R, _P),
        "event.valid_until": _event("giấy ghi có giá trị đến", "document says valid until", _V, _R, _E, _P),
        "event.test": _event("loại xét nghiệm", "kind of test", _T),
        "event.device": _event("sinh phẩm xét nghiệm", "test product", _T),
        "event.sampled": _event("lấy mẫu lúc", "sample taken", _T),
        "event.result": _event("kết quả", "result", _T),
        "event.first_positive": _event("ngày dương tính đầu tiên", "first positive test", _R),
        "event.proof": _event("cách xác nhận mắc bệnh", "how the illness was proven", _R),
        "certificate.family": _event("loại giấy", "kind of document"),
        "certificate.country": _event("nước cấp", "issuing country"),
        "certificate.issued": _event("cấp lúc", "issued"),
        "certificate.expires": _event("mã hết hạn lúc", "code expires"),
        "certificate.recognition": _event("mức công nhận", "recognition of the issuer"),
        "holder.birth": Member("ngày sinh", "date of birth"),
        "journey.kind": Member("loại hành trình", "kind of journey"),
        "journey.country": Member("nước đến", "country of arrival"),
        "journey.mode": Member("phương thức", "way of travel"),
        "journey.arrival": Member("giờ đến", "arrival"),
        "journey.entry": Member("ngày nhập cảnh", "day of entry"),
        "journey.departure": Member("giờ khởi hành", "departure"),
        "journey.departure_day": Member("ngày khởi hành", "day of departure"),
        "journey.flight": Member("chuyến bay", "flight"),
        "journey.origin": Member("nước đi", "country of origin"),
        "journey.area": Member("địa bàn", "district"),
        "journey.role": Member("vai trò", "role"),
        "journey.paper": Member("giấy tờ đã xem", "paper that was seen"),
        "journey.airside": Member("số giờ quá cảnh", "hours in transit"),
        "desk.profile": Member("loại bàn kiểm soát", "kind of desk"),
        "desk.now": Member("giờ kiểm tra", "time of the check"),
        "desk.today": Member("hôm nay", "today"),
    }
)
# Objects of the data, which a rule may ask for as a whole.
ROOTS = frozenset({"", "event", "certificate", "holder", "journey", "desk", "valueSets"})


def paths_of(expression: Any) -> tuple[str, ...]:
    """The paths that an expression names, each once, in their order; without those inside a ``reduce``."""
    return tuple(dict.fromkeys(path for path in _paths(expression) if path))


def _paths(expression: Any) -> Iterator[str]:
    if isinstance(expression, list):
        for each in expression:
            yield from _paths(each)
        return
    if not isinstance(expression, Mapping):
        return
    for name, operands in expression.items():
        first = operands[0] if isinstance(operands, list) and operands else operands
        if name in _PATHS and isinstance(first, str):
            yield first
        elif name == "reduce" and isinstance(operands, list):
            yield from _paths(operands[:1] + operands[2:])
        else:
            yield from _paths(operands)


def looked_up(path: str, tree: Any) -> Any:
    """What stands at a path; ``None`` where it leads nowhere."""
    value = tree
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif (
            isinstance(value, list | tuple) and step.isdecimal() and len(step) < 9 and int(step) < len(value)
        ):
            value = value[int(step)]
        else:
            return None
    return value
