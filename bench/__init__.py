"""What good means in numbers: our figure, the peer's beside it, the ratio and the target."""
