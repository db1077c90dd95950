"""HTTPS by configuration: what is served, and every file that is refused."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from api.service.settings import ServiceSettings
from api.service.tls import TlsUnusable, tls_files
from tests.commands import invoke, refusal

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])


def make_files(
    where: Path, days: int = 2, encryption: KeySerializationEncryption | None = None
) -> ServiceSettings:
    """Write a certificate for localhost that ends in some days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - datetime.timedelta(days=9))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = where / "tls.crt", where / "tls.key"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    )
    return ServiceSettings(tls_certificate=str(certificate), tls_key=str(private))


def test_with_certificate_and_key_it_serves_https(
    tmp_path: Path, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_files(tmp_path)
    monkeypatch.setenv("PILLION_SERVICE_TLS_CERTIFICATE", settings.tls_certificate)
    monkeypatch.setenv("PILLION_SERVICE_TLS_KEY", settings.tls_key)
    trusted = ssl.create_default_context(cafile=settings.tls_certificate)
    with serve(tmp_path / "home") as (child, url):
        assert url.startswith("https://127.0.0.1:")
        named = url.replace("127.0.0.1", "localhost")
        assert httpx.get(f"{named}/ok", verify=trusted).json() == {"ok": True}
        with pytest.raises(httpx.HTTPError):
            httpx.get(named.replace("https", "http") + "/ok")
        assert child.stop() == 0


def test_without_files_there_is_none() -> None:
    assert tls_files(ServiceSettings()) is None
    with pytest.raises(ValidationError, match="go together"):
        ServiceSettings(tls_certificate="tls.crt")


@pytest.mark.parametrize("mode", [0o644, 0o640 | 0o020, 0o602, 0o601])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    settings = make_files(tmp_path)
    Path(settings.tls_key).chmod(mode)
    with pytest.raises(TlsUnusable, match="chmod 600"):
        tls_files(settings)


def test_a_key_that_its_group_reads_is_taken(tmp_path: Path) -> None:
    settings = make_files(tmp_path)
    Path(settings.tls_key).chmod(0o640)
    assert tls_files(settings)


def test_a_certificate_that_ended_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TlsUnusable, match="renew"):
        tls_files(make_files(tmp_path, days=-1))


def test_a_key_with_a_password_is_refused_without_asking(tmp_path: Path) -> None:
    with pytest.raises(TlsUnusable, match="password"):
        tls_files(make_files(tmp_path, encryption=BestAvailableEncryption(b"secret")))


def test_anothers_key_is_refused(tmp_path: Path) -> None:
    settings = make_files(tmp_path)
    kept = Path(settings.tls_certificate).read_bytes()
    make_files(tmp_path)
    Path(settings.tls_certificate).write_bytes(kept)
    with pytest.raises(TlsUnusable, match="not the key of"):
        tls_files(settings)


@pytest.mark.parametrize("which", ["tls.crt", "tls.key"])
@pytest.mark.parametrize("content", [None, b"", b"\x00\xff"])
def test_files_that_are_missing_or_something_else_are_one_sentence(
    tmp_path: Path, which: str, content: bytes | None
) -> None:
    settings = make_files(tmp_path)
    if content is None:
        (tmp_path / which).unlink()
    else:
        (tmp_path / which).write_bytes(content)
    given = {
        "PILLION_SERVICE_TLS_CERTIFICATE": settings.tls_certificate,
        "PILLION_SERVICE_TLS_KEY": settings.tls_key,
    }
    assert which in refusal(invoke(tmp_path / "home", "serve", **given))
