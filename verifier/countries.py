"""Country codes as issuers write them: ISO 3166-1 alpha-2 and alpha-3, and the aliases that occur.

>>> alpha2("DEU"), alpha2("de"), alpha2("EL"), alpha2("CH BAG")
('DE', 'DE', 'GR', None)
"""

from __future__ import annotations

# ISO 3166-1: alpha-3 and alpha-2 of each country, five letters a pair.
_PAIRS = """
ABWAW AFGAF AGOAO AIAAI ALAAX ALBAL ANDAD AREAE ARGAR ARMAM ASMAS ATAAQ ATFTF ATGAG AUSAU AUTAT
AZEAZ BDIBI BELBE BENBJ BESBQ BFABF BGDBD BGRBG BHRBH BHSBS BIHBA BLMBL BLRBY BLZBZ BMUBM BOLBO
BRABR BRBBB BRNBN BTNBT BVTBV BWABW CAFCF CANCA CCKCC CHECH CHLCL CHNCN CIVCI CMRCM CODCD COGCG
COKCK COLCO COMKM CPVCV CRICR CUBCU CUWCW CXRCX CYMKY CYPCY CZECZ DEUDE DJIDJ DMADM DNKDK DOMDO
DZADZ ECUEC EGYEG ERIER ESHEH ESPES ESTEE ETHET FINFI FJIFJ FLKFK FRAFR FROFO FSMFM GABGA GBRGB
GEOGE GGYGG GHAGH GIBGI GINGN GLPGP GMBGM GNBGW GNQGQ GRCGR GRDGD GRLGL GTMGT GUFGF GUMGU GUYGY
HKGHK HMDHM HNDHN HRVHR HTIHT HUNHU IDNID IMNIM INDIN IOTIO IRLIE IRNIR IRQIQ ISLIS ISRIL ITAIT
JAMJM JEYJE JORJO JPNJP KAZKZ KENKE KGZKG KHMKH KIRKI KNAKN KORKR KWTKW LAOLA LBNLB LBRLR LBYLY
LCALC LIELI LKALK LSOLS LTULT LUXLU LVALV MACMO MAFMF MARMA MCOMC MDAMD MDGMG MDVMV MEXMX MHLMH
MKDMK MLIML MLTMT MMRMM MNEME MNGMN MNPMP MOZMZ MRTMR MSRMS MTQMQ MUSMU MWIMW MYSMY MYTYT NAMNA
NCLNC NERNE NFKNF NGANG NICNI NIUNU NLDNL NORNO NPLNP NRUNR NZLNZ OMNOM PAKPK PANPA PCNPN PERPE
PHLPH PLWPW PNGPG POLPL PRIPR PRKKP PRTPT PRYPY PSEPS PYFPF QATQA REURE ROURO RUSRU RWARW SAUSA
SDNSD SENSN SGPSG SGSGS SHNSH SJMSJ SLBSB SLESL SLVSV SMRSM SOMSO SPMPM SRBRS SSDSS STPST SURSR
SVKSK SVNSI SWESE SWZSZ SXMSX SYCSC SYRSY TCATC TCDTD TGOTG THATH TJKTJ TKLTK TKMTM TLSTL TONTO
TTOTT TUNTN TURTR TUVTV TWNTW TZATZ UGAUG UKRUA UMIUM URYUY USAUS UZBUZ VATVA VCTVC VENVE VGBVG
VIRVI VNMVN VUTVU WLFWF WSMWS YEMYE ZAFZA ZMBZM ZWEZW
"""
_ALPHA2_OF = {pair[:3]: pair[3:] for pair in _PAIRS.split()}
ALL = tuple(sorted(_ALPHA2_OF.values()))
# EU usage, Kosovo's provisional code, and the reference issuer's own pair of user-assigned codes
_ALIASES = {"EL": "GR", "UK": "GB", "XKX": "XK", "XXV": "XV"}
# Codes as nearly everybody writes them, with what they stand for.
_CODES = {code: code for code in ALL} | _ALPHA2_OF | _ALIASES
_ALPHA3_OF = {alpha2: alpha3 for alpha3, alpha2 in _ALPHA2_OF.items()} | {"XV": "XXV", "XK": "XKX"}


def alpha2(text: str | None) -> str | None:
    """The alpha-2 code that ``text`` stands for; ``None`` when it is no country code at all.

    Any two letters pass: user-assigned codes such as ``XV`` are how test issuers are named.
    """
    if text is None:
        return None
    known = _CODES.get(text)
    if known is not None:
        return known
    if not text.isascii() or not text.isalpha():
        return None
    code = text.upper()
    if code in _ALIASES:
        return _ALIASES[code]
    if len(code) == 2:
        return code
    # user-assigned alpha-3 codes (XAA to XZZ) stand for nobody else and are compared as they are
    return _ALPHA2_OF.get(code) or (code if len(code) == 3 and code[0] == "X" else None)


def alpha3(code: str) -> str | None:
    """The alpha-3 code of an alpha-2 one, as travel documents write it; ``None`` where there is none."""
    return _ALPHA3_OF.get(code)
