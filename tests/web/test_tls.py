"""The own CA: what it may vouch for, how long, and who can read its key."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from core import clock
from core.settings import Settings
from web import addresses, tls


def leaf_of(config: Settings) -> x509.Certificate:
    files = tls.ensure(config)
    assert files is not None
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def ca_of(config: Settings) -> x509.Certificate:
    files = tls.ensure(config)
    assert files is not None
    assert files.ca is not None
    return x509.load_pem_x509_certificate(files.ca.read_bytes())


def names_of(leaf: x509.Certificate) -> set[str]:
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def test_the_chain_verifies_for_every_name_of_the_machine(config: Settings) -> None:
    leaf, ca = leaf_of(config), ca_of(config)
    for name in ("localhost", addresses.machine_name()):
        verifier = (
            verification.PolicyBuilder()
            .store(verification.Store([ca]))
            .build_server_verifier(x509.DNSName(name))
        )
        assert verifier.verify(leaf, [])[0] == leaf
    assert {"127.0.0.1", "localhost", addresses.machine_name()} <= names_of(leaf)
    assert {str(each) for each in addresses.machine_addresses()} <= names_of(leaf)


def test_phones_accept_its_length(config: Settings) -> None:
    leaf = leaf_of(config)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=398)


def test_the_ca_may_not_vouch_for_the_rest_of_the_world(config: Settings) -> None:
    ca = ca_of(config)
    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    names = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    permitted = names.value.permitted_subtrees or []
    assert not tls._is_permitted(x509.DNSName("bank.example.com"), permitted)
    assert not tls._is_permitted(x509.DNSName("evillocalhost"), permitted)
    assert tls._is_permitted(x509.DNSName("station.local"), permitted)


def test_keys_are_readable_by_the_owner_alone(config: Settings, data_dir: Path) -> None:
    tls.ensure(config)
    for name in ("ca.key", "server.key"):
        assert (data_dir / "tls" / name).stat().st_mode & 0o777 == 0o600


def test_the_same_certificate_serves_until_it_is_nearly_over(
    config: Settings, fake_clock: clock.FakeClock
) -> None:
    first, ca = leaf_of(config), ca_of(config)
    fake_clock.advance(timedelta(days=300))
    assert leaf_of(config) == first
    fake_clock.advance(timedelta(days=70))
    renewed = leaf_of(config)
    assert renewed != first
    assert renewed.not_valid_after_utc > fake_clock.now() + timedelta(days=365)
    assert ca_of(config) == ca


def test_a_new_address_is_signed_at_the_next_start(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = leaf_of(config)
    monkeypatch.setattr(addresses, "machine_name", lambda: "gateway.lan")
    after = leaf_of(config)
    assert "gateway.lan" in names_of(after) - names_of(before)


def test_a_name_beyond_the_constraints_is_left_out(
    config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca_of(config)
    elsewhere = config.model_copy(update={"public_base_url": "https://pages.example.com"})
    assert "pages.example.com" not in names_of(leaf_of(elsewhere))


def test_the_host_people_were_told_is_signed(config: Settings) -> None:
    told = config.model_copy(update={"public_base_url": "https://pages.example.com:9000"})
    assert "pages.example.com" in names_of(leaf_of(told))


def test_a_key_that_does_not_belong_to_its_certificate_is_replaced(
    config: Settings, data_dir: Path
) -> None:
    tls.ensure(config)
    (data_dir / "tls" / "server.key").write_bytes((data_dir / "tls" / "ca.key").read_bytes())
    files = tls.ensure(config)
    assert files is not None
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)


def test_off_and_files(config: Settings, tmp_path: Path) -> None:
    assert tls.ensure(config.model_copy(update={"web_tls": "off"})) is None
    with pytest.raises(tls.TlsMisconfigured, match="XIANGYIN_WEB_TLS_CERT"):
        tls.ensure(config.model_copy(update={"web_tls": "files"}))
    own = tls.ensure(config)
    assert own is not None
    given = {"web_tls": "files", "web_tls_cert": own.certificate, "web_tls_key": own.key}
    files = tls.ensure(config.model_copy(update=given))
    assert files == tls.TlsFiles(own.certificate, own.key, None)
    missing = given | {"web_tls_key": tmp_path / "missing.key"}
    with pytest.raises(tls.TlsMisconfigured, match="XIANGYIN_WEB_TLS_KEY"):
        tls.ensure(config.model_copy(update=missing))
