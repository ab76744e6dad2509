"""Names and their checks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pocketkube.api.meta import names


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        pytest.param(names.is_dns_label, ["a", "a-1", "0"], ["", "A", "-a", "a-", "a.b", "x" * 64, "ä"], id="label"),
        pytest.param(names.is_dns_subdomain, ["a.b", "1.2-3"], ["", "a..b", "A", ".a", "x" * 254], id="subdomain"),
        pytest.param(names.is_dns1035, ["a", "a-1"], ["1a", "a_b", ""], id="1035"),
        pytest.param(
            names.is_qualified_name, ["a", "x.io/A_b.c"], ["", "/a", "a/", "a/b/c", "X/a", "x" * 64], id="qualified"
        ),
        pytest.param(names.is_label_value, ["", "A.b_c-1"], ["-", "a b", "x" * 64], id="value"),
        pytest.param(names.is_config_key, ["a.b", "_x", "-"], ["", "a/b", ".", "..", "..a"], id="config-key"),
        pytest.param(names.is_env_name, ["A", "a.b-c", "1"], ["", "a=b", "ä"], id="env"),
        pytest.param(names.is_port_name, ["http", "a-1"], ["", "1", "a--b", "-a", "a" * 16, "A"], id="port-name"),
        pytest.param(names.is_path_segment, ["system:x", "a.b"], [".", "..", "a/b", "a%b"], id="path-segment"),
        pytest.param(names.is_percent, ["5%", "100%"], ["5", "%", "-1%", "1.5%"], id="percent"),
        pytest.param(names.is_ip, ["10.0.0.1", "::1"], ["10.0.0", "x", "10.0.0.1/8"], id="ip"),
        pytest.param(names.is_cidr, ["10.0.0.0/8", "fd00::/64"], ["10.0.0.0", "10.0.0.0/33"], id="cidr"),
    ],
)
def test_checks(check: Callable[[str], list[str]], good: list[str], bad: list[str]) -> None:
    assert [text for text in good if check(text)] == []
    assert [text for text in bad if not check(text)] == []


def test_words_are_upstreams() -> None:
    assert names.is_dns_subdomain("A") == [
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start"
        " and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
        " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ]
    assert names.is_label_value("-")[0].endswith(
        "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
        " '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )


def test_generated_names_fit_and_are_safe() -> None:
    name = names.generate_name("x" * 80)
    assert len(name) == 63 and set(name[58:]) <= set(names.ALPHABET)
    assert len({names.generate_name("web-") for _ in range(50)}) > 45
    assert names.safe_encode("12345") == names.safe_encode("12345")
    assert set(names.safe_encode("any text")) <= set(names.ALPHABET)
