"""Whether a separator keeps what it promises: ``python -m rtsep.conformance PACKAGE``."""
