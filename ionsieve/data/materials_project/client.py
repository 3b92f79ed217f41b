"""The Materials Project's own client, with every answer checked and every failure said once.

The client alone is too trusting for a pull of hours: it takes an empty later page for the end, gives up at
the first 503, and tells of a failure with an address of some thousand characters. A hook on its session
sees each answer first: the status, and how many documents match in all, which no public method tells.
"""

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests

from ionsieve.data.network import MayPass, SourceError, patiently

TIMEOUT_S = 60
HTTP_BUSY = (429, 500, 502, 503, 504)
HTTP_KEY_REFUSED = (401, 403)
HTTP_ERROR = 400

GET_A_KEY = (
    "get yours at https://materialsproject.org/api and export it as MP_API_KEY, or set PMG_MAPI_KEY in "
    "~/.config/.pmgrc.yaml"
)
LATER = "try again in some minutes (https://status.materialsproject.org tells how it is)"
UPDATE = "mp-api may be out of date: update it, or see https://status.materialsproject.org"
RESUMES = "what was fetched is kept: the same command goes on from there"


@cache
def _of_known_fields(resource: Any) -> Any:
    """The class of a resource, its fields looked up once in all.

    mp-api derives them from the JSON schema of the whole document model, anew for each field of each
    request: half a second of computing for a page of summaries.
    """
    if not isinstance(resource.available_fields, property):
        return resource  # so it is already
    known = list(resource.document_model.model_json_schema()["properties"])
    return type(resource.__name__, (resource,), {"available_fields": known})


@dataclass(frozen=True)
class Answer:
    """Documents of one page, and how many there are on all pages."""

    documents: list[dict[str, Any]]
    total: int


class _BadStatus(Exception):
    """The server answered with an error; the arguments are its status and what it said."""


class _KeyRefused(Exception):
    """The server does not accept the key; the argument is its status."""


class _Garbled(Exception):
    """An answer is cut short, or not what answers of this server look like."""


