"""Files that are no YAML, or odd YAML: what is told of each."""

from ....calling import GOOD
from .table import NETWORK, STRATEGIES, Bad, put

FILES: Bad = {
    "empty": ("", [" the file is empty: expected a mapping"]),
    "only comments": ("# nothing yet\n\n", [" the file is empty: expected a mapping"]),
    "only a document mark": (
        "---\n",
        ["2:1: expected a mapping (key: value) at the top level, got null"],
    ),
    "null": ("null\n", ["1:1: expected a mapping (key: value) at the top level, got null"]),
    "a word": ("hello\n", ["1:1: expected a mapping (key: value) at the top level, got 'hello'"]),
    "a number": ("42\n", ["1:1: expected a mapping (key: value) at the top level, got 42"]),
    "a list": (
        "- name: tiny\n- stretch: 5\n",
        ["1:1: expected a mapping (key: value) at the top level, got a list"],
    ),
    "two documents": (
        GOOD + "---\nname: other\n",
        ["17:1: not valid YAML: a second document begins ('---'): expected one"],
    ),
    "tab indents": (
        put("  regimes: 2", "\tregimes: 2"),
        ["5:1: not valid YAML: a tab cannot stand here: indent by spaces"],
    ),
    "tab after a colon's mapping": (
        put("stream:\n  type", "stream:\n\ttype"),
        ["3:1: not valid YAML: a tab cannot stand here: indent by spaces"],
    ),
    "quote left open": (
        put("name: tiny", 'name: "tiny'),
        ["1:7: not valid YAML: a quote is opened and never closed"],
    ),
    "bracket left open": (
        put("heads: 2}", "heads: 2"),
        ["11:10: not valid YAML: a mapping that is not closed: expected ',' or '}'"],
    ),
    "list left open": (
        put("{type: Finetune}]", "{type: Finetune}"),
        ["13:13: not valid YAML: a list that is not closed: expected ',' or ']'"],
    ),
    "no space after colon": (
        put("name: tiny", "name:tiny"),
        ["1:5: not valid YAML: expected a space after ':'"],
    ),
    "two colons": (
        put("name: tiny", "name: tiny: small"),
        ["1:11: not valid YAML: a ':' or '-' does not fit here: indent, or quote it"],
    ),
    "indented differently": (
        put("  period: 5", "   period: 5"),
        ["6:10: not valid YAML: a ':' or '-' does not fit here: indent, or quote it"],
    ),
    "less indented": (
        put("  period: 5", " period: 5"),
        ["6:2: not valid YAML: this line is indented differently from its neighbours"],
    ),
    "dash without a space": (
        put(f"strategies: {STRATEGIES}", "strategies:\n  -{type: Frozen}\n  -{type: Finetune}"),
        [
            "14:3: strategies: expected a space after '-' in '-{type'",
            "15:3: strategies: expected a space after '-' in '-{type'",
        ],
    ),
    "unquoted percent": (
        put("name: tiny", "name: %tiny"),
        ["1:7: not valid YAML: this character cannot begin a value: quote the text"],
    ),
    "unquoted at": (
        put("name: tiny", "name: @tiny"),
        ["1:7: not valid YAML: this character cannot begin a value: quote the text"],
    ),
    "key twice": (
        put("  steps: 10\n", "  steps: 10\n  steps: 11\n"),
        ["8:3: stream.steps: key 'steps' is there already in line 7"],
    ),
    "key twice in braces": (
        put("width: 8", "width: 8, width: 9"),
        ["11:40: network.width: key 'width' is there already in line 11"],
    ),
    "unknown anchor": (
        put(f"network: {NETWORK}", "network: *mine"),
        ["11:10: not valid YAML: there is no anchor of this name above"],
    ),
    "anchor in itself": (
        put(f"network: {NETWORK}", "network: &me [*me]"),
        [
            "11:10: network: expected a mapping with a 'type' key, got a list. Known:",
            "11:10: network.0: this anchor contains itself",
        ],
    ),
    "merge of a number": (
        put("{type: Frozen}", "{<<: 3, type: Frozen}"),
        ["13:19: strategies.0: after << belongs another mapping, or several"],
    ),
    "python tag": (
        put("name: tiny", "name: !!python/object:os.system tiny"),
        ["1:7: name: unknown tag '!!python/object:os.system'"],
    ),
    "own tag": (
        put("{type: Frozen}", "!Frozen {}"),
        ["13:14: strategies.0: unknown tag '!Frozen'"],
    ),
    "list as a key": (
        put("name: tiny", "[a, b]: tiny"),
        ["1:1: expected a word for a key, got a list or mapping"],
    ),
    "byte-order mark and a wrong key": (
        "\ufeff" + put("name:", "nam:"),
        ["1:1: nam: unknown key 'nam'. Did you mean 'name'? Experiment takes:"],
    ),
    "Windows line ends and a wrong key": (
        put("stretch:", "strech:").replace("\n", "\r\n"),
        ["14:1: strech: unknown key 'strech'. Did you mean 'stretch'? Experiment takes:"],
    ),
    "old Mac line ends and a wrong key": (
        put("stretch:", "strech:").replace("\n", "\r"),
        ["14:1: strech: unknown key 'strech'. Did you mean 'stretch'? Experiment takes:"],
    ),
    "UTF-16": (GOOD.encode("utf-16"), ["1:1: not a text file: it is not UTF-8 here"]),
    "Latin-1": (
        put("name: tiny", "name: t\xefny").encode("latin-1"),
        ["1:8: not a text file: it is not UTF-8 here"],
    ),
    "binary": (
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        ["1:1: not a text file: it is not UTF-8 here"],
    ),
    "zero bytes": (b"\0\0\0", ["1:1: not valid YAML: character 0x00 is not allowed"]),
    "JSON with a trailing comma and a wrong key": (
        '{"nam": "x", "stream": {"type": "Recurring", "tunnels": [{"type": "Markov"}],},}',
        ["1:2: nam: unknown key 'nam'. Did you mean 'name'? Experiment takes:"],
    ),
}
