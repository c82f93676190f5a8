# SPDX-License-Identifier: BSD-2-Clause
"""The page of an evaluation, of records that are known."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/eval"))

import eval as E  # noqa: E402: found by the path above
import report  # noqa: E402: likewise
from measure import line_pps  # noqa: E402: likewise

SIZES = (64, 512, 1518)
RATES = {"wire-nic-cpu": (1.0, 1.0, 1.0), "wire-nic-cpu-gpu": (0.5, 1.0, 1.0), "wire-nic-gpu": (0.2, 0.4, 0.5),
         "wire-nic-cpu-2-planes": (0.9,), "wire-bare": (1.0, 1.0, 1.0), "veth-nic-cpu": (0.1, 0.1, 0.1),
         "veth-kernel": (0.05, 0.1, 0.2)}


def records(key, shares):
    for repetition in range(2):
        for size, share in zip(SIZES, shares):
            common = {"setup": key, "repetition": repetition, "frame_bytes": size, "flows": 1, "routes": 1}
            rate = share * line_pps(size)
            yield {**common, "experiment": "rtt", "rtt_mean_ms": 0.1}
            yield {**common, "experiment": "highest", "received_pps": rate, "received_gbps": 8e-9 * size * rate,
                   "cpu_percent": 60, "cpu_stand_ins_percent": 40, "cpu_threads": {"plane0": 60, "emulator": 40},
                   "generator_limit": "none", "sent_pps": line_pps(size), "loss_percent": 100 * (1 - share),
                   "foreign_cpu": 0}
            yield {**common, "experiment": "no_drop", "no_drop_pps": rate / 2, "resolution_pps": 1}
            for load in (10, 50, 90):
                yield {**common, "experiment": "latency", "load_percent": load, "loss_percent": 0, "sent_pps": 1e6,
                       "lost_by_generator": 0,
                       "latency_p50_us": 10, "latency_p99_us": 20, "latency_p99.9_us": 30}


@pytest.fixture
def data():
    planes = {"wire-bare": 0, "wire-nic-cpu-2-planes": 2}
    return {"about": {"trial_s": 1}, "quick": True, "left_out": {"veth-l3fwd": "DPDK is not installed"}, "damaged": {},
            "setups": {key: {"title": key.upper(), "mode": None if key in ("veth-kernel", "wire-bare") else "nic-cpu",
                             "emulated": "it", "planes": planes.get(key, 1)} for key in RATES},
            "records": [record for key, shares in RATES.items() for record in records(key, shares)]}


def row(page, start):
    (line,) = [line for line in page.splitlines() if line.startswith(start)]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_line_rate_beside_the_original(data):
    assert row(report.page(data), "| 10 Gb/s line rate from frames of, here") == \
        ["64 bytes", "512 bytes", "none: 50% at 1518 bytes"]
    for record in data["records"]:
        if record["experiment"] == "no_drop" and record["setup"] == "wire-nic-cpu-gpu" and record["frame_bytes"] > 64:
            record["no_drop_pps"] = 0.985 * line_pps(record["frame_bytes"])
    assert row(report.page(data), "| and without loss (98 %), from frames of, here") == \
        ["none: 50% at 1518 bytes", "512 bytes", "none: 25% at 1518 bytes"]


def test_line_rate_is_of_the_sizes_that_were_measured(data):
    """A run that was interrupted lacks some."""
    data["records"] = [r for r in data["records"] if r["setup"] != "wire-nic-cpu-gpu" or r["frame_bytes"] < 1518]
    assert row(report.page(data), "| 10 Gb/s line rate from frames of, here") == \
        ["64 bytes", "512 bytes", "none: 50% at 1518 bytes"]
    data["records"] = [r for r in data["records"] if r["setup"] != "wire-nic-cpu-gpu" or r["experiment"] == "rtt"]
    assert row(report.page(data), "| 10 Gb/s line rate from frames of, here")[1] == "not measured"


def test_latency_beside_the_original_and_without_a_router(data):
    for record in data["records"]:
        if record["setup"] == "wire-nic-gpu" and record.get("load_percent") == 50:
            record["latency_p50_us"] = 400 + 100 * record["repetition"]
    page = report.page(data)
    assert row(page, "| One way, 64 bytes, half of what passes without loss, median, here") == \
        ["0.010 ms", "0.010 ms", "0.450 (0.400 to 0.500) ms"]
    assert [line for line in page.splitlines() if line.startswith("| WIRE-BARE, wire | 64 | 50 %")] == \
        ["| WIRE-BARE, wire | 64 | 50 % | 10 | 20 | 30 | 0.000 % | 0 |"]
    assert "| WIRE-BARE, wire | 14.88 | " not in page  # there is no router whose rate this would be


def test_ratios_to_others(data):
    page = report.page(data)
    assert "| WIRE-BARE, wire | 64 | 0." not in page
    ratios = {int(cells[0]): cells[1:] for line in page.splitlines() if line.startswith("| VETH-KERNEL, veth | ")
              and len(cells := [c.strip() for c in line.strip("|").split("|")][1:]) == 6 and cells[0].isdigit()}
    assert ratios == {64: ["2.00"] * 3 + ["14.88"] * 2, 512: ["1.00"] * 3 + ["2.35"] * 2,
                      1518: ["0.50"] * 3 + ["0.81"] * 2}


def test_ratios_on_devices(data):
    """The same there, if the kernel has them."""
    for record in data["records"]:
        record["setup"] = record["setup"].replace("veth", "dut")
    data["setups"] = {key.replace("veth", "dut"): one for key, one in data["setups"].items() if key.startswith("veth")}
    data["records"] = [r for r in data["records"] if r["setup"] in data["setups"]]
    page = report.page(data)
    assert row(page, "| VETH-KERNEL, dut | 64 | 2") == ["64", *["2.00"] * 3, *["14.88"] * 2]
    assert "veth" not in page[page.index("by others on the same wires"):page.index("## CPU load")]


def test_rates_of_many_flows_and_planes_are_shown_with_loss_and_without(data):
    """All of them, whatever they look like: none is in the figures only."""
    data["records"] = [r for r in data["records"] if "2-planes" not in r["setup"]]
    common = {"repetition": 0, "frame_bytes": 64, "flows": 1000, "routes": 1}
    for key, most, safe in (("wire-nic-cpu", 14.5e6, 9.2e6), ("wire-nic-cpu-2-planes", 13.9e6, 0.7e6)):
        data["records"] += [
            {**common, "setup": key, "experiment": "highest", "received_pps": most, "sent_pps": most, "cpu_threads": {},
             "generator_limit": "none", "loss_percent": 0, "foreign_cpu": 0, "cpu_percent": 50},
            {**common, "setup": key, "experiment": "no_drop", "no_drop_pps": safe, "resolution_pps": 1}]
    page = report.page(data)
    with_loss, without = page[page.index("Flows and routes"):page.index("## CPU load")].split("and without loss:")
    for part, one, two in ((with_loss, ["14.88", "14.50"], ["-", "13.90"]),
                           (without, ["7.440", "9.200"], ["-", "0.700"])):
        assert row(part, "| set-up") == ["1 flow, 1 IPv4 route", "1,000 flows, 1 IPv4 route"]
        assert row(part, "| WIRE-NIC-CPU, wire |") == one
        assert row(part, "| WIRE-NIC-CPU-2-PLANES, wire |") == two


def test_where_the_generator_was_the_limit_cells_say_so(data):
    assert report.DAGGER not in report.page(data)
    for record in data["records"]:
        if record["setup"] == "wire-nic-cpu" and record["experiment"] == "highest" and record["repetition"]:
            record["generator_limit"] = {64: "core", 512: "end", 1518: "core"}[record["frame_bytes"]]
            record["loss_percent"] = 2 if record["frame_bytes"] == 1518 else 0
        if record["setup"] == "wire-nic-gpu" and record["experiment"] == "no_drop" and record["frame_bytes"] == 512:
            record["generator_limited"] = True
    page = report.page(data)
    most, safe = page[page.index("Received, in Mpps"):].split("Without any loss")[:2]
    assert row(most, "| WIRE-NIC-CPU, wire |") == [f"14.88 {report.DAGGER}", "2.35", "0.81"]
    assert row(safe[:safe.index("Flows")], "| WIRE-NIC-GPU, wire |") == ["1.488", f"0.470 {report.DAGGER}", "0.203"]
    assert page.count(f"{report.DAGGER}: the generator was the limit") == 2


def test_a_search_in_which_nothing_passed_says_where_it_ended(data):
    for record in data["records"]:
        if record["experiment"] == "no_drop" and record["setup"] in ("veth-kernel", "wire-nic-gpu"):
            if record["setup"] == "veth-kernel" or record["repetition"]:
                record |= {"no_drop_pps": 0.0, "resolution_pps": 54_000 + 1000 * record["repetition"]}
    part = report.page(data).split("Without any loss")[1].split("Flows and routes")[0]
    assert row(part, "| VETH-KERNEL, veth |") == ["< 0.055"] * 3
    assert row(part, "| WIRE-NIC-GPU, wire |")[0] == "0.744 (0.000 to 1.488)"


@pytest.mark.parametrize("lost, told", [({}, "2000 (0 to 4000) frames"),
                                        ({"lost": 8000, "loss_percent": 0.4}, "0.100 (0.000 to 0.200) %"),
                                        ({"lost": 0, "loss_percent": 0}, "0.000 %")])
def test_what_of_the_loss_was_the_generators(data, lost, told):
    for record in data["records"]:
        if record["setup"] == "wire-nic-cpu" and record.get("load_percent") == 90 and record["frame_bytes"] == 64:
            record |= {"lost_by_generator": 4000 * record["repetition"], **lost}
    assert row(report.page(data), "| WIRE-NIC-CPU, wire | 64 | 90 % |")[-1] == told


def test_how_rates_without_loss_were_found_is_said_as_it_was(data):
    assert "counts as one by the router" in report.page(data) and "confirmed" not in report.page(data)
    for record in data["records"]:
        if record["experiment"] == "no_drop":
            record |= {"confirm_s": 3, "generator_limited": False}
    page = report.page(data)
    assert "counts as one by the router" not in page
    assert "confirmed by a trial of 3 s" in page


def test_cores_of_each_set_up_are_shown_if_known(data):
    assert "| cores |" not in report.page(data)
    data["setups"]["wire-nic-cpu"]["cores"] = "generator on 0, all else on 1"
    assert row(report.page(data), "| WIRE-NIC-CPU, wire | it") == ["it", "generator on 0, all else on 1"]


def test_planes_beside_each_other(data):
    assert "ratio |" not in report.page(data)
    data["planes"] = {"planes": 2, "arithmetic": {"ratio": {"min": 1.2, "median": 1.3, "max": 1.4}},
                      "cases": [{"name": "IPv4, 1 route", "one_mpps": {"min": 80, "median": 90, "max": 90.5},
                                 "all_mpps": {"min": 150, "median": 160, "max": 170},
                                 "ratio": {"min": 1.5, "median": 1.75, "max": 1.8}}]}
    page = report.page(data)
    assert row(page, "| IPv4, 1 route |") == ["90.0 (80.0 to 90.5)", "160.0 (150.0 to 170.0)", "1.75 (1.50 to 1.80)"]
    assert row(page, "| arithmetic alone")[-1] == "1.30 (1.20 to 1.40)"


def test_noise_of_every_quantity_is_stated(data):
    page = report.page(data)
    assert [cell for cell in row(page[page.index("## Noise"):], "| WIRE-NIC-CPU, wire |")] == ["2%"] * 7


def test_what_is_known_too_badly_is_said(data):
    assert "known too badly](#noise)" not in report.page(data)
    for record in data["records"]:
        if record["experiment"] == "latency":
            record["latency_p99_us"] *= 1 + 9 * record["repetition"]
    page = report.page(data)
    assert "More than half of the figures of latency p99 are [known too badly]" in page
    cells = row(page, "| *figures known too badly*")
    assert [cell.split()[0] for cell in cells] == ["0", "0", "0", "0", "0", cells[5].split()[-1], "0"]
    assert cells[5] != "0 of 0"


def test_what_is_left_out_or_damaged_is_said(data):
    assert "- veth-l3fwd: DPDK is not installed" in report.page(data)
    assert "came out wrong" not in report.page(data)
    data["records"][1]["reordered"] = 3
    data["records"][2]["reordered"] = 4
    data["damaged"] = E.damaged(data["records"])
    assert "- WIRE-NIC-CPU, wire: 7 reordered" in report.page(data)


def test_a_set_up_that_failed_on_its_way_has_what_was_measured(data):
    every = [r for r in data["records"] if r["setup"] == "wire-nic-gpu" and not r["repetition"]]
    others = [r for r in data["records"] if r["setup"] != "wire-nic-gpu"]
    data["left_out"]["wire-nic-gpu"] = "given up in repetition 1 of 2: no link"
    for n in range(len(every)):
        data["records"] = others + every[:n]
        page = report.page(data)
        assert "- wire-nic-gpu: given up in repetition 1 of 2: no link" in page
        sizes = sum(r["experiment"] == "highest" for r in every[:n])
        assert row(page, "| 10 Gb/s line rate from frames of, here")[2] == \
            ["not measured", "none: 20% at 64 bytes", "none: 40% at 512 bytes", "none: 50% at 1518 bytes"][sizes]


def test_figures_are_drawn(data, tmp_path):
    pytest.importorskip("matplotlib", reason="not installed: python3-matplotlib")
    report.write(tmp_path, data)
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "rtt.svg", "mpps.svg", "gbps.svg", "cpu.svg",
                                                         "lossless.svg"}


def test_nics_that_are_there(data):
    """The page says of them what is not real, and no more; they stand beside the original."""
    for record in data["records"]:
        record["setup"] = record["setup"].replace("wire-", "dut-")
    data["setups"] = {"dut-nic-cpu": {"title": "NIC-CPU", "mode": "nic-cpu", "emulated": "nothing", "planes": 1}}
    page = report.page(data)
    assert "No figure here is one of a NIC's" not in page and "*wire*" not in page
    assert row(page, "| NIC-CPU, dut | noth") == ["nothing"]
    assert row(page, "| 10 Gb/s line rate from frames of, here") == \
        ["64 bytes", "not measured", "not measured"]


# ---- README.md's block, and whether all is as the data gives it ----

@pytest.fixture
def published(data, tmp_path):
    """(folder, README.md) of an evaluation that has been written, but for the figures."""
    data["about"] |= {"cores": 2, "cpu": "a processor", "cores_used": "one each"}
    readme = tmp_path / "README.md"
    readme.write_text("# A router\n\n<!-- docs/evaluation -->\nold\n<!-- end -->\n\nThe end.\n")
    (tmp_path / "evaluation").mkdir()
    for path, text in report.texts(tmp_path / "evaluation", data, readme).items():
        path.write_text(text)
    return tmp_path / "evaluation", readme


def test_the_block_has_rates_with_loss_and_without(data, published):
    text = published[1].read_text()
    assert text.startswith("# A router\n\n<!-- docs/evaluation -->\n")
    assert text.endswith("<!-- end -->\n\nThe end.\n")
    assert "old" not in text and max(map(len, text.splitlines())) <= 120
    assert row(text, "| received at most") == ["14.88", "7.44", "2.98"]
    assert row(text, "| without loss") == ["7.44", "3.72", "1.49"]
    assert row(text, "| line rate (99 % received) from") == ["64 bytes", "512 bytes", "none: 50% at 1518 bytes"]
    data["setups"].pop("wire-nic-gpu")
    assert row(report.with_block(text, data), "| without loss") == ["7.44", "3.72", "not measured"]


def test_what_the_data_does_not_give_is_found(data, published):
    folder, readme = published
    assert report.differing(folder, data, readme) == []
    readme.write_text(readme.read_text().replace("7.44", "8.44"))
    assert report.differing(folder, data, readme) == [readme]
    assert report.differing(folder, data) == []
    (folder / "README.md").unlink()
    assert report.differing(folder, data) == [folder / "README.md"]


@pytest.mark.parametrize("text", ["# A router\n", 2 * "<!-- docs/evaluation -->\n<!-- end -->\n"])
def test_a_readme_without_its_block_is_an_error(data, text):
    data["about"] |= {"cores": 2, "cpu": "a processor", "cores_used": "one each"}
    with pytest.raises(ValueError, match="there must be one"):
        report.with_block(text, data)


def test_the_command_checks_and_writes(data, tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(data))

    def command(option):
        return subprocess.run(["/usr/bin/python3", E.__file__, option, "--out", tmp_path], text=True,
                              capture_output=True, check=False)
    (tmp_path / "README.md").write_text("# Other figures\n")
    told = command("--check")
    assert told.returncode == 1 and f"{tmp_path}/README.md is not what" in told.stderr
    assert (tmp_path / "README.md").read_text() == "# Other figures\n"
    pytest.importorskip("matplotlib", reason="not installed: python3-matplotlib")
    assert command("--page").returncode == 0
    assert command("--check").returncode == 0
    assert (tmp_path / "README.md").read_text() == report.page(data)
