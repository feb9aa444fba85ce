"""Labelled sounds that anybody can fetch: in Debian's packages, and of instruments that rtsep plays."""
