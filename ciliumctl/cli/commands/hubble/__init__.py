"""See the traffic with Hubble: flows, drops, verdicts; switch its parts on and off, and reach them from here."""
