"""The command `feedback`: composes the other rooms, imports them lazily, holds no rule of its own."""
