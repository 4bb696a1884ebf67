"""Switch Hubble's parts on and off, and reach them from here."""
