"""ID tokens of OpenID Connect issuers: a JWT and an issuer's published keys in, the subject that its claims are mapped to out."""
