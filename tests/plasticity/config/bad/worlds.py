"""What can be read and cannot be built, or does not go together: what is told of each."""

from .table import NETWORK, STRATEGIES, TUNNELS, Bad, put

FILES: Bad = {
    "network and networks": (
        put("stretch: 5", f"stretch: 5\nnetworks: [{NETWORK}]"),
        [
            "15:11: networks: expected either `network` (one) or `networks` (a list of at least one), got both"
        ],
    ),
    "strategy and strategies": (
        put("stretch: 5", "stretch: 5\nstrategy: {type: Frozen}"),
        [
            "13:13: strategies: expected either `strategy` (one) or `strategies` (a list of at least one), got both"
        ],
    ),
    "no strategies": (
        put(STRATEGIES, "[]"),
        [
            "13:13: strategies: expected either `strategy` (one) or `strategies` (a list of at least one), got"
        ],
    ),
    "no network": (
        put(f"network: {NETWORK}\n", ""),
        [
            "1:1: networks: expected either `network` (one) or `networks` (a list of at least one), got neither"
        ],
    ),
    "strategy twice": (
        put("{type: Frozen}, ", "{type: Finetune}, "),
        ["13:13: strategies: Finetune is there twice"],
    ),
    "strategy twice with arguments": (
        put(STRATEGIES, "[{type: EWC, strength: 3}, {type: EWC, strength: 3}]"),
        ["13:13: strategies: EWC is there twice"],
    ),
    "seed twice": (
        put("stretch: 5", "stretch: 5\nseeds: [0, 1, 0]"),
        ["15:8: seeds: each seed once, got [0, 1, 0]"],
    ),
    "name with a slash": (
        put("name: tiny", "name: a/b"),
        ["1:7: name: expected 1 to 100 printable bytes, without / and"],
    ),
    "name empty": (
        put("name: tiny", "name: ''"),
        ["1:7: name: expected 1 to 100 printable bytes, without / and"],
    ),
    "no end with several cells": (
        put("steps: 10", "steps: null"),
        ["7:10: stream.steps: null has no end, and 2 cells would wait for one: expected one cell"],
    ),
    "alphabets": (
        put("0.5}]", "0.5}, {type: Markov, symbols: 4}]"),
        [
            "3:3: stream: tunnels whose alphabets differ: tunnels[1] (Markov) has vocab 4, tunnels[0] (Markov) has"
        ],
    ),
    "no tunnel": (
        put(TUNNELS, "[]"),
        ["4:12: stream.tunnels: expected at least one tunnel, got an empty list"],
    ),
    "time": (
        put("Markov, symbols: 3, concentration: 0.5", "Binding"),
        [
            "9:9: stream.time: Binding with 19 pairs makes sequences of 37 symbols (2 * pairs - 1), not 6"
        ],
    ),
    "heads": (
        put("heads: 2", "heads: 3"),
        [
            "11:10: network: width 8 does not divide into 3 heads of an even number of channels (rotary positions"
        ],
    ),
    "chain lr": (
        put("{type: Finetune}", "{type: Chain, parts: [{type: EWC, lr: 0.1}]}"),
        ["13:51: strategies.1.parts: EWC has lr 0.1: expected lr beside `parts`"],
    ),
    "chain trainable": (
        put("{type: Finetune}", "{type: Chain, parts: [{type: Frozen}, {type: GDumb}]}"),
        [
            "13:51: strategies.1.parts: Frozen and GDumb each replace `update`: expected one part at most"
        ],
    ),
    "plugin unknown": (
        put("{type: Finetune}", "{type: AvalanchePlugin, plugin: EWCPlugn}"),
        [
            "13:62: strategies.1.plugin: nobody has tried to host 'EWCPlugn'. Did you mean 'EWCPlugin'? Known:"
        ],
    ),
    "plugin refused": (
        put("{type: Finetune}", "{type: AvalanchePlugin, plugin: LwFPlugin}"),
        [
            "13:62: strategies.1.plugin: LwFPlugin cannot be hosted: it gathers an experience's labels in a set, and"
        ],
    ),
    "plugin argument": (
        put(
            "{type: Finetune}",
            "{type: AvalanchePlugin, plugin: EWCPlugin, arguments: {ewc_lamda: 1}}",
        ),
        [
            "13:84: strategies.1.arguments: unknown key 'ewc_lamda'. Did you mean 'ewc_lambda'? EWCPlugin takes:"
        ],
    ),
    "needs shifts": (
        put("{type: Finetune}", "{type: EWC}") + "announce_shifts: false\n",
        [
            "13:30: strategies.1: EWC works at shifts: expected announce_shifts: true, or a detector; as it is it"
        ],
    ),
    "lrs": (
        put("{steps: 0}", "{steps: 0, lrs: {Lstm: 0.1}}"),
        ["12:34: pretrain.lrs.Lstm: there is no network of this name. Did you mean 'LSTM'?"],
    ),
    "gpu": (
        put("{threads: 1}", "{threads: 1, accelerator: gpu}"),
        ["16:37: hardware.accelerator: expected cpu or auto, got gpu: none is found here"],
    ),
    "online": (
        put("mode: disabled", "mode: online"),
        ["15:15: wandb.mode: expected offline, got online: nobody is logged in, see `wandb login`"],
    ),
    "hazard": (
        put("Recurring", "Hazard")
        .replace("  period: 5\n", "")
        .replace("regimes: 2", "regimes: 2\n  hazard: 0.9"),
        [
            "6:11: stream.hazard: expected at most (regimes - 1) / regimes = 1/2, where every step is a draw of its"
        ],
    ),
    "file": (
        put("Recurring", "FromFile")
        .replace("  period: 5\n", "")
        .replace("  regimes: 2\n", "")
        .replace("  steps: 10\n", "  file: god.yaml\n"),
        ["5:9: stream.file: there is no file god.yaml. Did you mean 'good.yaml'?"],
    ),
    "memory": (put("symbols: 3", "symbols: 100000000"), ["3:3: stream: Unable to allocate"]),
    "every part at once": (
        put("heads: 2", "heads: 3")
        .replace("{type: Finetune}", "{type: EWC}, {type: AvalanchePlugin, plugin: LwFPlugin}")
        .replace("0.5}]", "0.5}]\n  hold: []")
        .replace("{threads: 1}", "{threads: 1, accelerator: gpu}")
        + "announce_shifts: false\n",
        [
            "5:9: stream.hold: expected episode or regime at least once, got an empty list",
            "14:30: strategies.1: EWC works at shifts: expected announce_shifts: true, or a detector; as it is it",
            "14:75: strategies.2.plugin: LwFPlugin cannot be hosted: it gathers an experience's labels in a set, and",
            "17:37: hardware.accelerator: expected cpu or auto, got gpu: none is found here",
        ],
    ),
    "many levels": (
        put("period: 5", "period: 0")
        .replace("Finetune", "Finetuna")
        .replace("name: tiny", "nam: tiny")
        .replace("heads: 2", "heads: two")
        .replace("symbols: 3", "symbol: 3"),
        [
            "1:1: nam: unknown key 'nam'. Did you mean 'name'? Experiment takes:",
            "4:28: stream.tunnels.0.symbol: unknown key 'symbol'. Did you mean 'symbols'? Markov takes:",
            "6:11: stream.period: expected an integer of 1 or more, got 0",
            "11:57: network.heads: expected an integer of 1 or more, got 'two'",
            "13:37: strategies.1.type: unknown strategy 'Finetuna'. Did you mean 'Finetune'? Known:",
        ],
    ),
    "empty chain part": (
        put("{type: Finetune}", "{type: Chain, parts: [{}]}"),
        [
            "13:52: strategies.1.parts.0: expected a mapping with a 'type' key, got an empty mapping. Known:"
        ],
    ),
    "null seeds": (
        put("stretch: 5", "stretch: 5\nseeds:"),
        ["15:7: seeds: expected a list, got null"],
    ),
    "network null": (
        put(f"network: {NETWORK}", "network:"),
        [
            "1:1: networks: expected either `network` (one) or `networks` (a list of at least one), got neither"
        ],
    ),
}
