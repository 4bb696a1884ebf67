"""The scripts themselves, in the shells that images have: dash and busybox. What they remove is tried on real nodes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ciliumctl import nodefacts, templates
from ciliumctl.nodework.model import answer_in, members

SHELLS = [("sh",), ("busybox", "sh")]


@pytest.fixture(params=SHELLS, ids=lambda argv: argv[0])
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    argv: tuple[str, ...] = request.param
    if shutil.which(argv[0]) is None:
        pytest.skip(f"`{argv[0]}` is not on this machine")
    return argv


def run(shell: tuple[str, ...], task: str, host: Path, *, before: str = "", **environ: str) -> str:
    return run_text(shell, before + text_of(task), task, host, **environ)


def text_of(task: str) -> str:
    return "\n".join(templates.path(f"nodework/{name}.sh").read_text(encoding="utf-8") for name in ("report", task))


def run_text(shell: tuple[str, ...], text: str, task: str, host: Path, **environ: str) -> str:
    told = {
        "PATH": os.environ["PATH"],
        "TASK": task,
        "NODE": "one",
        "HOST": str(host),
        "EXPIRES": "9999999999",
        "CNI_CONF": "/etc/cni/net.d",
        "CNI_BIN": "/opt/cni/bin",
        "RUN_PATH": "/var/run/cilium",
        "OPTIONS": "BPF|VXLAN",
        "PORTS": "1090",
    }
    done = subprocess.run(
        [*shell, "-s"], input=text.encode(), env=told | environ, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("utf-8", "replace")


def test_a_script_parses_in_this_shell(shell: tuple[str, ...]) -> None:
    for file in sorted(templates.path("nodework").glob("*.sh")):
        done = subprocess.run([*shell, "-n", str(file)], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), file.name


def test_a_report_is_one_line_of_json_whatever_a_file_holds(shell: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "etc/cni/net.d"
    folder.mkdir(parents=True)
    (folder / "10-a.conflist").write_text(
        '{\n\t"cniVersion": "1.0.0",\n "name": "a\\"b", "plugins": [{"type": "bridge"}]}\n'
    )
    (folder / "20-bytes.conf").write_bytes(bytes(range(256)))
    (tmp_path / "opt/cni/bin").mkdir(parents=True)
    (tmp_path / "opt/cni/bin/bridge").touch()
    out = run(shell, "collect", tmp_path)
    assert out.count("\n") == 1
    answer = answer_in(out, "collect")
    facts = nodefacts.parse("one", answer)
    assert [one.file for one in facts.cni_files] == ["10-a.conflist", "20-bytes.conf"]
    assert facts.cni_files[0].plugins == ("bridge",)
    assert facts.cni_files[1].problems == ("it is no JSON",)
    assert facts.cni_programs == ("bridge",)
    assert facts.kernel == os.uname().release
    assert facts.time > 1_000_000_000


def test_a_script_whose_time_is_over_does_nothing(shell: tuple[str, ...], tmp_path: Path) -> None:
    configuration = tmp_path / "etc/cni/net.d/05-cilium.conflist"
    configuration.parent.mkdir(parents=True)
    configuration.write_text('{"plugins": [{"type": "cilium-cni"}]}')
    for task in ("collect", "clean"):
        said = members(answer_in(run(shell, task, tmp_path, EXPIRES="1000"), task))
        assert "nothing was done" in str(said["refused"])
        assert set(said) == {"ciliumctl", "node", "time", "refused"}
    assert configuration.exists()


def guards(shell: tuple[str, ...], host: Path, **environ: str) -> str:
    """What the beginning of the script that cleans says: nothing of what removes anything is run here."""
    text, found, _rest = text_of("clean").partition("# The guards end here.")
    assert found
    return run_text(shell, f"{text}\necho went on\n", "clean", host, **environ)


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("path", ["/var/run", "/var/lib", "/run/containers"])
def test_a_folder_that_is_not_cilium_s_by_name_is_refused(path: str, shell: tuple[str, ...], tmp_path: Path) -> None:
    said = members(answer_in(guards(shell, tmp_path, RUN_PATH=path), "clean"))
    assert f"the agent's folder {path} does not have cilium in its name" in str(said["refused"])


def test_a_link_to_a_folder_that_is_not_cilium_s_is_refused(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    # What `chroot HOST readlink -f PATH` says of a link to the folder of everybody.
    program(programs, "chroot", 'case $4 in */cilium) echo /run ;; *) echo "$4" ;; esac')
    path = f"{programs}:{os.environ['PATH']}"
    said = members(answer_in(guards(("sh",), tmp_path, PATH=path), "clean"))
    assert "the agent's folder /run does not" in str(said["refused"])


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ("exit 1", "processes cannot be read"),
        ("printf 'systemd\\ncilium-agent\\nsh\\n'", "a Cilium agent still runs"),
        ("printf 'systemd\\ncilium-agent-x\\nsh\\n'", ""),
    ],
)
def test_only_a_node_that_is_known_to_run_no_agent_is_cleaned(tmp_path: Path, read: str, words: str) -> None:
    programs = tmp_path / "programs"
    program(programs, "cat", read)
    out = guards(("sh",), tmp_path, PATH=f"{programs}:{os.environ['PATH']}")
    said = members(answer_in(out, "clean"))
    assert words in str(said.get("refused", ""))
    assert ("went on" in out) == (not words)


IP = """
echo "$*" >>"$LOG"
case "$*" in
  "-4 rule show") cat "$RULES" ;;
  *"route show table"*) echo "default via 192.0.2.1 dev eth1" ;;
  "-d link show type vrf") echo "vrf table $VRF " ;;
