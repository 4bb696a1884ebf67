"""See what an installation would have, and check values before they are used."""
