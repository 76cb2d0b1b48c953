"""The last line of defence against secrets in a log: patterns, applied where records are formatted.

Whoever logs a URL redacts it first (``domain.camera.redact_url``); what slips through, in a library's exception text
for instance, ends here. Rather blank too much than show a password. Every repetition in a pattern is bounded: the
texts are strangers' (a camera's answer), and a search holds the interpreter for as long as it takes.
"""

import re
from collections.abc import Iterable

BLANK = "***"
SECRET_LENGTH_MIN = 4
"""Shorter known secrets would blank half of every line."""

_SECRET_NAME = r"[\w-]{0,40}(?:token|passw(?:or)?d|pwd|senha|secret|api[_-]?key)"  # noqa: S105 - a pattern, not a secret
# A password may hold any character: everything between the first colon and the last @ of a word is blanked.
_URL_USER = re.compile(r"(?P<head>://)(?:[^\s/?#@:]{0,128}:\S{1,512}|[^\s/?#]{1,512})(?=@)")
_URL_QUERY = re.compile(
    r"(?i)(?P<head>[?&;][a-z_-]{0,40}(?:pass|pwd|token|secret|auth|key)[a-z_-]{0,40}=)[^&#;\s]{1,4096}"
)
_HEADER = re.compile(
    r"""(?ix) (?P<head> \b (?:proxy-)?authorization ["']? \s* [:=] \s* )
        (?: (?P<quote>["']) [^"'\r\n]* (?P=quote) | b?["']? [^\r\n}]* )"""
)
_COOKIE = re.compile(r"(?i)(?P<head>\b(?:set-)?cookie[\"']?\s*[:=]\s*)[^\r\n}]*")
_ASSIGNED = re.compile(
    rf"""(?ix) (?P<head> \b {_SECRET_NAME} ["']? \s* = \s* ["']? ) (?!\*\*\*) [^\s"',;&)}}\]]{{1,4096}}"""
)
_QUOTED = re.compile(
    rf"""(?ix) (?P<head> ["'] {_SECRET_NAME} ["'] \s* : \s* )
         (?: (?P<quote>["']) (?:\\.|(?!(?P=quote)).){{0,4096}} (?P=quote)
         | [^\s,;&)}}\]]{{1,4096}} )"""
)
_SCHEME = re.compile(
    r"""(?x) (?P<head> \b (?i:token|bearer) \s+ )
        (?: [0-9a-fA-F]{8,4096} \b | (?=\S{0,64}\d) [A-Za-z0-9._~+/=-]{20,4096} )"""
)
# A base64 text nearly always has a capital or a digit; "basic authentication" has neither.
_BASIC = re.compile(r"(?P<head>\b(?i:basic)\s+)(?=[a-z+/]{0,64}[A-Z0-9=])[A-Za-z0-9+/]{6,4096}={0,2}")

_SUSPECT = re.compile(
    r"(?i)://|=|token|passw|pwd|senha|secret|api.?key|authorization|cookie|basic|bearer"  # one of these in every match
)
_PATTERNS = (_URL_USER, _URL_QUERY, _HEADER, _COOKIE, _QUOTED, _ASSIGNED, _SCHEME, _BASIC)


class Redactor:
    """Blanks credentials in a text. Immutable; any thread.

    Args:
        secrets: texts to blank wherever they stand, such as a configured password; those under
            ``SECRET_LENGTH_MIN`` characters are left to the patterns.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s for s in secrets if len(s) >= SECRET_LENGTH_MIN}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Return ``text`` without known secrets, URL credentials, tokens, passwords and Authorization headers."""
        if self._known is not None:
            text = self._known.sub(BLANK, text)
        if _SUSPECT.search(text) is None:  # nearly every line
            return text
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<head>{BLANK}", text)
        return text


redact = Redactor()
"""The patterns alone, for a text that is shown without the logger."""
