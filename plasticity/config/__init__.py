"""Configuration: recipes, the schema generated from constructors, YAML with line numbers, plugins."""
