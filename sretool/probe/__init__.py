"""What commands that send packets share."""
