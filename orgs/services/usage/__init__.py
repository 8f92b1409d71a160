"""What organizations use: counted as it happens, levels measured from time to time, both told over time."""
