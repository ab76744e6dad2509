"""Keys that lie with a key management service, reached by gRPC over a Unix socket of this machine.

v2 asks the service to seal one random seed, from which every value's key is derived; the sealed seed is stored with each value.
The service's Status names the key it seals with: when that changes, a new seed is made. Values are opened without asking once
their seed was opened. v1, which is deprecated, asks for every write.
"""
