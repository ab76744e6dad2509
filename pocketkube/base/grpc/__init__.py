"""A client of gRPC on asyncio alone: one HTTP/2 connection a channel, over TCP, TLS or a Unix socket."""
