"""Capture packets of pods and nodes, or copy a pod's traffic to another place.

`capture TARGET… [FILTER]` is `capture run TARGET… [FILTER]`; its options are in `capture run --help`.

Examples:
  ciliumctl capture pod/web
  ciliumctl capture pod/shop/web 'tcp port 80' -w web.pcap --duration 2m
  ciliumctl capture deploy/web node/node-1 --merge -w all.pcapng
  ciliumctl capture pod/web -w - | wireshark -k -i -
"""

from ciliumctl.cli.arguments import Arguments

ARGUMENTS = Arguments(default="run")
