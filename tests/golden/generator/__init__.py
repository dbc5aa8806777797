"""The parts of `make.py`: the cases by area, and what records and writes them."""
