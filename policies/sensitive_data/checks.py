"""Tells real data from look-alikes: checksums where the format has one, otherwise what nobody would guard."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

_PLACEHOLDERS = frozenset(
    """password passwd pass pwd secret changeme change_me example user username token xxx xxxx your_password
    yourpassword my_password mypassword placeholder redacted null none todo test""".split()
)
_OPENINGS = ("$", "{", "<", "%", "*", "[")
_DULL_MAILBOXES = frozenset(
    "git noreply no-reply donotreply example user username name you your.name me".split()
)
_DULL_DOMAINS = frozenset(
    "example.com example.org example.net test.com domain.com email.com localhost".split()
)
_FILE_ENDINGS = frozenset("png jpg jpeg gif svg webp ico css js ts json md py go rs java sh yaml yml".split())
_IBAN_LENGTHS: Mapping[str, int] = {
    # ISO 13616 registry, by country
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FI", "FO", "GL", "NL"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "LT", "LU", "XK"), 20),
    **dict.fromkeys(("CH", "HR", "LI", "LV"), 21),
    **dict.fromkeys(("BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS"), 22),
    **dict.fromkeys(("AE", "GI", "IL"), 23),
    **dict.fromkeys(("AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG"), 24),
    **dict.fromkeys(("PT",), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("FR", "GR", "IT", "MC", "MR", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "CY", "DO", "GT", "HU", "LB", "PL"), 28),
    **dict.fromkeys(("BR", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
}
_SPANISH_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_ODD_PLACES = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
"""Values of A to Z, and of 0 to 9, in the odd places of an Italian codice fiscale (DM 23.12.1976)."""
_BITS_OF_RANDOM = 3.0
_MAX_PHONE_DIGITS, _MIN_PHONE_DIGITS = 15, 9
_MIN_VARIETY = 6


def accept(text: str) -> bool:  # noqa: ARG001
    """Take every match: the shape alone is proof."""
    return True


def is_varied(text: str) -> bool:
    """Tell a real key from one that was written to look like one (`sk-xxxxxxxx`)."""
    return len(set(text[-20:])) >= _MIN_VARIETY and "..." not in text and "EXAMPLE" not in text.upper()


def is_password(text: str) -> bool:
    """Tell a password from a variable or a word that stands for one."""
    return not text.startswith(_OPENINGS) and text.strip("*xX.").lower() not in _PLACEHOLDERS | {""}


def is_random(text: str) -> bool:
    """Tell a generated secret from a word, a path or a reference: mixed and of high entropy per character."""
    if not is_password(text) or any(mark in text for mark in ("://", "(", "{", "${", "os.environ")):
        return False
    has_digit, has_letter = any(c.isdigit() for c in text), any(c.isalpha() for c in text)
    return has_digit and has_letter and _entropy_bits(text) >= _BITS_OF_RANDOM


def is_email(text: str) -> bool:
    """Tell a person's or a team's address from placeholders, remotes (`git@`) and file names (`a@2x.png`)."""
    mailbox, _, domain = text.lower().rpartition("@")
    known = mailbox in _DULL_MAILBOXES or domain in _DULL_DOMAINS
    return not known and domain.rpartition(".")[2] not in _FILE_ENDINGS


def is_iban(text: str) -> bool:
    """Tell an IBAN by its country's length and ISO 7064 MOD 97-10."""
    plain = text.replace(" ", "")
    if _IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def passes_luhn(text: str) -> bool:
    """Tell a card number by its check digit (ISO/IEC 7812-1)."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_phone(text: str) -> bool:
    """Tell an international number from an added line of a diff or a sum: its length, and it is spaced."""
    count = sum(c.isdigit() for c in text)
    return _MIN_PHONE_DIGITS <= count <= _MAX_PHONE_DIGITS and ("." not in text or text.count(".") > 1)


def is_us_ssn(text: str) -> bool:
    """Tell a social security number by the areas, groups and serials that are never issued."""
    area, group, serial = text.split("-")
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def is_uk_nino(text: str) -> bool:
    """Tell a national insurance number by the prefixes that are never issued."""
    return text[:2] not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}


def is_spanish_id(text: str) -> bool:
    """Tell a DNI or NIE by its letter (number modulo 23)."""
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return len(number) == len("00000000") and _SPANISH_LETTERS[int(number) % 23] == text[-1]


def is_italian_code(text: str) -> bool:
    """Tell a codice fiscale by its check letter."""
    places = [int(c) if c.isdigit() else ord(c) - ord("A") for c in text[:15]]
    total = sum(_ODD_PLACES[place] for place in places[::2]) + sum(places[1::2])
    return chr(ord("A") + total % 26) == text[15]


def is_french_nir(text: str) -> bool:
    """Tell a numéro de sécurité sociale by its key (97 less the number modulo 97)."""
    digits = text.replace(" ", "")
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def _entropy_bits(text: str) -> float:
    """Return Shannon's entropy of the characters, in bits each."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
