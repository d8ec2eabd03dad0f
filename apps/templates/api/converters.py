"""Path converters that accept only values that later code can use."""

from django.urls import register_converter

CODE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


class TemplateCode:
    """The code of a template. Other text does not match the path, which results in a 404."""

    regex = CODE_PATTERN

    def to_python(self, value: str) -> str:
        """Return the text unchanged."""
        return value

    def to_url(self, value: str) -> str:
        """Return the text unchanged."""
        return value


class VersionNumber:
    """The number of a version, small enough for the integer type of every database."""

    regex = "[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        """Parse the number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Format the number."""
        return str(value)


def register() -> None:
    """Register both converters for ``path()``."""
    register_converter(TemplateCode, "template_code")
    register_converter(VersionNumber, "template_version")
