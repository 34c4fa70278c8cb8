"""Templates to answers: the language, the words, the numbers, and where the next click goes."""

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from fleet_server import texts, views
from fleet_server.api.language import COOKIE, language_of
from fleet_server.domain import access
from fleet_server.pages import cookies
from fleet_server.pages.form import Form, one
from fleet_server.server import Server
from wire.inert import inert


def _finalized(value: Any) -> Any:
    """Whatever a template shows, of whoever's making; what is markup already was shown by a template."""
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    finalize=_finalized,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page or a part in the language of the request; `?lang=` is remembered."""
    server: Server = request.app.state.server
    lang = language_of(request)
    zone = ZoneInfo(server.settings.timezone)
    now = server.clock.now()
    page = _ENVIRONMENT.get_template(template).render(
        **values,
        person=(person := getattr(request.state, "person", None)),
        may=lambda act, site=None: person is not None and access.may(person, access.Act(act), site),
        lang=lang,
        other_lang="en" if lang == "vi" else "vi",
        in_other_lang=request.url.include_query_params(lang="en" if lang == "vi" else "vi").query,
        path=request.url.path,
        now=now,
        heard=request.state.heard,
        typed=partial(_typed, getattr(request.state, "typed", {}) if status >= 400 else {}),
        server=server,
        t=partial(texts.translate, lang),
        quantity=partial(texts.quantity, lang),
        span=partial(texts.span, lang),
        number=partial(texts.number, lang),
        at=lambda moment, seconds=False: texts.clock(
            lang, _moment(moment), now.astimezone(zone).date(), zone, "%H:%M:%S" if seconds else "%H:%M"
        ),
        moment_of=datetime.fromisoformat,
        sentence=partial(views.sentence, lang),
        message=partial(views.message, lang),
        event=partial(views.event_text, lang),
        unit_of=views.unit_of,
        provisioning_reasons=partial(views.provisioning_reasons, lang),
        setting_change=partial(views.setting_change, lang),
        why_no_line_test=partial(views.why_no_line_test, lang),
        firmware=partial(views.firmware_text, lang),
        device_name=partial(views.device_name, lang),
        label=partial(views.label_of, lang),
        reason_of=partial(texts.reason_of, lang=lang),
    )
    answer = HTMLResponse(page, status, headers={"Cache-Control": "no-store"})
    if person is not None:
        cookies.renew(answer, request, server)
    if request.query_params.get("lang") == lang:
        answer.set_cookie(COOKIE, lang, max_age=31_536_000, samesite="lax", httponly=True)
    return answer


def _typed(form: Form, name: str, default: str = "", most: int = 500, **of: str) -> str:
    """What a field is filled with: what somebody typed into it where their form was refused, else the default.

    `of`: fields by which the form is known, where several of a page have a field of this name.
    """
    is_it = name in form and all(form.get(field) == [value] for field, value in of.items())
    return one(form, name, most) if is_it else default


def local_moment(server: Server, text: str) -> datetime:
    """What a person typed into a date field, in the province's time. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(server.settings.timezone))


def local_field(server: Server, in_minutes: float) -> str:
    """A moment from now as a date field wants it, rounded down to five minutes."""
    moment = (server.clock.now() + timedelta(minutes=in_minutes)).astimezone(ZoneInfo(server.settings.timezone))
    return moment.replace(minute=moment.minute // 5 * 5).strftime("%Y-%m-%dT%H:%M")


def _moment(value: datetime | float) -> datetime:
    return value if isinstance(value, datetime) else views.moment(value)
