"""The JSON schema that an editor reads."""

from plasticity.config.json_schema import json_schema

from .schema_world import CONTRACTS, Experiment


def test_json_schema_says_what_the_editor_needs():
    schema = json_schema(Experiment, CONTRACTS)
    assert schema["required"] == ["stream", "network"]
    assert schema["additionalProperties"] is False
    assert schema["description"] == "One YAML file."
    assert schema["properties"]["strategies"]["items"] == {"$ref": "#/$defs/Strategy"}
    assert schema["properties"]["optimizer"]["default"]["betas"] == [0.9, 0.999]
    strategy = schema["$defs"]["Strategy"]
    named = strategy["properties"]["type"]
    assert [each["body"] for each in named["defaultSnippets"]] == ["Chain", "EWC", "Finetune"]
    assert not {"enum", "const"} & named.keys(), "a wrong name is complained of once, by anyOf"
    chain = strategy["anyOf"][0]
    said = {"title": "Chain", "description": chain["description"]}
    assert chain["properties"]["type"] == {"const": "Chain"} | said
    assert chain["properties"]["parts"] == {"items": {"$ref": "#/$defs/Strategy"}, "type": "array"}
    assert chain["required"] == ["type", "parts"]
    markov = schema["$defs"]["Tunnel"]["anyOf"][0]
    assert markov["description"] == "Symbols that follow symbols."
    told = {"type": "integer", "minimum": 1, "default": 6, "description": "size of the alphabet."}
    assert markov["properties"]["symbols"] == told
    assert schema["$defs"]["Pretrain"]["properties"]["steps"]["description"] == "how many."
