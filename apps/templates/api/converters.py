"""Path converters whose values cannot fail further on."""

from django.urls import register_converter

CODE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


class TemplateCode:
    """The code of a template. Anything else is no path of ours, so a 404."""

    regex = CODE_PATTERN

    def to_python(self, value: str) -> str:
        """Take the text as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Take the text as it is."""
        return value


class VersionNumber:
    """The number of a version, small enough for every database's integer."""

    regex = "[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        """Read the number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Write the number."""
        return str(value)


def register() -> None:
    """Make both known to ``path()``."""
    register_converter(TemplateCode, "template_code")
    register_converter(VersionNumber, "template_version")
