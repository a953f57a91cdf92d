"""The commands: parse arguments, call, render. Modules are loaded when their command is named."""