esac
"""


@pytest.mark.parametrize(
    ("rules", "vrf", "flushed"),
    [
        ("", "200", []),
        ("9: from all fwmark 0x200/0xf00 lookup 2004", "7", ["2004"]),
        ("9: from 10.0.0.0/8 lookup 2004", "7", []),
        ("1: from all fwmark 0xd00/0xf00 lookup 200", "7", ["200"]),
        ("1: from all fwmark 0xd00/0xf00 lookup 200", "200", []),
        ("1: from all fwmark 0xd00/0xf00 lookup 200\n50: from 10.0.0.0/8 lookup 200", "7", []),
    ],
)
def test_only_tables_that_cilium_s_rules_alone_lead_to_are_emptied(
    tmp_path: Path, rules: str, vrf: str, flushed: list[str]
) -> None:
    text = text_of("clean")
    functions = [
        text[text.index(f"\n{name}() {{") : text.index("\n}\n", text.index(f"\n{name}() {{")) + 3]
        for name in ("rules", "ciliums_alone", "remove_routes")
    ]
    programs = tmp_path / "programs"
    program(programs, "ip", IP)
    (tmp_path / "rules").write_text(rules + "\n")
    told = {"PATH": f"{programs}:/usr/bin:/bin", "LOG": f"{tmp_path}/log", "RULES": f"{tmp_path}/rules", "VRF": vrf}
    lines = ['tool() { case $1 in ip) "$@" ;; esac; }', "removed() { :; }", *functions, "remove_routes"]
    subprocess.run(["sh", "-c", "\n".join(lines)], env=told, check=True, timeout=60)
    calls = (tmp_path / "log").read_text().splitlines()
    assert [call.rpartition(" ")[2] for call in calls if "route flush" in call] == flushed


# Between two CNIs

FLANNEL = {"OLD": "*flannel.conflist", "FILES": "*flannel.conflist", "FOLDERS": "/run/flannel /etc", "CHAINS": ""}
NOTHING = {"LINKS": "", "EMPTIED": "", "TABLES": "", "RANGES": "", "NODES": ""}


def cni_folder(host: Path, *names: str) -> Path:
    folder = host / "etc/cni/net.d"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("{}")
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_node_gets_the_other_cnis_configuration_back_and_loses_ciliums(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    folder = cni_folder(tmp_path, "05-cilium.conflist", "10-flannel.conflist.cilium_bak", "20-other.conf.cilium_bak")
    said = members(answer_in(run(shell, "give-back", tmp_path, **FLANNEL), "give-back"))
    assert names_in(folder) == ["10-flannel.conflist", "20-other.conf"]
    assert said["left"] == ""
    assert "/etc/cni/net.d/05-cilium.conflist" in said["removed"]
    again = members(answer_in(run(shell, "give-back", tmp_path, **FLANNEL), "give-back"))
    assert (again["removed"], again["left"]) == ("", "")


def test_a_node_that_would_be_left_without_any_cni_is_not_touched(shell: tuple[str, ...], tmp_path: Path) -> None:
    folder = cni_folder(tmp_path, "05-cilium.conflist", "20-other.conf.cilium_bak")
    said = members(answer_in(run(shell, "give-back", tmp_path, **FLANNEL), "give-back"))
    assert "no configuration of the other CNI" in said["refused"]
    assert names_in(folder) == ["05-cilium.conflist", "20-other.conf.cilium_bak"]


def test_what_the_old_cni_left_is_removed_and_nobody_elses(shell: tuple[str, ...], tmp_path: Path) -> None:
    folder = cni_folder(tmp_path, "05-cilium.conflist", "10-flannel.conflist.cilium_bak", "20-other.conf")
    (tmp_path / "run/flannel").mkdir(parents=True)
    (tmp_path / "run/flannel/subnet.env").touch()
    said = members(answer_in(run(shell, "retire", tmp_path, **FLANNEL, **NOTHING), "retire"))
    assert names_in(folder) == ["05-cilium.conflist", "20-other.conf"]
    assert not (tmp_path / "run/flannel").exists()
    # A folder that is not below one of the few where CNIs keep theirs is never removed.
    assert (tmp_path / "etc").exists()
    assert said["left"] == ""
    assert said["removed"].splitlines() == ["/etc/cni/net.d/10-flannel.conflist.cilium_bak", "/run/flannel"]


@pytest.mark.parametrize(
    ("wide", "own"),
    [("10.244.0.0/16", []), ("10.244.0.0/15", ["route 10.245.1.0/24 via 192.0.2.1 dev eth0"])],
    ids=["its range", "wider"],
)
def test_routes_to_the_old_pods_and_the_addresses_of_a_device_that_stays_go(
    wide: str, own: list[str], tmp_path: Path
) -> None:
    if subprocess.run(["unshare", "-rnm", "ip", "link"], capture_output=True, check=False).returncode:
        pytest.skip("a network namespace of one's own needs `unshare -rnm`, and iproute2")
    cni_folder(tmp_path, "05-cilium.conflist")
    network = """
        mount -t sysfs none /sys
        ip link set lo up
        ip link add eth0 type bridge && ip addr add 192.0.2.2/24 dev eth0 && ip link set eth0 up
        ip link add tun9 type bridge && ip addr add 10.244.2.1/32 dev tun9 && ip link set tun9 up
        ip route add 10.244.1.0/24 via 192.0.2.1 onlink dev eth0
        ip route add blackhole 10.244.9.0/26 proto bird
        ip route add blackhole 10.244.9.64/26 proto 80
        ip route add blackhole fd00:10:244:1::/64 proto 80
        ip route add 10.0.0.0/8 via 192.0.2.1
        ip route add 10.245.1.0/24 via 192.0.2.1
        ip route add 10.244.40.0/24 via 192.0.2.9
        ip route add 10.244.41.0/24 dev eth0
        ip route add blackhole 10.244.42.0/24
        ip route add default via 192.0.2.1
    """
    there = {"EMPTIED": "tun9 tun8", "RANGES": f"{wide} fd00:10:244::/56", "NODES": "192.0.2.2 192.0.2.1"}
    told = {**FLANNEL, **NOTHING, **there}
    said = members(answer_in(run(("unshare", "-rnm", "sh"), "retire", tmp_path, before=network, **told), "retire"))
    assert said["left"] == ""
    assert sorted(said["removed"].splitlines()) == [
        "addresses of tun9",
        "route 10.244.1.0/24 via 192.0.2.1 dev eth0",
        *own,
        "route blackhole 10.244.9.0/26",
        "route blackhole 10.244.9.64/26",
        "route blackhole fd00:10:244:1::/64",
    ]


@pytest.mark.parametrize("names", ["filter\n", ""], ids=["in use", "not in use"])
def test_rules_of_the_older_iptables_are_looked_at_where_it_is_in_use(names: str, tmp_path: Path) -> None:
    tables = tmp_path / "ip_tables_names"
    tables.write_text(names)
    cni_folder(tmp_path, "05-cilium.conflist")
    programs = tmp_path / "programs"
    program(programs, "iptables-legacy-save", "printf '*nat\\n:FLANNEL-POSTRTG - [0:0]\\nCOMMIT\\n'")
    text = text_of("retire").replace("/proc/net/${family%tables}_tables_names", str(tables))
    told = {**FLANNEL, **NOTHING, "CHAINS": "FLANNEL-", "PATH": f"{programs}:/usr/bin:/bin"}
    left = members(answer_in(run_text(("sh",), text, "retire", tmp_path, **told), "retire"))["left"]
    assert left == ("iptables-legacy chain nat/FLANNEL-POSTRTG" if names else "")


def test_nothing_is_removed_where_cilium_is_not_in_charge(shell: tuple[str, ...], tmp_path: Path) -> None:
    folder = cni_folder(tmp_path, "10-flannel.conflist")
    said = members(answer_in(run(shell, "retire", tmp_path, **FLANNEL, **NOTHING), "retire"))
    assert "Cilium's configuration is not the first" in said["refused"]
    assert names_in(folder) == ["10-flannel.conflist"]
