"""Keys and types of classes that nobody knows, or that are missing: what is told of each."""

from .table import NETWORK, STRATEGIES, TUNNELS, Bad, put

FILES: Bad = {
    "key at the top": (
        put("stretch:", "strech:"),
        ["14:1: strech: unknown key 'strech'. Did you mean 'stretch'? Experiment takes:"],
    ),
    "key in the stream": (
        put("period:", "perid:"),
        ["6:3: stream.perid: unknown key 'perid'. Did you mean 'period'? Recurring takes:"],
    ),
    "key in a tunnel": (
        put("symbols: 3", "symbol: 3"),
        [
            "4:28: stream.tunnels.0.symbol: unknown key 'symbol'. Did you mean 'symbols'? Markov takes:"
        ],
    ),
    "key in the network": (
        put("width: 8", "widht: 8"),
        ["11:30: network.widht: unknown key 'widht'. Did you mean 'width'? Transformer takes:"],
    ),
    "key in a strategy": (
        put("{type: Finetune}", "{type: EWC, strenght: 3}"),
        [
            "13:42: strategies.1.strenght: unknown key 'strenght'. Did you mean 'strength'? EWC takes:"
        ],
    ),
    "key in a part of a chain": (
        put("{type: Finetune}", "{type: Chain, parts: [{type: Replay, capcity: 3}]}"),
        [
            "13:67: strategies.1.parts.0.capcity: unknown key 'capcity'. Did you mean 'capacity'? Replay takes:"
        ],
    ),
    "key of an upper case": (
        put("stretch:", "Stretch:"),
        ["14:1: Stretch: unknown key 'Stretch'. Did you mean 'stretch'? Experiment takes:"],
    ),
    "key in pretrain": (
        put("{steps: 0}", "{step: 0}"),
        ["12:12: pretrain.step: unknown key 'step'. Did you mean 'steps'? Pretrain takes:"],
    ),
    "key in updates": (
        put("stretch: 5", "stretch: 5\nupdates: {par: chunk}"),
        ["15:11: updates.par: unknown key 'par'. Did you mean 'per'? Updates takes:"],
    ),
    "key that the engine gives": (
        put("width: 8", "vocab: 8"),
        ["11:30: network.vocab: key 'vocab' is filled in by the engine: leave it out"],
    ),
    "key of another class": (
        put("{type: Frozen}", "{type: Frozen, capacity: 3}"),
        ["13:29: strategies.0.capacity: unknown key 'capacity'. Frozen takes:"],
    ),
    "key that is a number": (
        put("stretch: 5", "5: stretch"),
        ["14:1: 5: unknown key '5'. Experiment takes:"],
    ),
    "nothing but the name": (
        "name: tiny\n",
        ["1:1: missing key 'stream': expected a mapping with a 'type' key"],
    ),
    "no tunnels": (
        put(f"  tunnels: {TUNNELS}\n", ""),
        ["3:3: stream: missing key 'tunnels': expected a list"],
    ),
    "type missing": (
        put("{type: Frozen}", "{}"),
        ["13:14: strategies.0: expected a mapping with a 'type' key, got an empty mapping. Known:"],
    ),
    "type missing beside arguments": (
        put("{type: Finetune}", "{strength: 3}"),
        [
            "13:30: strategies.1: expected a mapping with a 'type' key, got the keys strength. Known:"
        ],
    ),
    "type is a number": (
        put("type: Frozen", "type: 3"),
        ["13:21: strategies.0.type: expected the name of a strategy, got 3. Known:"],
    ),
    "type is null": (
        put("type: Frozen", "type:"),
        ["13:20: strategies.0.type: expected the name of a strategy, got null. Known:"],
    ),
    "type is a list": (
        put("type: Frozen", "type: [Frozen]"),
        ["13:21: strategies.0.type: expected the name of a strategy, got a list. Known:"],
    ),
    "unknown stream": (
        put("Recurring", "Recuring"),
        ["3:9: stream.type: unknown stream 'Recuring'. Did you mean 'Recurring'? Known:"],
    ),
    "unknown tunnel": (
        put("Markov", "Marcov"),
        ["4:20: stream.tunnels.0.type: unknown tunnel 'Marcov'. Did you mean 'Markov'? Known:"],
    ),
    "unknown network": (
        put("Transformer", "Tranformer"),
        ["11:17: network.type: unknown network 'Tranformer'. Did you mean 'Transformer'? Known:"],
    ),
    "unknown strategy": (
        put("Finetune", "Fintune"),
        ["13:37: strategies.1.type: unknown strategy 'Fintune'. Did you mean 'Finetune'? Known:"],
    ),
    "case": (
        put("Finetune", "finetune"),
        ["13:37: strategies.1.type: unknown strategy 'finetune'. Did you mean 'Finetune'? Known:"],
    ),
    "far strategy": (
        put("Finetune", "Zzz"),
        [
            "13:37: strategies.1.type: unknown strategy 'Zzz'. Is its package installed (pip install --editable"
        ],
    ),
    "strategy for a network": (
        put(NETWORK, "{type: EWC}"),
        ["11:17: network.type: unknown network 'EWC'. EWC is a strategy. Known:"],
    ),
    "unknown optimizer": (
        put("stretch: 5", "stretch: 5\noptimizer: {type: Adam}"),
        ["15:19: optimizer.type: unknown optimizer 'Adam'. Did you mean 'AdamW'? Known:"],
    ),
    "unknown detector": (
        put("stretch: 5", "stretch: 5\ndetector: {type: PageHinkly}"),
        ["15:18: detector.type: unknown detector 'PageHinkly'. Did you mean 'PageHinkley'? Known:"],
    ),
    "bare name": (
        put(NETWORK, "Transformer"),
        [
            "11:10: network: expected a mapping with a 'type' key, got ... Did you mean {type: Transformer}?"
        ],
    ),
    "bare name of nothing": (
        put(NETWORK, "Transfomer"),
        [
            "11:10: network: expected a mapping with a 'type' key, got ... Did you mean {type: Transformer}?"
        ],
    ),
    "null for a stream": (
        "stream:\n" + f"network: {NETWORK}\nstrategies: {STRATEGIES}\n",
        ["1:8: stream: expected a mapping with a 'type' key, got null. Known:"],
    ),
}
