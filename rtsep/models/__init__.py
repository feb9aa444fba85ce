"""The codec, the masker, the text encoder, and the separator that joins them."""
