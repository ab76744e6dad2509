"""Client certificates that nobody here vouches for: the handshake goes on, so that the client can be told in words.

Python's ssl module ends such a handshake, and has no hook. OpenSSL has one: SSL_CTX_set_cert_verify_callback. What it is given
here runs the same verification, and empties the verified chain where that fails: who has no verified chain is nobody.
"""

from __future__ import annotations

import ctypes
import logging
import ssl
import sys
from functools import cache
from typing import Any

log = logging.getLogger(__name__)

_NEWEST = (3, 14)  # of Python, whose context objects are known to begin with OpenSSL's
_SET_SESSION_CACHE, _OFF = 44, 0  # SSL_CTRL_SET_SESS_CACHE_MODE: a resumed session would have no verified chain

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


@cache
def _openssl() -> Any:
    """The library that the ssl module has loaded; None where its functions are not to be had."""
    try:
        import _ssl

        if not hasattr(getattr(_ssl, "_SSLSocket", None), "get_verified_chain"):
            return None
        library = ctypes.PyDLL(_ssl.__file__)
        for name, result, arguments in (
            ("SSL_CTX_set_cert_verify_callback", None, [ctypes.c_void_p, _Callback, ctypes.c_void_p]),
            ("SSL_CTX_get_verify_mode", ctypes.c_int, [ctypes.c_void_p]),
            ("SSL_CTX_ctrl", ctypes.c_long, [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]),
            ("X509_verify_cert", ctypes.c_int, [ctypes.c_void_p]),
            ("X509_STORE_CTX_set0_verified_chain", None, [ctypes.c_void_p, ctypes.c_void_p]),
            ("ERR_set_mark", ctypes.c_int, []),
            ("ERR_pop_to_mark", ctypes.c_int, []),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (ImportError, AttributeError, OSError) as failure:
        log.debug("OpenSSL cannot be reached beside the ssl module: %s", failure)
        return None
    return library


def _run(store_context: int, _argument: int) -> int:
    library = _openssl()
    library.ERR_set_mark()
    verified = library.X509_verify_cert(store_context)
    library.ERR_pop_to_mark()
    if verified != 1:
        library.X509_STORE_CTX_set0_verified_chain(store_context, None)
    return 1


_verify = _Callback(_run)  # kept for as long as the process runs: OpenSSL calls it


def let_through(context: ssl.SSLContext) -> bool:
    """Have a server's handshakes go on with client certificates that are not verified; False where that cannot be done.

    From then on `verified` must be asked before a peer's certificate is believed."""
    known = sys.implementation.name == "cpython" and sys.version_info[:2] <= _NEWEST
    library = _openssl() if known else None
    if library is None:
        return False
    address = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if not address or library.SSL_CTX_get_verify_mode(address) != context.verify_mode:
        return False
    context.options |= ssl.OP_NO_TICKET
    library.SSL_CTX_ctrl(address, _SET_SESSION_CACHE, _OFF, None)
    library.SSL_CTX_set_cert_verify_callback(address, _verify, None)
    return True


def chain_of(connection: ssl.SSLObject) -> list[Any] | None:
    """The verified certificates of the peer, its own first; [] where none is, None where Python does not tell."""
    inner: Any = getattr(connection, "_sslobj", None)  # has no public name before Python 3.13
    return list(inner.get_verified_chain() or ()) if hasattr(inner, "get_verified_chain") else None
