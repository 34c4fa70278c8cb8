"""Enrolments and identities: codes, machines that wait, what a machine fetches, revocation."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, Field

from fleet_server.api.access import ThePerson, needs, open_to_all, origin_of
from fleet_server.api.context import Identifier, Site, TheServer
from fleet_server.api.problems import problems
from fleet_server.domain.access import Act, may
from fleet_server.errors import Forbidden, NotFound
from fleet_server.identities.desk import Claim, Given
from fleet_server.store.identities import EnrolmentRow
from wire.identity import short

router = APIRouter(tags=["identities"])

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", examples=["Máy tính bị mất"])]


class CodeIn(BaseModel):
    """A code for a machine of a site."""

    put_out: bool = Field(False, description="Put the machine that has the identity now out at once")


class CodeOut(BaseModel):
    """The code is shown now and never again."""

    id: str
    code: str
    expires_at: datetime
    server: str | None = Field(description="Where the machine reaches this server")
    fingerprint: str | None = Field(description="Of this server's key, where it answers by HTTPS")


class ClaimIn(BaseModel):
    """What a machine brings."""

    code: Annotated[str, Field(min_length=20, max_length=64)]
    request: Annotated[str, Field(max_length=4_000, description="PKCS #10, PEM; the names in it are ignored")]
    sealing_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$", description="X25519, base64")]
    machine: Annotated[str, Field(max_length=120)] = ""


class ClaimOut(BaseModel):
    """The code was taken; a person must say yes."""

    id: str
    token: str = Field(description="Fetch the answer with it, as a bearer token")
    fingerprint: str = Field(description="Of the machine's key")


class IdentityOut(BaseModel):
    """How far it is; all else once it is accepted."""

    state: Literal["open", "claimed", "accepted", "rejected", "expired"]
    site: str = ""
    broker_host: str = ""
    broker_port: int = 0
    broker_tls: bool = True
    signing_keys: tuple[str, ...] = ()
    authorities: str = ""
    certificate: str = ""
    authority: str = ""
    renew_after: datetime | None = None


class EnrolmentOut(BaseModel):
    """A code that can be used, or a machine that waits."""

    id: str
    site: str
    state: Literal["open", "claimed", "accepted", "rejected", "expired"]
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    machine: str = Field(description="What the machine calls itself: its own word")
    claimed_from: str
    claimed_at: datetime | None
    fingerprint: str = Field(description="The beginning of the machine's, as it shows it")


class DecisionIn(BaseModel):
    """A person has compared the fingerprints."""

    accept: bool


class RevocationIn(BaseModel):
    """Why."""

    reason: Reason


class RevocationOut(BaseModel):
    """What was revoked."""

    certificates: int


@router.post(
    "/sites/{site}/enrolments",
    dependencies=[needs(Act.ENROL)],
    status_code=201,
    summary="A code for a machine",
    responses=problems(404, 422),
)
async def new_code(site: Site, wanted: CodeIn, server: TheServer, person: ThePerson) -> CodeOut:
    """128 bits, for one use within a day; earlier codes of the site that nobody has used are void."""
    if wanted.put_out and not may(person, Act.ADMIT, site):
        raise Forbidden("people.may_not", role=person.role)
    made = await server.identities.new_code(site, person.name, put_out=wanted.put_out)
    return CodeOut(
        id=made.enrolment.id, code=made.code, expires_at=made.enrolment.expires_at,
        server=server.settings.public_url, fingerprint=server.identities.web_fingerprint,
    )  # fmt: skip


@router.get("/enrolments", dependencies=[needs(Act.ENROL)], summary="Codes that can be used and machines that wait")
async def enrolments(server: TheServer) -> list[EnrolmentOut]:
    """The newest first."""
    return [_out(row) for row in await server.identities.waiting() if row.site in server.fleet.entries]


@router.post(
    "/enrolments/claim",
    dependencies=[open_to_all("the code is what counts")],
    status_code=202,
    summary="Bring a code",
    responses=problems(404, 422),
)
async def claim(wanted: ClaimIn, server: TheServer, request: Request) -> ClaimOut:
    """For machines. The first to bring a code has it; a second one is told that there is no such code."""
    origin = origin_of(request)
    brought = Claim(wanted.code, wanted.request, wanted.sealing_key, wanted.machine)
    row, token = await server.identities.claim(brought, origin)
    await server.audit.record(
        wanted.machine or "?", "claim", "done", origin=origin, site=row.site, fingerprint=row.fingerprint
    )  # fmt: skip
    return ClaimOut(id=row.id, token=token, fingerprint=row.fingerprint)


@router.get(
    "/enrolments/{id}/identity",
    dependencies=[open_to_all("the token given for the code is what counts")],
    summary="Fetch the answer",
    responses=problems(404, 422),
)
async def identity(
    id: Identifier, server: TheServer, authorization: Annotated[str, Header(max_length=200)] = ""
) -> IdentityOut:
    """For the machine that has brought the code, by the token that it was given then."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise NotFound("identities.no_such_enrolment")
    found = await server.identities.collect(id, token)
    if not isinstance(found, Given):
        return IdentityOut(state=found.value)
    host, port = server.settings.broker_of_rooms
    return IdentityOut(
        state="accepted", site=found.site, broker_host=host, broker_port=port, broker_tls=server.settings.broker_tls,
        signing_keys=server.signer.public_keys, authorities=found.authorities, certificate=found.certificate,
        authority=found.authority, renew_after=found.renew_after,
    )  # fmt: skip


@router.post(
    "/enrolments/{id}/decision",
    dependencies=[needs(Act.ADMIT)],
    summary="Accept a machine, or not",
    responses=problems(404, 409, 422),
)
async def decide(id: Identifier, wanted: DecisionIn, server: TheServer, person: ThePerson) -> EnrolmentOut:
    """Whoever had the site's identity before is out."""
    if (await server.identities.find(id)).site not in server.fleet.entries:
        raise NotFound("identities.no_such_enrolment")
    return _out(await server.identities.decide(id, wanted.accept, person.name))


@router.post(
    "/sites/{site}/identity/revocation",
    dependencies=[needs(Act.ADMIT)],
    summary="Put a machine out",
    responses=problems(404, 422),
)
async def revoke(site: Site, wanted: RevocationIn, server: TheServer, person: ThePerson) -> RevocationOut:
    """Within a minute it is disconnected and cannot come back; it can be enrolled anew."""
    return RevocationOut(certificates=await server.identities.revoke(site, person.name, wanted.reason))


@router.post(
    "/sites/{site}/decommission",
    dependencies=[needs(Act.CLOSE)],
    status_code=204,
    summary="Close a site",
    responses=problems(404, 422),
)
async def decommission(site: Site, wanted: RevocationIn, server: TheServer, person: ThePerson) -> None:
    """Its machine is out, and nobody asks for it any more; its history stays."""
    await server.identities.decommission(site, person.name, wanted.reason)


def _out(row: EnrolmentRow) -> EnrolmentOut:
    return EnrolmentOut(
        id=row.id, site=row.site, state=row.state.value, asked_by=row.asked_by, asked_at=row.asked_at,
        expires_at=row.expires_at, machine=row.machine, claimed_from=row.claimed_from, claimed_at=row.claimed_at,
        fingerprint=short(row.fingerprint),
    )  # fmt: skip
