"""Completion of the command's options by a shell: a script that is made of the parser."""

import argparse

SHELLS = ("bash", "fish", "zsh")

_BASH = """\
# In ~/.bashrc:  eval "$(fastlr completion bash)"
_fastlr() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} words=
    case "$command $previous" in
{choices}
    esac
    if [[ -z $words && $COMP_CWORD -eq 1 ]]; then
        words="{commands}"
    elif [[ -z $words && $word == -* ]]; then
        case $command in
{options}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _fastlr fastlr
"""
_ZSH = """\
# In ~/.zshrc:  eval "$(fastlr completion zsh)"
autoload -U +X compinit bashcompinit && compinit && bashcompinit
"""


def script(shell: str, subcommands: dict[str, argparse.ArgumentParser]) -> str:
    """Write the script that teaches a shell the subcommands, their options, and the choices of these; files complete as ever."""
    if shell == "fish":
        return "\n".join(_fish(subcommands))
    choices = [f'        "{name} {option}") words="{" ".join(action.choices)}" ;;'
               for name, parser in subcommands.items() for action in _options(parser) if action.choices
               for option in action.option_strings]
    options = [f'            {name}) words="{" ".join(o for action in _options(parser) for o in action.option_strings)}" ;;'
               for name, parser in subcommands.items()]
    bash = _BASH.format(choices="\n".join(choices), commands=" ".join(subcommands), options="\n".join(options))
    return bash if shell == "bash" else _ZSH + bash


def _fish(subcommands: dict[str, argparse.ArgumentParser]) -> list[str]:
    lines = ["# In ~/.config/fish/config.fish:  fastlr completion fish | source"]
    for command, parser in subcommands.items():
        lines.append(f"complete -c fastlr -n __fish_use_subcommand -a {command} -d {_quoted(parser.description)}")
        for action in _options(parser):
            names = " ".join(f"-l {name.lstrip('-')}" if name.startswith("--") else f"-s {name[1:]}"
                             for name in action.option_strings)
            choices = f" -xa {_quoted(' '.join(action.choices))}" if action.choices else "" if action.nargs == 0 else " -r"
            here = f"-n '__fish_seen_subcommand_from {command}'"
            lines.append(f"complete -c fastlr {here} {names}{choices} -d {_quoted(action.help)}")
    return lines


def _options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings]


def _quoted(text: str | None) -> str:
    first = (text or "").partition("\n")[0].replace("\\", "\\\\").replace("'", "\\'")
    return f"'{first}'"
