"""Units of measure, as many as people ask for: each worth so much of the first of its kind."""

from ..tool import BadArguments

_INCH, _POUND, _GALLON = 0.0254, 0.45359237, 3.785411784e-3

KINDS: dict[str, dict[str, float]] = {
    "length": {
        "m": 1,
        "km": 1e3,
        "dm": 0.1,
        "cm": 1e-2,
        "mm": 1e-3,
        "um": 1e-6,
        "nm": 1e-9,
        "au": 149_597_870_700,
        "in": _INCH,
        "ft": 12 * _INCH,
        "yd": 36 * _INCH,
        "mi": 63_360 * _INCH,
        "nmi": 1_852,
        "ly": 9.4607304725808e15,
    },
    "mass": {
        "kg": 1,
        "g": 1e-3,
        "mg": 1e-6,
        "ug": 1e-9,
        "t": 1e3,
        "lb": _POUND,
        "oz": _POUND / 16,
        "st": 14 * _POUND,
        "ton_us": 2_000 * _POUND,
        "ton_uk": 2_240 * _POUND,
    },
    "time": {
        "s": 1,
        "ms": 1e-3,
        "us": 1e-6,
        "ns": 1e-9,
        "min": 60,
        "h": 3_600,
        "d": 86_400,
        "week": 604_800,
        "month": 2_629_746,
        "year": 31_556_952,  # of the Gregorian calendar, on average
    },
    "area": {
        "m2": 1,
        "km2": 1e6,
        "cm2": 1e-4,
        "mm2": 1e-6,
        "ha": 1e4,
        "are": 100,
        "in2": _INCH**2,
        "ft2": (12 * _INCH) ** 2,
        "yd2": (36 * _INCH) ** 2,
        "acre": 4_046.8564224,
        "mi2": 2_589_988.110336,
    },
    "volume": {
        "m3": 1,
        "l": 1e-3,
        "dl": 1e-4,
        "cl": 1e-5,
        "ml": 1e-6,
        "cm3": 1e-6,
        "in3": _INCH**3,
        "ft3": (12 * _INCH) ** 3,
        "gal": _GALLON,
        "qt": _GALLON / 4,
        "pt": _GALLON / 8,
        "cup": _GALLON / 16,
        "floz": _GALLON / 128,
        "tbsp": _GALLON / 256,
        "tsp": _GALLON / 768,
        "gal_uk": 4.54609e-3,
    },
    "speed": {"m/s": 1, "km/h": 1 / 3.6, "mph": 0.44704, "kn": 1_852 / 3_600, "ft/s": 0.3048},
    "pressure": {
        "Pa": 1,
        "hPa": 100,
        "kPa": 1e3,
        "MPa": 1e6,
        "bar": 1e5,
        "mbar": 100,
        "atm": 101_325,
        "psi": 6_894.757293168361,
        "mmHg": 133.322387415,
    },
    "energy": {
        "J": 1,
        "kJ": 1e3,
        "MJ": 1e6,
        "Wh": 3_600,
        "kWh": 3.6e6,
        "cal": 4.184,
        "kcal": 4_184,
        "eV": 1.602176634e-19,
        "BTU": 1_055.05585262,
    },
    "power": {"W": 1, "mW": 1e-3, "kW": 1e3, "MW": 1e6, "hp": 745.6998715822702, "PS": 735.49875},
    "force": {"N": 1, "kN": 1e3, "lbf": 4.4482216152605, "kgf": 9.80665},
    "angle": {"rad": 1, "deg": 0.017453292519943295, "turn": 6.283185307179586, "gon": 0.015707963267948967},
    "frequency": {"Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "rpm": 1 / 60},
    "data": {
        "B": 1,
        "bit": 0.125,
        "kbit": 125,
        "Mbit": 125e3,
        "Gbit": 125e6,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "TB": 1e12,
        "KiB": 2**10,
        "MiB": 2**20,
        "GiB": 2**30,
        "TiB": 2**40,
    },
}
# Degrees above the absolute zero: (so many kelvins a degree, kelvins at its zero).
TEMPERATURES = {"K": (1.0, 0.0), "C": (1.0, 273.15), "F": (5 / 9, 273.15 - 160 / 9)}


def kind_of(unit: str) -> str:
    if unit in TEMPERATURES:
        return "temperature"
    found = next((kind for kind, units in KINDS.items() if unit in units), None)
    if found is None:
        close = [one for units in KINDS.values() for one in units if one.lower() == unit.lower()]
        hint = (
            f"did you mean `{close[0]}`?"
            if close
            else f"there are {', '.join(name for kind in KINDS.values() for name in kind)}, K, C, F."
        )
        raise BadArguments(f"there is no unit {unit[:30]!r}: {hint}")
    return found


def converted(value: float, source: str, target: str) -> float:
    kind = kind_of(source)
    if kind_of(target) != kind:
        raise BadArguments(
            f"`{source}` is a unit of {kind}, `{target}` one of {kind_of(target)}: choose two of one kind."
        )
    if kind == "temperature":
        (size, zero), (other_size, other_zero) = TEMPERATURES[source], TEMPERATURES[target]
        return (value * size + zero - other_zero) / other_size
    units = KINDS[kind]
    return value * units[source] / units[target]
