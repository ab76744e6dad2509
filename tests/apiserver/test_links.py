"""Links of proxied pages."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.links import Links

PREFIX = "/api/v1/namespaces/default/pods/p/proxy"
LINKS = Links(PREFIX, hosts=("10.0.0.1:80", "localhost:8001"))


@pytest.mark.parametrize(
    ("link", "rewritten"),
    [
        pytest.param("/", f"{PREFIX}/", id="root"),
        pytest.param("/a/b?c=d#e", f"{PREFIX}/a/b?c=d#e", id="path, query and fragment"),
        pytest.param("/a/", f"{PREFIX}/a/", id="trailing slash stays"),
        pytest.param("a/b", "a/b", id="relative"),
        pytest.param("#top", "#top", id="fragment"),
        pytest.param("http://elsewhere/a", "http://elsewhere/a", id="another host"),
        pytest.param("//elsewhere/a", "//elsewhere/a", id="another host without a scheme"),
        pytest.param("http://10.0.0.1:80/a", f"{PREFIX}/a", id="its own host"),
        pytest.param("http://localhost:8001/a", f"{PREFIX}/a", id="the host that was asked"),
        pytest.param(f"{PREFIX}/a", f"{PREFIX}/a", id="has the prefix"),
        pytest.param("/../../etc", "/api/v1/namespaces/default/pods/etc", id="dots are resolved"),
        pytest.param("mailto:a@b", "mailto:a@b", id="no path"),
        pytest.param("http://[broken/a", "http://[broken/a", id="unreadable"),
    ],
)
def test_links(link: str, rewritten: str) -> None:
    assert LINKS.rewrite(link) == rewritten


@pytest.mark.parametrize(
    ("page", "rewritten"),
    [
        pytest.param('<a href="/x">/x</a>', f'<a href="{PREFIX}/x">/x</a>', id="quoted"),
        pytest.param("<A HREF='/x'>", f'<A HREF="{PREFIX}/x">', id="other case, other quotes"),
        pytest.param("<img alt=1 src=/x.png>", f'<img alt=1 src="{PREFIX}/x.png">', id="without quotes"),
        pytest.param('<a title="/x">', '<a title="/x">', id="not a link"),
        pytest.param('<p href="/x">', '<p href="/x">', id="not an element with links"),
        pytest.param('<!-- <a href="/x"> --><a href="/y">', f'<!-- <a href="/x"> --><a href="{PREFIX}/y">', id="comment"),
        pytest.param(
            '<script src="/s">if (a<b) "<a href=\'/x\'>"</script><a href="/y">',
            f'<script src="{PREFIX}/s">if (a<b) "<a href=\'/x\'>"</script><a href="{PREFIX}/y">',
            id="script",
        ),
        pytest.param('<a href="/x?a=1&amp;b=2">', f'<a href="{PREFIX}/x?a=1&amp;b=2">', id="escapes"),
        pytest.param('1 < 2 <a href="/x">', f'1 < 2 <a href="{PREFIX}/x">', id="a bare less-than"),
        pytest.param('<a href="/x" <a href="/y"', '<a href="/x" <a href="/y"', id="a tag without an end"),
        pytest.param('<form action="/f">', f'<form action="{PREFIX}/f">', id="form"),
        pytest.param("<a\nhref = '/x'\n>", f'<a\nhref = "{PREFIX}/x"\n>', id="over lines"),
    ],
)  # fmt: skip
def test_pages(page: str, rewritten: str) -> None:
    assert LINKS.page(page.encode()).decode() == rewritten


@given(st.text(alphabet="<>/a=\"' !-hrefscipt\n&;", max_size=200))
def test_any_text_is_a_page(text: str) -> None:
    made = LINKS.page(text.encode())
    assert PREFIX.encode() in made or made == text.encode()


def test_a_long_broken_page_takes_no_time() -> None:
    page = b'<a href="' * 100_000
    assert LINKS.page(page) == page


def test_encodings() -> None:
    page, made = b'<a href="/x">', f'<a href="{PREFIX}/x">'.encode()
    packed = LINKS.encoded_page(gzip.compress(page), "gzip", most=1000)
    assert packed is not None and gzip.decompress(packed) == made
    packing = zlib.compressobj(wbits=-15)
    packed = LINKS.encoded_page(packing.compress(page) + packing.flush(), "deflate", most=1000)
    assert packed is not None and zlib.decompress(packed, -15) == made
    assert LINKS.encoded_page(page, "br", most=1000) is None
    assert LINKS.encoded_page(page, "gzip", most=1000) is None
    assert LINKS.encoded_page(gzip.compress(b"a" * 5000), "gzip", most=1000) is None
