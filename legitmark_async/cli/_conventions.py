"""What holds for all commands: the exit statuses, and what `-` stands for."""

ALL_DONE = 0
SOME_FAILED = 1
WRONG_USAGE = 2
NOTHING_DONE = 3
# A signal adds its number, as shells have it.
BY_SIGNAL = 128

# What `-` as a FILE becomes, so that it isn't taken for an option; and what messages call it.
STDIN = "<stdin>"
