"""Open Sound Control: addresses, the server, its description over HTTP. Knows neither samples nor tensors."""
