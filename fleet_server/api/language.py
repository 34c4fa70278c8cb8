"""Which language a request wants: `?lang=`, then the cookie, then Accept-Language for the API; Vietnamese else."""

from typing import Annotated

from fastapi import Depends, Request

from fleet_server.texts import LANGS, Lang

COOKIE = "lang"


def language_of(request: Request) -> Lang:
    """The language of the answer."""
    accepted = request.headers.get("accept-language", "") if request.url.path.startswith("/api/") else ""
    for wanted in (request.query_params.get("lang"), request.cookies.get(COOKIE), accepted[:2].lower()):
        for lang in LANGS:
            if wanted == lang:
                return lang
    return "vi"


Language = Annotated[Lang, Depends(language_of)]
