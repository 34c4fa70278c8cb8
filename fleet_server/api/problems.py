"""Errors as problem documents (RFC 9457): what happened, to what, what to do."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from fleet_server.api.language import language_of
from fleet_server.errors import FleetError
from fleet_server.texts import error_text, has, translate
from wire.ids import uuid7

log = logging.getLogger("diemcau.api")


class Problem(BaseModel):
    """A problem document."""

    type: str = Field("about:blank", examples=["urn:diemcau:commands.not_offered"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str = Field("", examples=["Thiết bị camera-1 không có thao tác này."])
    instance: str | None = Field(None, description="A number to quote when you ask for help")


_CONTENT = {"application/problem+json": {"schema": Problem.model_json_schema()}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may refuse with these."""
    return {status: {"description": HTTPStatus(status).phrase, "content": _CONTENT} for status in statuses}


PageOf = Callable[[Request, int, str], Response]


def install(app: FastAPI, page_of: PageOf) -> None:
    """Turn every error of a route into a problem document, or for a person at a browser into a page."""

    def answer(request: Request, body: "Problem", headers: Any = None) -> Response:
        if _is_for_a_person(request):
            return page_of(request, body.status, body.detail)
        return JSONResponse(
            body.model_dump(exclude_none=True), body.status, headers=headers, media_type="application/problem+json"
        )

    @app.exception_handler(FleetError)
    async def refused(request: Request, error: FleetError) -> Response:
        detail = error_text(language_of(request), error)
        return answer(request, _problem(error.status, detail, f"urn:diemcau:{error.key}"))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        detail = translate(language_of(request), "errors.invalid", where=where, reason=first["msg"])
        return answer(request, _problem(422, detail, "urn:diemcau:invalid"))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        key = f"errors.http_{error.status_code}"
        detail = translate(language_of(request), key) if has(key) else str(error.detail)
        return answer(request, _problem(error.status_code, detail, "about:blank"), error.headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        instance = uuid7()
        log.error("request_failed id=%s path=%s error=%s", instance, request.url.path, type(error).__name__)
        detail = translate(language_of(request), "errors.broken", number=instance)
        return answer(request, _problem(500, detail, "about:blank", instance))


def _problem(status: int, detail: str, kind: str, instance: str | None = None) -> Problem:
    return Problem(type=kind, title=HTTPStatus(status).phrase, status=status, detail=detail, instance=instance)


def _is_for_a_person(request: Request) -> bool:
    """A browser that goes to a page; not the API, and not a script that renews a part."""
    path = request.url.path
    return (
        not path.startswith(("/api/", "/parts/", "/assets/")) and "text/html" in request.headers.get("accept", "")
    )  # fmt: skip
