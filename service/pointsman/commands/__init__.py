"""What the commands do: each takes the parsed options and the settings, and returns the exit code."""
