"""Writes config/packs/holidays.txt: public holidays of the countries in config/packs/hours.toml, with regional days.

Run by hand once a year (PyPI holidays, MIT):
    pip install holidays && python3 tools/holiday_table.py 2026 2028 > config/packs/holidays.txt && git diff --stat
"""

import sys
import tomllib
import holidays

first, last = int(sys.argv[1]), int(sys.argv[2])
with open("config/packs/hours.toml", "rb") as file:
    pack = tomllib.load(file)
listed = holidays.list_supported_countries(include_aliases=False)
# Overseas, with calling codes of their own.
APART = {"FR": {"BL", "GP", "GF", "MF", "MQ", "NC", "PF", "PM", "RE", "WF", "YT", "971", "972", "973", "974", "976",
                "977", "978", "986", "987", "988", "975"},
         "US": {"AS", "GU", "MP", "PR", "UM", "VI"}, "NL": {"AW", "BQ", "CW", "SX"}, "FI": {"01"}, "NO": set()}


def days(of):
    by_year = {}
    for day in sorted(of):
        by_year.setdefault(day.year, []).append(f"{day.month:02}{day.day:02}")
    return by_year


print(f"""# Public holidays by country, and those of a region alone. Made by tools/holiday_table.py: do not edit.
# From PyPI holidays {holidays.__version__} (Copyright Vacanza Team and individual contributors, MIT License).
# A line: country or country.region, year, days as month and day.
version = {holidays.__version__}
years = {first}-{last}""")
years = range(first, last + 1)
for country in sorted(code for code in pack if len(code) == 2 and code.isupper()):
    if country not in listed:
        continue
    national = holidays.country_holidays(country, years=years)
    for year, dates in days(national).items():
        print(country, year, *dates)
    regions = {}
    for region in listed[country]:
        if region in APART.get(country, set()):
            continue
        own = holidays.country_holidays(country, subdiv=region, years=years)
        for year, dates in days(set(own) - set(national)).items():
            regions.setdefault((year, tuple(dates)), []).append(region)
    for (year, dates), names in sorted(regions.items()):
        print(f"{country}.{'+'.join(sorted(names))}", year, *dates)
