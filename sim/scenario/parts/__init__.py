"""The parts of a scenario: what each may say, its defaults and limits of single fields."""
