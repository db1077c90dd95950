"""Whom the bridge takes for the service, where that speaks HTTPS."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from api.at_service import trusted
from api.service.settings import ServiceSettings
from tests.api.service.test_tls import make_files


def shaken(served: ServiceSettings, known: ServiceSettings) -> None:
    """Shake hands with a server on this machine; raises when it is not the one that is known."""
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(served.tls_certificate, served.tls_key)
    near, far = socket.socketpair()

    def answer() -> None:
        try:
            with ours.wrap_socket(far, server_side=True) as line:
                line.recv(1)
        except OSError:
            far.close()

    server = threading.Thread(target=answer)
    server.start()
    try:
        with trusted(known).wrap_socket(near, server_hostname="127.0.0.1"):
            pass
    finally:
        near.close()
        server.join()


def test_the_certificate_of_the_settings_is_trusted_and_no_other(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    ours, others = make_files(here), make_files(there)
    shaken(ours, ours)
    for known in (others, ServiceSettings()):
        with pytest.raises(ssl.SSLCertVerificationError):
            shaken(ours, known)
