from __future__ import annotations

import ipaddress
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from cqtel_tui.collector.addresses import Addresses, DailyKeys, canonical
from cqtel_tui.collector.settings import HMAC_DAILY, Settings, read_network
from cqtel_tui.errors import CqtelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY = 86_400
NOON = 1_800_000_000 // DAY * DAY + DAY / 2


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[Callable[..., Addresses]]:
    opened: list[Addresses] = []

    def opening(
        *,
        clock: Callable[[], float] = lambda: NOON,
        secret: bytes | None = None,
        **settings: Any,
    ) -> Addresses:
        chosen = Settings(tmp_path / "store", **settings)
        opened.append(Addresses(chosen, clock=clock, secret=secret))
        return opened[-1]

    yield opening
    for each in opened:
        each.close()


def hash_of(found: Addresses, text: str) -> str:
    address = canonical(text)
    assert address is not None
    return found.derive(address).origin.address_hash


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
    ],
)
def test_an_address_has_one_text(text: str, expected: str) -> None:
    assert str(canonical(text)) == expected


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2.256", "192.0.2.01", "1.2.3", "%eth0"])
def test_what_is_no_address_is_none(text: str) -> None:
    assert canonical(text) is None


def test_the_hash_is_the_documented_one(addresses: Callable[..., Addresses]) -> None:
    found = addresses()
    # printf 192.0.2.1 | sha1sum
    assert hash_of(found, "192.0.2.1") == "e7ac7ecd794e71914a63e2cbdca798fceb5afd12"
    assert hash_of(found, "::ffff:192.0.2.1") == hash_of(found, "192.0.2.1")


