"""A certificate authority and a certificate of its for `localhost`: `certificates.py FOLDER`.

Runs in Synapse's environment, which brings the package cryptography along.
"""

import datetime
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, issuer, issuer_key, extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def write(file, thing):
    file.write_bytes(thing.public_bytes(serialization.Encoding.PEM))


def main(folder):
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = certificate(
        "test authority",
        authority_key,
        "test authority",
        authority_key,
        [(x509.BasicConstraints(ca=True, path_length=None), True)],
    )
    own = certificate(
        "localhost",
        key,
        "test authority",
        authority_key,
        [(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)],
    )
    write(folder / "ca.pem", authority)
    write(folder / "cert.pem", own)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(pem)


main(pathlib.Path(sys.argv[1]))
