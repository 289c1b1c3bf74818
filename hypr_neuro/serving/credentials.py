"""A folder of credentials: an authority, the server's certificate, hashes of the clients' tokens."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from hypr_neuro.errors import InputError, MissingPackageError
from hypr_neuro.files.store import make_folder

CA, CERTIFICATE, KEY, TOKENS = "ca.pem", "server.pem", "server.key", "tokens.json"
DAYS = 825


def make_credentials(folder: Path, hosts: Sequence[str], clients: Sequence[str], days: float = DAYS) -> list[str]:
    """Write an authority's certificate, the server's certificate and key, and a token file for each client.

    The authority's key is thrown away: credentials that are made anew are another authority's.

    Parameters
    ----------
    folder
        Holds no credentials yet.
    hosts
        Names and addresses under which clients reach the server.
    clients
        Their names.
    days
        For which the certificates hold.

    Returns
    -------
    list of str
        Names of the files, each readable by its owner alone.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
    except ImportError as error:
        raise MissingPackageError("credentials need cryptography; pip install 'hypr-neuro[devices]'") from error
    for client in clients:
        if not client or not all(c.isalnum() or c in "-_." for c in client) or client.startswith("."):
            raise InputError(f"client '{client:.40}', rule: letters, digits, '-', '_' and '.'")
    if len(set(clients)) != len(clients) or not clients or not hosts:
        raise InputError("clients and hosts, rule: at least one of each, each client once")
    if make_folder(folder).joinpath(TOKENS).exists():
        raise InputError(f"'{folder}' holds credentials already; choose another folder, or delete it")

    def name(text: str) -> Any:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(timezone.utc)
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def certificate(subject: str, public: Any, extensions: Sequence[tuple[Any, bool]]) -> bytes:
        builder = x509.CertificateBuilder(name("hypr-neuro authority"), name(subject), public)
        builder = builder.serial_number(x509.random_serial_number())
        start = min(now, now + timedelta(days=days)) - timedelta(minutes=5)
        builder = builder.not_valid_before(start).not_valid_after(now + timedelta(days=days))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    own = authority.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(own)
    files = {
        CA: certificate("hypr-neuro authority", own, [(x509.BasicConstraints(True, 0), True), (identifier, False)]),
        CERTIFICATE: certificate(
            hosts[0][:64],
            key.public_key(),
            [
                (x509.BasicConstraints(False, None), True),
                (x509.SubjectAlternativeName([_host(x509, host) for host in hosts]), False),
                (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
            ],
        ),
        KEY: key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    }
    tokens = {client: secrets.token_urlsafe(32) for client in clients}
    files |= {f"{client}.token": f"{token}\n".encode() for client, token in tokens.items()}
    files[TOKENS] = json.dumps({client: _hash(token) for client, token in tokens.items()}, indent=1).encode()
    for file, content in files.items():
        _write_private(folder / file, content)
    return list(files)


def _host(x509: Any, host: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def secret_key(folder: Path) -> bytes:
    """Return the 32 random bytes of a folder's file `key`, which are drawn when it is missing or too short."""
    path = folder / "key"
    key = path.read_bytes() if path.is_file() else b""
    if len(key) < 32:
        path.unlink(missing_ok=True)
        key = secrets.token_bytes(32)
        _write_private(path, key)
    return key


def _hash(token: str) -> str:
    """Return a token's sha256; tokens are 256 random bits, which nobody finds by trying."""
    return hashlib.sha256(token.encode()).hexdigest()


def server_credentials(folder: Path) -> tuple[Any, Callable[[Any], str]]:
    """Return gRPC's credentials of a folder, and what tells a client's name of a call's metadata."""
    import grpc

    try:
        key, certificate = (folder / KEY).read_bytes(), (folder / CERTIFICATE).read_bytes()
        hashed = json.loads((folder / TOKENS).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"credentials '{folder}': {error}; make them with serve --make-credentials") from error
    if not isinstance(hashed, dict) or not all(isinstance(h, str) for h in hashed.values()):
        raise InputError(f"'{folder / TOKENS}', rule: a JSON object of names and hashes")
    return grpc.ssl_server_credentials([(key, certificate)]), name_teller(hashed)


def name_teller(hashed: dict[str, str]) -> Callable[[Any], str]:
    """Return what tells a client's name of a call's metadata; it raises InputError for one without a valid token."""

    def name_of(metadata: Any) -> str:
        given = next((str(value) for key, value in metadata or () if key == "authorization"), "")
        token, found = _hash(given.removeprefix("Bearer ")), ""
        for name, known in hashed.items():  # all are compared, each in the same time
            found = name if hmac.compare_digest(token.encode(), known.encode()) else found
        if not found:
            raise InputError("no valid token")
        return found

    return name_of