@pytest.mark.parametrize(
    ("text", "country"),
    [("8.8.8.8", "US"), ("193.0.6.139", "NL"), ("2001:4860:4860::8888", "US"), ("10.0.0.1", None)],
)
def test_a_country_is_known_without_asking_anybody(
    addresses: Callable[..., Addresses], text: str, country: str | None
) -> None:
    address = canonical(text)
    assert address is not None
    origin = addresses().derive(address).origin
    assert (origin.country, origin.region, origin.city) == (country, None, None)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An operator's city database, in MaxMind's own shape."""
    path = tmp_path / "cities.mmdb"
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True)
    writer.insert_network(
        IPSet(["8.8.8.0/24"]),
        {
            "country": {"iso_code": "DE"},
            "subdivisions": [{"names": {"en": "Hesse"}}, {"names": {"en": "Darmstadt"}}],
            "city": {"names": {"en": "Frankfurt am Main", "de": "Frankfurt"}},
        },
    )
    writer.insert_network(
        IPSet(["9.9.9.0/24"]),
        {"country": {"iso_code": "Germany"}, "city": {"names": {"en": "a\x1b[31mb"}}},
    )
    writer.insert_network(IPSet(["1.1.1.0/24"]), {"country": "AU", "subdivisions": []})
    writer.to_db_file(str(path))
    return path


def test_an_operators_database_knows_regions_and_cities(
    addresses: Callable[..., Addresses], database: Path
) -> None:
    found = addresses(city_database=database)

    def place(text: str) -> tuple[str | None, ...]:
        address = canonical(text)
        assert address is not None
        origin = found.derive(address).origin
        return origin.country, origin.region, origin.city

    assert place("8.8.8.8") == place("::ffff:8.8.8.8") == ("DE", "Hesse", "Frankfurt am Main")
    assert place("9.9.9.9")[1:] == (None, None)
    assert place("1.1.1.1") == ("AU", None, None)
    assert place("8.8.4.4") == ("US", None, None)


def test_a_database_that_cannot_be_read_is_named(
    addresses: Callable[..., Addresses], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"not a database")
    for path in (broken, tmp_path / "missing.mmdb", tmp_path):
        with pytest.raises(CqtelError, match="--city-database") as raised:
            addresses(city_database=path)
        assert f"{path}" in f"{raised.value}"


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", ["6.6.6.6, 8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", ["6.6.6.6", "8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", ["8.8.8.8, 10.0.0.2, 10.0.0.3"], "8.8.8.8"),
        ("10.0.0.1", ["10.0.0.3,10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["6.6.6.6, junk, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["8.8.8.8:1234"], "8.8.8.8"),
        ("10.0.0.1", ["[2001:db8::1]:1234"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["::ffff:8.8.8.8"], "8.8.8.8"),
        ("::ffff:10.0.0.1", ["8.8.8.8"], "8.8.8.8"),
        ("fd00::5", ["8.8.8.8"], "8.8.8.8"),
        ("11.0.0.1", ["8.8.8.8"], "11.0.0.1"),
        ("testclient", ["8.8.8.8"], "None"),
    ],
)
def test_the_sender_is_the_last_that_no_trusted_proxy_is(
    addresses: Callable[..., Addresses], peer: str, forwarded: list[str], expected: str
) -> None:
    trusted = (read_network("10.0.0.0/8"), read_network("fd00::/8"))
    assert str(addresses(trusted_proxies=trusted).sender(peer, forwarded)) == expected


def test_without_a_trusted_proxy_nobody_is_believed(addresses: Callable[..., Addresses]) -> None:
    assert str(addresses().sender("127.0.0.1", ["8.8.8.8"])) == "127.0.0.1"


def test_a_network_is_one_address_or_one_house(addresses: Callable[..., Addresses]) -> None:
    found = addresses()

    def network(text: str) -> bytes:
        return found.derive(ipaddress.ip_address(text)).networks[0]

    assert network("192.0.2.1") != network("192.0.2.2")
    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")


def test_a_site_is_what_one_customer_is_given(addresses: Callable[..., Addresses]) -> None:
    found = addresses()

    def networks(text: str) -> tuple[bytes, ...]:
        return found.derive(ipaddress.ip_address(text)).networks

    assert len(networks("192.0.2.1")) == 1
    assert networks("2001:db8:1:2::1")[1] == networks("2001:db8:1:ffff::1")[1]
    assert networks("2001:db8:1:2::1")[1] != networks("2001:db8:2:2::1")[1]
    other = addresses(secret=b"x" * 32)
    assert other.derive(ipaddress.ip_address("::1")).networks != networks("::1")
    again = addresses(secret=b"x" * 32).derive(ipaddress.ip_address("::1"))
    assert again.networks == other.derive(ipaddress.ip_address("::1")).networks


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def test_a_daily_hash_changes_with_the_day(addresses: Callable[..., Addresses]) -> None:
    clock = Clock()
    first = addresses(clock=clock, ip_hash=HMAC_DAILY)
    second = addresses(clock=clock, ip_hash=HMAC_DAILY)
    today = hash_of(first, "192.0.2.1")
    assert len(today) == 64
    assert hash_of(second, "192.0.2.1") == today, "workers share the key"
    assert hash_of(first, "192.0.2.2") != today
    clock.now += DAY / 2 - 1
    assert hash_of(first, "192.0.2.1") == today
    clock.now += 1
    tomorrow = hash_of(first, "192.0.2.1")
    assert tomorrow != today
    assert hash_of(second, "192.0.2.1") == tomorrow


def test_the_key_of_a_day_that_is_over_is_gone(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "new" / "key"
    keys = DailyKeys(path, clock)
    before = keys.today()
    assert before.hex() in path.read_text()
    clock.now += DAY
    Addresses(Settings(path.with_name("x")), clock=clock).refresh()  # sha1 has no key to forget
    assert before.hex() in path.read_text()
    assert keys.today() != before
    assert before.hex() not in path.read_text()
    assert keys.today().hex() in path.read_text()
    assert len(path.read_text().splitlines()) == 1


def test_a_restart_on_the_same_day_keeps_the_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert DailyKeys(path, Clock()).today() == DailyKeys(path, Clock()).today()


@pytest.mark.parametrize(
    "text", ["", "junk", "2027-01-15 zz", "2027-01-15 abcd", "x" * 5000, "\0\0"]
)
def test_a_torn_key_is_made_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    key = DailyKeys(path, Clock()).today()
    assert len(key) == 32
    assert DailyKeys(path, Clock()).today() == key
    assert len(path.read_bytes()) == 76


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_nobody_else_reads_the_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("")
    path.chmod(0o644)
    DailyKeys(path, Clock())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="this system follows links")
def test_a_link_in_the_place_of_the_key_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CqtelError, match="key"):
        DailyKeys(path, Clock())
    assert not (tmp_path / "elsewhere").exists()