class Client:
    """A connection to the Materials Project.

    The key comes from ``MP_API_KEY`` or the client's own settings file, the address from
    ``MP_API_ENDPOINT`` or the client's default.

    Attributes
    ----------
    endpoint : address of the server.
    version : version of the database, as the server states it.

    Raises
    ------
    SourceError : there is no key, it cannot be one, or the server refuses it.
    MayPass : the server cannot be reached.
    """

    def __init__(self) -> None:
        from mp_api.client.core.utils import validate_endpoint

        self._key = find_key()
        self.endpoint = validate_endpoint(os.environ.get("MP_API_ENDPOINT"))
        self._total = 0  # documents that match the last search, on all pages
        self.version = self.current_version()
        self._rester = patiently(self._connect)
        self._rester.session.hooks["response"].append(self._inspect)

    def current_version(self) -> str:
        """Version of the database that the server holds now."""

        def attempt() -> str:
            try:
                response = requests.get(f"{self.endpoint}heartbeat", timeout=TIMEOUT_S)
                return str(_body(response, "db_version")["db_version"])
            except (_BadStatus, _Garbled, requests.RequestException) as error:
                raise self._failure("database version", error) from error

        return patiently(attempt)

    def search(
        self,
        resource: str,
        stage: str,
        *,
        fields: Sequence[str],
        limit: int,
        page: int | None = None,
        **criteria: Any,
    ) -> Answer:
        """One page of documents.

        Parameters
        ----------
        resource : ``insertion_electrodes``, ``summary`` or ``thermo``.
        stage : what is being fetched, for messages.
        fields : what to ask of each document.
        limit : documents per page; without ``page``, more than can match.
        page : counted from 1; None for searches that fit one page.
        criteria : the client's search arguments. One at least: without any, the client reads the
            whole collection from object storage.

        Raises
        ------
        SourceError : the server or the client refuses the request.
        MayPass : the server is busy or away, or its answer is cut short or lacks documents.
        """
        from mp_api.client import MPRestError

        if page is not None:
            criteria["_page"] = page
        rester = getattr(self._rester.materials, resource).search.__self__  # what mp-api imports late
        rester.__class__ = _of_known_fields(rester.__class__)

        def attempt() -> Answer:
            try:
                documents = rester.search(fields=list(fields), num_chunks=1, chunk_size=limit, **criteria)
            except (_KeyRefused, _BadStatus, _Garbled, MPRestError) as error:
                raise self._failure(stage, error) from error
            due = min(limit, self._total - ((page or 1) - 1) * limit)
            if len(documents) < due:
                raise MayPass(
                    f"Materials Project, {stage}: {len(documents)} documents came where {due} are due; "
                    f"{RESUMES}"
                )
            return Answer(documents, self._total)

        return patiently(attempt)

    def _connect(self) -> Any:
        from mp_api.client import MPRester, MPRestError

        try:
            return MPRester(
                self._key, endpoint=self.endpoint, use_document_model=False, mute_progress_bars=True
            )
        except (MPRestError, requests.RequestException, KeyError) as error:  # KeyError: an odd heartbeat
            raise self._failure("connecting", error) from error

    def _inspect(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """See each answer before the client does; the client passes on what is raised here."""
        if response.is_redirect:
            return  # what it leads to comes next
        if response.status_code in HTTP_KEY_REFUSED:
            raise _KeyRefused(response.status_code)
        body = _body(response, "data", "meta")
        try:
            self._total = int(body["meta"]["total_doc"])
        except (KeyError, TypeError, ValueError) as error:
            raise _Garbled("it does not state how many documents there are") from error

    def _failure(self, stage: str, error: Exception) -> SourceError:
        """What to raise for ``error``, with the cause, the remedy and without the key."""
        from mp_api.client import MPRestError

        # The client turns errors of the connection into its own; they remain as the context.
        cause = error.__context__ if isinstance(error, MPRestError) else error
        kind: type[SourceError] = MayPass
        if isinstance(cause, _KeyRefused):
            kind, said = SourceError, f"the server refuses the key ({cause}); {GET_A_KEY}"
        elif isinstance(cause, _BadStatus):
            status, text = cause.args
            if status in HTTP_BUSY:
                said = f"the server is busy or broken ({status}); {LATER}"
            else:
                kind = SourceError
                said = f"the server refuses the request ({status}: {_short(text)}); {UPDATE}"
        elif isinstance(cause, (requests.exceptions.MissingSchema, requests.exceptions.InvalidURL)):
            kind = SourceError
            said = f"{self.endpoint} is no address: mend MP_API_ENDPOINT, or unset it"
        elif isinstance(cause, requests.exceptions.RetryError):
            said = f"the server limits the rate or is broken ({_short(_innermost(cause))}); {LATER}"
        elif isinstance(cause, requests.RequestException):
            said = (
                f"no answer from {self.endpoint}: {_short(_innermost(cause))}; check the network and "
                f"MP_API_ENDPOINT, or {LATER}"
            )
        elif isinstance(cause, (_Garbled, KeyError)):
            said = f"the answer is cut short or not what it should be ({cause}); {LATER}"
        else:
            kind = SourceError
            said = f"the client refuses the request: {_short(error)}; {UPDATE}"
        return kind(f"Materials Project, {stage}: {said}; {RESUMES}".replace(self._key, "***"))


def find_key() -> str:
    """The API key, from where the client looks for it.

    Raises
    ------
    SourceError : there is none, or what there is cannot be one.
    """
    from mp_api.client import MPRestError
    from mp_api.client.core.utils import validate_api_key

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the client only warns where a key is missing
            key = validate_api_key()
    except MPRestError as error:
        raise SourceError(
            f"the Materials Project's API key is not one: keys have 32 characters; {GET_A_KEY}"
        ) from error
    if not key:
        raise SourceError(f"no API key for the Materials Project; {GET_A_KEY}")
    if not re.fullmatch("[!-~]+", key):
        raise SourceError(
            f"the Materials Project's API key is not one: it has blanks or odd characters; {GET_A_KEY}"
        )
    return key


def _body(response: requests.Response, *keys: str) -> dict[str, Any]:
    """The JSON object of a good answer, with these keys."""
    if response.status_code >= HTTP_ERROR:
        raise _BadStatus(response.status_code, response.text)
    try:
        body = response.json()
    except ValueError as error:
        raise _Garbled("no complete JSON") from error
    missing = [key for key in keys if not isinstance(body, dict) or key not in body]
    if missing:
        raise _Garbled(f"without {', '.join(missing)}")
    return body


def _innermost(error: requests.RequestException) -> object:
    """What lies below the retries of urllib3, whose own message holds the whole address."""
    outer = error.args[0] if error.args else error
    return getattr(outer, "reason", None) or outer


def _short(text: object) -> str:
    return " ".join(str(text).split())[:200]
