"""Writes config/packs/zones.txt: from a number to its country, its state and the time zones it may be in.

Run by hand after a new version of phonenumbers (PyPI, Apache-2.0, the tables of libphonenumber):
    pip install phonenumbers && python3 tools/zone_table.py > config/packs/zones.txt && git diff --stat
Look at the diff: zones move between versions.
"""

import random
import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType, is_valid_number, number_type, region_code_for_number
from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.tzdata import TIMEZONE_DATA

# Where upstream folds a zone into one that differs from it in summer, or leaves it out.
REPLACED = {("RU", "Europe/Bucharest"): ["Europe/Kaliningrad"], ("PS", "Europe/Bucharest"): ["Asia/Gaza", "Asia/Hebron"],
            ("MX", "America/New_York"): ["America/Cancun"]}
# Listed there by a neighbour's prefix alone.
DROPPED = {"RU": {"Asia/Almaty", "Asia/Aqtobe"}, "US": {"America/Dominica", "America/Lower_Princes", "America/Montserrat"}}
# Territories whose numbers the metadata is too sparse to draw by chance.
KNOWN = {"1664": "MS", "1721": "SX", "1767": "DM"}
ADDED = {"AU": ["Australia/Darwin"], "CL": ["America/Punta_Arenas", "Pacific/Easter"]}
STATES = {
    "Alabama": "AL", "Alaska": "AK", "Arizona": "AZ", "Arkansas": "AR", "California": "CA", "Colorado": "CO",
    "Connecticut": "CT", "Delaware": "DE", "Florida": "FL", "Georgia": "GA", "Hawaii": "HI", "Idaho": "ID",
    "Illinois": "IL", "Indiana": "IN", "Iowa": "IA", "Kansas": "KS", "Kentucky": "KY", "Louisiana": "LA",
    "Maine": "ME", "Maryland": "MD", "Massachusetts": "MA", "Michigan": "MI", "Minnesota": "MN",
    "Mississippi": "MS", "Missouri": "MO", "Montana": "MT", "Nebraska": "NE", "Nevada": "NV",
    "New Hampshire": "NH", "New Jersey": "NJ", "New Mexico": "NM", "New York": "NY", "North Carolina": "NC",
    "North Dakota": "ND", "Ohio": "OH", "Oklahoma": "OK", "Oregon": "OR", "Pennsylvania": "PA",
    "Rhode Island": "RI", "South Carolina": "SC", "South Dakota": "SD", "Tennessee": "TN", "Texas": "TX",
    "Utah": "UT", "Vermont": "VT", "Virginia": "VA", "Washington State": "WA", "Washington": "WA",
    "West Virginia": "WV", "Wisconsin": "WI", "Wyoming": "WY", "Washington D.C.": "DC", "Washington, D.C.": "DC",
}
TRIES = 400
rng = random.Random(1)


