"""Money as whole billionths of a US dollar: sums of them are exact."""

from decimal import Decimal

NANOS = 10**9


def nanos_of(dollars: float | str | Decimal) -> int:
    """Of an amount as somebody writes it, with nine decimals at most."""
    return int((Decimal(str(dollars)) * NANOS).to_integral_value())


def dollars(nanos: int) -> str:
    """For people, exactly: two decimals at least, nine at most."""
    whole, part = divmod(abs(nanos), NANOS)
    return f"{'-' if nanos < 0 else ''}${whole:,}.{f'{part:09}'.rstrip('0').ljust(2, '0')}"
