"""One vocabulary for events of every family: codes of diseases, vaccines, products, tests and results.

The rules this module keeps:

* The vocabulary is the EU value sets', because rules and value sets are written in it: SNOMED CT for
  diseases, kinds of vaccine and results, LOINC for kinds of test, EU marketing numbers or their stand-ins for
  products.
* A code or name that is not in a table is passed on as it is, trimmed: a rule meets an unknown value and says
  so.
* Nothing is guessed from a part of a name: a table has the name, or it has not.

    disease("RA01.0"), disease("1D47")           # "840539006", "16541001"
    product("207"), product("Covishield")        # "EU/1/20/1507", "Covishield"
    result("260385009")                          # "260415000", NOT_DETECTED

Sources: EU value sets (eHealth Network), ICD-11, CDC CVX codes, LOINC.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.certificate import DETECTED, NOT_DETECTED

COVID_19 = "840539006"
YELLOW_FEVER = "16541001"
POLIOMYELITIS = "398102009"
MEASLES = "14189004"

NAAT, RAPID = "LP6464-4", "LP217198-3"

# Kinds of vaccine.
MRNA = "1119349007"
ANTIGEN = "1119305005"
INACTIVATED = "1157024006"
PROTEIN = "1162643001"
VECTOR = "29061000087103"
DNA = "30141000087107"

# ICD-10, ICD-11, names in DIVOC documents. ICD-11 codes are looked up without what stands after the point.
_DISEASES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "XN109", "XN0HL", "XN4Q7", "XN5BQ", "XN8V6", "XN1GK", "XN3ZE", "XN2V4", "XN4Q1", "XN3UD", "XN9L8",
            "XN6AM",
        ),
        COVID_19,  # the virus and its variants, for tests
    ),
    **dict.fromkeys(
        ("XM68M6", "XM5DF6", "XM0CX4", "XM1J92", "XM0GQ8", "XM5JC5", "XM1NL1", "XM9QW8", "XM6AT1"),
        COVID_19,  # kinds of vaccine against it
    ),
    "840533007": COVID_19, "186747009": COVID_19, "RA01": COVID_19, "U07": COVID_19,
    "COVID-19": COVID_19, "COVID19": COVID_19,
    "1D47": YELLOW_FEVER, "A95": YELLOW_FEVER, "YELLOW FEVER": YELLOW_FEVER,
    "1C81": POLIOMYELITIS, "A80": POLIOMYELITIS, "POLIO": POLIOMYELITIS, "POLIOMYELITIS": POLIOMYELITIS,
    "1F03": MEASLES, "B05": MEASLES, "MEASLES": MEASLES,
}  # fmt: skip

# ICD-11 extension codes of COVID-19 vaccines.
_VACCINES: Mapping[str, str] = {
    "XM0GQ8": MRNA, "XM5JC5": PROTEIN, "XM1NL1": INACTIVATED, "XM9QW8": VECTOR, "XM6AT1": DNA,
}  # fmt: skip

# CVX codes, ICD-11 extension codes, and the names under which the products are sold.
_PRODUCTS: Mapping[str, str] = {
    "208": "EU/1/20/1528", "217": "EU/1/20/1528", "218": "EU/1/20/1528", "219": "EU/1/20/1528",
    "300": "EU/1/20/1528", "301": "EU/1/20/1528", "302": "EU/1/20/1528",
    "COMIRNATY": "EU/1/20/1528", "PFIZER-BIONTECH COMIRNATY": "EU/1/20/1528",
    "227": "EU/1/20/1507", "228": "EU/1/20/1507", "229": "EU/1/20/1507", "230": "EU/1/20/1507",
    "207": "EU/1/20/1507", "221": "EU/1/20/1507", "SPIKEVAX": "EU/1/20/1507",
    "MODERNA SPIKEVAX": "EU/1/20/1507",
    "210": "EU/1/21/1529", "VAXZEVRIA": "EU/1/21/1529", "ASTRAZENECA VAXZEVRIA": "EU/1/21/1529",
    "212": "EU/1/20/1525", "JCOVDEN": "EU/1/20/1525", "JANSSEN": "EU/1/20/1525",
    "211": "EU/1/21/1618", "NUVAXOVID": "EU/1/21/1618",
    "510": "BBIBP-CorV", "BBIBP-CORV": "BBIBP-CorV",
    "511": "CoronaVac", "CORONAVAC": "CoronaVac",
    "502": "Covaxin", "COVAXIN": "Covaxin",
    "XM8NQ0": "EU/1/20/1528", "XM3DT5": "EU/1/20/1507", "XM4YL8": "EU/1/21/1529", "XM6QV1": "EU/1/20/1525",
    "XM8866": "BBIBP-CorV", "XM7HT3": "CoronaVac", "XM1G90": "Covaxin", "XM97T2": "Covishield",
    "XM5ZJ4": "Sputnik-V",
    "COVISHIELD": "Covishield", "ABDALA": "Abdala", "SPUTNIK V": "Sputnik-V", "SPUTNIK-V": "Sputnik-V",
}  # fmt: skip

# What kind of vaccine a product is, for documents that name the product alone.
_VACCINE_OF_PRODUCT: Mapping[str, str] = {
    "EU/1/20/1528": MRNA, "EU/1/20/1507": MRNA, "EU/1/21/1529": ANTIGEN, "EU/1/20/1525": ANTIGEN,
    "EU/1/21/1618": ANTIGEN, "BBIBP-CorV": INACTIVATED, "CoronaVac": INACTIVATED, "Covaxin": INACTIVATED,
    "Covishield": ANTIGEN, "Abdala": ANTIGEN, "Sputnik-V": ANTIGEN,
}  # fmt: skip

# CVX codes that name a disease and no product of the table.
_DISEASE_OF_CVX: Mapping[str, str] = {
    "213": COVID_19,
    "37": YELLOW_FEVER, "183": YELLOW_FEVER, "184": YELLOW_FEVER,
    "02": POLIOMYELITIS, "10": POLIOMYELITIS, "89": POLIOMYELITIS,
    "03": MEASLES, "05": MEASLES, "94": MEASLES,
}  # fmt: skip

_TESTS: Mapping[str, str] = {
    # VDS-NC
    "MOLECULAR(PCR)": NAAT, "MOLECULAR(OTHER)": NAAT, "ANTIGEN": RAPID,
    # LOINC
    "LP6464-4": NAAT, "94500-6": NAAT, "94309-2": NAAT, "94531-1": NAAT, "94845-5": NAAT, "94306-8": NAAT,
    "LP217198-3": RAPID, "94558-4": RAPID, "97097-0": RAPID, "95209-3": RAPID, "96119-3": RAPID,
    "94534-5": NAAT, "94559-2": NAAT, "95406-5": NAAT,
}  # fmt: skip

_RESULTS: Mapping[str, str] = {
    DETECTED: DETECTED, "10828004": DETECTED, "POSITIVE": DETECTED, "ABNORMAL": DETECTED,
    "DETECTED": DETECTED,
    NOT_DETECTED: NOT_DETECTED, "260385009": NOT_DETECTED, "NEGATIVE": NOT_DETECTED, "NORMAL": NOT_DETECTED,
    "NOT DETECTED": NOT_DETECTED,
    "LA11882-0": DETECTED, "LA6576-8": DETECTED, "LA11883-8": NOT_DETECTED, "LA6577-6": NOT_DETECTED,
    "RA01.0": DETECTED, "1240581000000104": DETECTED, "QA02": NOT_DETECTED, "1240591000000102": NOT_DETECTED,
}  # fmt: skip


def disease(code: str) -> str:
    """The disease that a code or name of a document means."""
    text = code.strip()
    return _DISEASES.get(text.upper(), _DISEASES.get(text.upper().partition(".")[0], text))


def vaccine(code: str) -> str:
    """The kind of vaccine that a code of a document means."""
    text = code.strip()
    return _VACCINES.get(text.upper(), text)


def product(code: str) -> str:
    """The product that a code (CVX) or name of a document means."""
    text = code.strip()
    return _PRODUCTS.get(text.upper(), text)


def vaccine_of(product_code: str) -> str:
    """The kind of vaccine that a product is; empty when no table says."""
    return _VACCINE_OF_PRODUCT.get(product_code, "")


def disease_of_cvx(code: str) -> str:
    """The disease that a CVX code protects against; empty for codes that no table has."""
    known = code.strip().isdigit() and code.strip() in _PRODUCTS
    return COVID_19 if known else _DISEASE_OF_CVX.get(code.strip(), "")


def is_product_name(text: str) -> bool:
    """Whether a text names a product that the table has; a number there is a CVX code, and no name."""
    return not text.strip().isdigit() and text.strip().upper() in _PRODUCTS


def test_kind(code: str) -> str:
    """The kind of test that a code or word of a document means."""
    text = code.strip()
    return _TESTS.get(text.upper(), text)


def result(code: str) -> str:
    """The result that a code or word of a document means; anything unknown is passed on."""
    text = code.strip()
    return _RESULTS.get(text.upper(), text)