def sample(prefix, calling):
    """What numbers with this prefix are: their regions and types."""
    national = prefix[len(str(calling)):]
    seen = set()
    for length in range(max(len(national), 6), 12):
        for _ in range(TRIES // 6):
            rest = "".join(rng.choice("0123456789") for _ in range(length - len(national)))
            digits = national + rest
            zeros = len(digits) - len(digits.lstrip("0"))
            number = PhoneNumber(country_code=calling, national_number=int(digits or 0),
                                 italian_leading_zero=zeros > 0 or None, number_of_leading_zeros=zeros or None)
            if is_valid_number(number):
                seen.add((region_code_for_number(number), number_type(number)))
    return seen


def calling_code(prefix):
    return next((int(prefix[:n]) for n in (1, 2, 3) if int(prefix[:n]) in COUNTRY_CODE_TO_REGION_CODE), None)


# The country: one for most calling codes; where several share one, as many digits as it takes to tell them apart.
country = {}
for calling, regions in COUNTRY_CODE_TO_REGION_CODE.items():
    if regions[0] == "001":
        continue
    country[str(calling)] = regions[0]
    if len(regions) == 1:
        continue
    open_prefixes = [f"{calling}{digit}" for digit in range(10)]
    for depth in range(1, 6):
        deeper = []
        for prefix in open_prefixes:
            found = {region for region, _ in sample(prefix, calling)}
            if len(found) == 1:
                country[prefix] = found.pop()
            elif found:
                country[prefix] = regions[0]
                deeper += [prefix + str(digit) for digit in range(10)] if depth < 5 else []
        open_prefixes = deeper
country.update(KNOWN)


def longest(table, digits):
    return next((table[digits[:n]] for n in range(len(digits), 0, -1) if digits[:n] in table), None)


# The zones: kind `f` where only fixed lines begin so, which stay where they are; `m` for all others.
geographic = {PhoneNumberType.FIXED_LINE}
zones, of_country = {}, {}
for prefix, names in sorted(TIMEZONE_DATA.items()):
    calling = calling_code(prefix)
    here = longest(country, prefix)
    if names == ("Etc/Unknown",) or not here:
        continue
    fixed = []
    for name in names:
        fixed += REPLACED.get((here, name), [name])
    shared = len(COUNTRY_CODE_TO_REGION_CODE[calling]) > 1
    if prefix != str(calling) or not shared:
        of_country.setdefault(here, set()).update(fixed)
    if prefix != str(calling):
        kinds = {kind for _, kind in sample(prefix, calling)}
        zones[prefix] = (tuple(sorted(set(fixed))), "f" if kinds and kinds <= geographic else "m")
for here, names in ADDED.items():
    of_country[here].update(names)
for here, names in DROPPED.items():
    of_country[here] -= names
for calling, regions in COUNTRY_CODE_TO_REGION_CODE.items():
    for region in regions:
        if region != "001" and region not in of_country and str(calling) in TIMEZONE_DATA:
            of_country[region] = set(TIMEZONE_DATA[str(calling)])
# A prefix says something only in a country of several zones.
zones = {prefix: row for prefix, row in zones.items() if len(of_country[longest(country, prefix)]) > 1}

states = {}
for prefix, names in GEOCODE_DATA.items():
    if len(prefix) == 4 and prefix[0] == "1" and longest(country, prefix) == "US":
        # "New Jersey", or "New York, NY" for a city with a code of its own
        last = names.get("en", "").split(", ")[-1]
        state = last if last in STATES.values() else STATES.get(names.get("en", "")) or STATES.get(last)
        if state:
            states[prefix] = state


def pruned(table):
    """Without the rows that say what a shorter prefix says."""
    return {p: row for p, row in sorted(table.items()) if longest({q: r for q, r in table.items() if q != p and p.startswith(q)}, p) != row}


country, zones = pruned(country), pruned(zones)
print(f"""# From a number to its country, its state and the time zones it may be in. Made by tools/zone_table.py: do not edit.
# From the tables of libphonenumber (Copyright the Libphonenumber Authors, Apache License 2.0,
# http://www.apache.org/licenses/LICENSE-2.0) as carried by PyPI phonenumbers; changed: pruned, and joined with the
# countries' number plans. Added to upstream: Kaliningrad, Gaza and Hebron (folded into Bucharest there), Darwin, Easter
# Island, Magallanes, Quintana Roo.
version = {phonenumbers.__version__}
# The longest prefix counts, in each table. Zones of a country: where its numbers may be if nothing more is known.
[zones of countries]""")
for here in sorted(of_country):
    print(here, "&".join(sorted(of_country[here])))
print("[country by prefix]")
for prefix, here in sorted(country.items()):
    print(prefix, here)
print("[US state by area code]")
for prefix, state in sorted(states.items()):
    print(prefix, state)
print("# f: fixed lines only, which stay where they are. m: may be a mobile, which moves.")
print("[zones by prefix]")
for prefix, (names, kind) in sorted(zones.items()):
    print(prefix, kind, "&".join(names))
