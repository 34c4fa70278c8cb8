"""The sentences of messages, which a province may word otherwise."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from fleet_server.alerts.templates import CHANGEABLE, MOST, standing, tried
from fleet_server.api.access import ThePerson, needs
from fleet_server.api.context import TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act
from fleet_server.server import Server
from fleet_server.texts import LANGS

router = APIRouter(tags=["alerts"])

TheLang = Annotated[Literal["vi", "en"], Path()]
Key = Annotated[str, Path(pattern=r"^[a-z_]{1,40}$", examples=["line"])]


class TextIn(BaseModel):
    """Empty: the program's own sentence again."""

    text: Annotated[str, Field(max_length=MOST)]


class TextOut(BaseModel):
    """One sentence, and how it looks."""

    lang: str
    key: str
    text: str
    shown: str
    own: bool = Field(description="Whether the province has worded it")


class TextsOut(BaseModel):
    """All that can be changed."""

    items: list[TextOut]


@router.get("/alerts/texts", dependencies=[needs(Act.SET_ALERTS)], summary="Sentences of messages")
async def all_texts(server: TheServer) -> TextsOut:
    """In both languages."""
    return TextsOut(items=[_out(server, lang, key) for lang in LANGS for key in CHANGEABLE])


@router.put(
    "/alerts/texts/{lang}/{key}", dependencies=[needs(Act.SET_ALERTS)], summary="Word one otherwise",
    responses=problems(422),
)  # fmt: skip
async def set_text(lang: TheLang, key: Key, wanted: TextIn, server: TheServer, person: ThePerson) -> TextOut:
    """It is tried before it is kept: every place must be there, once."""
    await server.directory.set_text(lang, key, wanted.text, person.name)
    return _out(server, lang, key)


def _out(server: Server, lang: Literal["vi", "en"], key: str) -> TextOut:
    own = server.directory.book.texts
    text = standing(own, lang, key)
    return TextOut(lang=lang, key=key, text=text, shown=tried(text, key), own=(lang, key) in own)
