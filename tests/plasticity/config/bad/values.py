"""Values of a wrong type or out of bounds: what is told of each."""

from .table import STRATEGIES, Bad, put

FILES: Bad = {
    "word for an integer": (
        put("period: 5", "period: five"),
        ["6:11: stream.period: expected an integer of 1 or more, got 'five'"],
    ),
    "quoted integer": (
        put("period: 5", "period: '5'"),
        [
            "6:11: stream.period: expected an integer of 1 or more, got '5'. Did you mean 5, without quotes?"
        ],
    ),
    "real for an integer": (
        put("period: 5", "period: 5.5"),
        ["6:11: stream.period: expected an integer of 1 or more, got 5.5"],
    ),
    "true for an integer": (
        put("period: 5", "period: true"),
        ["6:11: stream.period: expected an integer of 1 or more, got true"],
    ),
    "yes for a switch": (
        put("stretch: 5", "stretch: 5\nannounce_shifts: yes"),
        ["15:18: announce_shifts: expected true or false, got 'yes'. Did you mean true?"],
    ),
    "number for a switch": (
        put("stretch: 5", "stretch: 5\nannounce_shifts: 1"),
        ["15:18: announce_shifts: expected true or false, got 1"],
    ),
    "word for a number": (
        put("{type: Finetune}", "{type: Finetune, lr: 1e-3x}"),
        ["13:51: strategies.1.lr: expected a number above 0 or null, got '1e-3x'"],
    ),
    "quoted number": (
        put("{type: Finetune}", "{type: Finetune, lr: '1e-3'}"),
        [
            "13:51: strategies.1.lr: expected a number above 0 or null, ... Did you mean 1e-3, without quotes?"
        ],
    ),
    "not a number": (
        put("{type: Finetune}", "{type: Finetune, lr: .nan}"),
        ["13:51: strategies.1.lr: expected a number above 0 or null, got nan"],
    ),
    "infinite": (
        put("{type: Finetune}", "{type: Finetune, lr: .inf}"),
        ["13:51: strategies.1.lr: expected a number above 0 or null, got inf"],
    ),
    "null for an integer": (
        put("period: 5", "period:"),
        ["6:10: stream.period: expected an integer of 1 or more, got null"],
    ),
    "number for a string": (put("name: tiny", "name: 5"), ["1:7: name: expected a string, got 5"]),
    "date for a string": (
        put("name: tiny", "name: [2026, 11]"),
        ["1:7: name: expected a string, got a list"],
    ),
    "list for a mapping": (
        put("pretrain: {steps: 0}", "pretrain: [steps, 0]"),
        ["12:11: pretrain: expected a mapping, got a list"],
    ),
    "number for a mapping": (
        put("pretrain: {steps: 0}", "pretrain: 2000"),
        ["12:11: pretrain: expected a mapping, got 2000"],
    ),
    "null for a mapping": (
        put("wandb: {mode: disabled}", "wandb:"),
        ["15:7: wandb: expected a mapping, got null"],
    ),
    "mapping for a list": (
        put(STRATEGIES, "{type: Frozen}"),
        ["13:13: strategies: expected a list, got a mapping. Did you mean a list of it, [{...}]?"],
    ),
    "word for a list": (
        put(STRATEGIES, "Frozen"),
        ["13:13: strategies: expected a list, got 'Frozen'"],
    ),
    "number for a list": (
        put("stretch: 5", "stretch: 5\nseeds: 3"),
        ["15:8: seeds: expected a list, got 3. Did you mean [3]?"],
    ),
    "words in a list": (
        put(STRATEGIES, "[Frozen, Finetun]"),
        [
            "13:14: strategies.0: expected a mapping with a 'type' key, got 'Frozen'. Did you mean {type: Frozen}?",
            "13:22: strategies.1: expected a mapping with a 'type' key, got 'Finetun'. Did you mean {type: Finetune}?",
        ],
    ),
    "list in a list": (
        put(STRATEGIES, "[[{type: Frozen}]]"),
        ["13:14: strategies.0: expected a mapping with a 'type' key, got a list. Known:"],
    ),
    "mapping for a number": (
        put("stretch: 5", "stretch: {every: 5}"),
        ["14:10: stretch: expected an integer of 1 or more, got a mapping"],
    ),
    "other of a few words": (
        put("mode: disabled", "mode: ofline"),
        [
            "15:15: wandb.mode: expected one of 'offline', 'online', 'disabled', got ... Did you mean 'offline'?"
        ],
    ),
    "no of a few words": (
        put("mode: disabled", "mode: no"),
        ["15:15: wandb.mode: expected one of 'offline', 'online', 'disabled', got 'no'"],
    ),
    "16-mixed": (
        put("{threads: 1}", "{threads: 1, precision: 16-mixed}"),
        [
            "16:35: hardware.precision: expected one of '32-true', 'bf16-mixed', ... Did you mean 'bf16-mixed'?"
        ],
    ),
    "a word in a union with a list": (
        put("  probe: 4", "  probe: 4\n  hold: regim"),
        [
            "11:9: stream.hold: expected one of 'episode', 'regime' or a list, got 'regim'. Did you mean 'regime'?"
        ],
    ),
    "a word in a list of a union": (
        put("  probe: 4", "  probe: 4\n  hold: [regime, episod]"),
        [
            "11:18: stream.hold.1: expected one of 'episode', 'regime', got 'episod'. Did you mean 'episode'?"
        ],
    ),
    "lrs value": (
        put("{steps: 0}", "{steps: 0, lrs: {LSTM: fast}}"),
        ["12:34: pretrain.lrs.LSTM: expected a number above 0, got 'fast'"],
    ),
    "zero steps": (
        put("steps: 10", "steps: 0"),
        ["7:10: stream.steps: expected an integer of 1 or more or null, got 0"],
    ),
    "negative seed": (
        put("stretch: 5", "stretch: 5\nseed: -1"),
        ["15:7: seed: expected an integer of 0 or more, got -1"],
    ),
    "fraction above one": (
        put("{type: Finetune}", "{type: EWC, decay: 1.5}"),
        ["13:49: strategies.1.decay: expected a number of 0 or more and up to 1, got 1.5"],
    ),
    "zero learning rate": (
        put("{type: Finetune}", "{type: Finetune, lr: 0}"),
        ["13:51: strategies.1.lr: expected a number above 0 or null, got 0"],
    ),
    "negative strength in a chain": (
        put("{type: Finetune}", "{type: Chain, parts: [{type: L2Init, strength: -1}]}"),
        ["13:77: strategies.1.parts.0.strength: expected a number of 0 or more, got -1"],
    ),
    "beta": (
        put("stretch: 5", "stretch: 5\noptimizer: {type: AdamW, betas: [0.9]}"),
        ["15:26: optimizer.betas: unknown key 'betas'. AdamW takes:"],
    ),
}
