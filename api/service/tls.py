"""The certificate that the service shows, checked before anything listens."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from api.service.settings import ServiceSettings
from graph.errors import GraphError
from graph.run_store import now

OPEN_TO_OTHERS = stat.S_IRWXO | stat.S_IWGRP


class TlsUnusable(GraphError):
    """The certificate or its key cannot be used; nothing listens."""


class TlsFiles(NamedTuple):
    """A certificate chain and its private key, PEM."""

    certificate: Path
    key: Path


def tls_files(settings: ServiceSettings) -> TlsFiles | None:
    """Return the files that settings name; None without any. Raises `TlsUnusable`."""
    if not settings.tls_certificate:
        return None
    files = TlsFiles(Path(settings.tls_certificate), Path(settings.tls_key))
    _check_private(files.key)
    _check_certificate(files.certificate)
    try:
        # A key with a password would ask for it on the terminal; nobody may be there.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files, password=lambda: "")
    except (ssl.SSLError, ValueError) as exc:
        raise TlsUnusable(
            f"{files.key} is not the key of {files.certificate}, has a password, or is no PEM file."
        ) from exc
    except OSError as exc:
        raise TlsUnusable(f"{files.key} cannot be read: {exc.strerror}.") from exc
    return files


def _check_private(key: Path) -> None:
    try:
        mode = key.stat().st_mode
    except OSError as exc:
        raise TlsUnusable(f"{key} cannot be read: {exc.strerror}.") from exc
    if mode & OPEN_TO_OTHERS:
        raise TlsUnusable(
            f"{key} is open to other users of this machine; `chmod 600 {key}` closes it."
        )


def _check_certificate(path: Path) -> None:
    try:
        first = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as exc:
        raise TlsUnusable(f"{path} cannot be read: {exc.strerror}.") from exc
    except ValueError as exc:
        raise TlsUnusable(f"{path} holds no certificate (PEM).") from exc
    if first.not_valid_after_utc < now():
        raise TlsUnusable(f"{path} ended on {first.not_valid_after_utc:%Y-%m-%d}; renew it.")
