"""English words for numbers, units and dates, each under one name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_COUNTED: Final = (
    # "one" and "second" are more often no number.
    (range(2, 13), "two three four five six seven eight nine ten eleven twelve"),
    (range(13, 20), "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"),
    (range(20, 100, 10), "twenty thirty forty fifty sixty seventy eighty ninety"),
    ((100, 1_000, 1_000_000, 1_000_000_000), "hundred thousand million billion"),
    ((0, 12, 2, 3), "zero dozen twice third"),
    (("1/2", "1/4"), "half quarter"),
)

NUMBER_WORDS: Final[Mapping[str, str]] = {
    word: str(number) for numbers, words in _COUNTED for number, word in zip(numbers, words.split(), strict=True)
}

_UNITS: Final = {
    "kilogram": "kg kilo kilos kilograms",
    "gram": "g grams",
    "milligram": "mg milligrams",
    "pound": "lb lbs pounds",
    "ounce": "oz ounces",
    "kilometre": "km kms kilometer kilometers kilometres",
    "metre": "m meter meters metres",
    "centimetre": "cm centimeter centimeters centimetres",
    "millimetre": "mm millimeter millimeters millimetres",
    "mile": "mi miles",
    "yard": "yd yards",
    "foot": "ft feet",
    "inch": "inches",
    "litre": "l liter liters litres",
    "millilitre": "ml milliliter milliliters millilitres",
    "gallon": "gal gallons",
    "cup": "cups",
    "tablespoon": "tbsp tablespoons",
    "teaspoon": "tsp teaspoons",
    "celsius": "centigrade",
    "fahrenheit": "",
    "kelvin": "",
    "millisecond": "ms milliseconds",
    "second": "sec secs seconds",
    "minute": "min mins minutes",
    "hour": "h hr hrs hours",
    "day": "days",
    "week": "weeks",
    "month": "months",
    "year": "years",
    "byte": "bytes",
    "kilobyte": "kb kilobytes",
    "megabyte": "mb megabytes",
    "gigabyte": "gb gigabytes",
    "terabyte": "tb terabytes",
    "dollar": "dollars usd bucks",
    "euro": "euros eur",
    "yen": "jpy",
    "rupee": "rupees inr",
    "peso": "pesos mxn",
    "franc": "francs chf",
    "yuan": "cny renminbi",
    "percent": "percentage pct",
    "kilowatt": "kw kilowatts",
    "watt": "w watts",
    "mph": "",
    "am": "a.m",
    "pm": "p.m",
}

UNITS: Final[Mapping[str, str]] = {
    spelling: unit for unit, spellings in _UNITS.items() for spelling in (unit, *spellings.split())
}

_OTHER_WORDS: Final = frozenset({"mar", "sun", "sat", "wed"})
"""Beginnings of months and days that are words of their own."""

_DATES: Final = {
    "months": "january february march april june july august september october november december",
    "days": "monday tuesday wednesday thursday friday saturday sunday",
    "relative": "today tonight tomorrow yesterday next last previous upcoming weekend morning afternoon evening",
}

CALENDAR: Final[Mapping[str, str]] = {
    # "may" and "march" are verbs too; a march that is none costs a model call, a may that is none would cost many.
    **{word: word for words in _DATES.values() for word in words.split()},
    **{f"{word}{ending}": word for word in _DATES["days"].split() for ending in ("s", "'s")},
    **{f"{word}'s": word for word in _DATES["relative"].split()},
    **{f"{word}'s": word for word in _DATES["months"].split()},
    **{word[:3]: word for kind in ("months", "days") for word in _DATES[kind].split() if word[:3] not in _OTHER_WORDS},
}
