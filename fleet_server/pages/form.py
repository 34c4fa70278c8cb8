"""What a page's form sends: application/x-www-form-urlencoded, bounded."""

from urllib.parse import parse_qs

from fastapi import Request

from fleet_server.errors import Invalid

Form = dict[str, list[str]]
_MOST_BYTES = 262_144


async def form_of(request: Request) -> Form:
    """Field -> values. Raises Invalid."""
    body = await request.body()
    if len(body) > _MOST_BYTES or not request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        raise Invalid("form.unreadable")
    try:
        request.state.typed = found = parse_qs(body.decode("utf-8"), max_num_fields=6_000, keep_blank_values=True)
    except ValueError as error:
        raise Invalid("form.unreadable") from error
    return found


def one(form: Form, name: str, most: int) -> str:
    """The first value of a field, without the space around it; empty where there is none."""
    return form.get(name, [""])[0].strip()[:most]
