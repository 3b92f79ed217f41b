"""What a screening has left in its folder: read by the commands and from notebooks, never written."""
