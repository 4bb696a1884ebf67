"""The official programs that ciliumctl needs, or installs for people: found, fetched verified, or built."""

from ciliumctl.tools.catalogue import Platform, Tool, platform_of, tool
from ciliumctl.tools.overview import Known, KnownTools, known_tools
from ciliumctl.tools.placing import Placed, Source, default_folder, place
from ciliumctl.tools.providing import fetch_helm, look_for_helm, programs
from ciliumctl.tools.verifying import Verified, verify

__all__ = [
    "Known",
    "KnownTools",
    "Placed",
    "Platform",
    "Source",
    "Tool",
    "Verified",
    "default_folder",
    "fetch_helm",
    "known_tools",
    "look_for_helm",
    "place",
    "platform_of",
    "programs",
    "tool",
    "verify",
]
