"""Where foreign errors become ours, by their cause: onvif-zeep gives every one of them the same name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import onvif
import requests
import zeep.exceptions
from lxml import etree

from device_drivers.errors import BadAnswer, DriverError, NotAnswering

_REFUSALS = ("notauthorized", "not authorized", "unauthorized", "failedauthentication")


@contextmanager
def foreign_errors_of(where: str, refusal: Callable[[], DriverError]) -> Iterator[None]:
    """Raise a DriverError for whatever the libraries raise inside; `refusal` makes the one for a wrong password."""
    try:
        yield
    except DriverError:
        raise
    except (onvif.ONVIFError, requests.RequestException, zeep.exceptions.Error, etree.LxmlError) as error:
        cause = cause_of(error)
        if isinstance(cause, DriverError):
            raise cause from error
        if isinstance(cause, requests.Timeout | requests.ConnectionError):
            raise NotAnswering(f"{where}: nobody answers there in time") from error
        if is_refusal(cause):
            raise refusal() from error
        raise BadAnswer(f"{where}: not an answer of an ONVIF camera: {str(cause)[:100]!r}") from error
    except (AttributeError, TypeError, ValueError, KeyError, OverflowError) as error:
        # onvif-zeep hands over what the camera sent, holes and all
        raise BadAnswer(f"{where}: its answer lacks what ONVIF asks for: {str(error)[:100]!r}") from error


def cause_of(error: BaseException) -> BaseException:
    """The error inside onvif-zeep's wrapping, which keeps it only as context."""
    while isinstance(error, onvif.ONVIFError) and error.__context__ is not None:
        error = error.__context__
    while isinstance(error, requests.RequestException) and isinstance(error.__context__, DriverError):
        error = error.__context__
    return error


def is_not_offered(fault: zeep.exceptions.Fault) -> bool:
    """Whether the camera has no such operation (Core, 5.11.2.2: ter:ActionNotSupported); some say it in words alone."""
    return "not supported" in str(fault.message).lower() or "actionnotsupported" in _codes_of(fault)


def is_refusal(error: BaseException) -> bool:
    """Whether the camera does not let us in."""
    if isinstance(error, zeep.exceptions.TransportError):
        return error.status_code in (401, 403)
    if isinstance(error, zeep.exceptions.Fault):
        words = f"{error.message} {_codes_of(error)}".lower()
        return any(word in words for word in _REFUSALS)
    return False


def _codes_of(fault: zeep.exceptions.Fault) -> str:
    return " ".join(str(code) for code in fault.subcodes or ()).lower()
