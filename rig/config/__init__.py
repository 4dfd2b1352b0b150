"""What is written by people: YAML files read into frozen models, every mistake with its file and line."""
