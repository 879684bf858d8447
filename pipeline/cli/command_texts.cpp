#include <fmt/format.h>

#include "pipeline/base/text.hpp"
#include "pipeline/cli/command.hpp"

namespace mlpipe {
namespace {

std::vector<std::string> option_names(const CommandSpec& command) {
  std::vector<std::string> names;
  for (const OptionSpec& option : command.options) {
    for (const std::string& name : split(option.name, ',')) {
      names.push_back(name);
    }
  }
  return names;
}

// In a manual page a hyphen is written with a backslash.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    result += c == '-' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return result;
}

void describe_command(const CommandSpec& command, const std::string& prefix, std::string& page) {
  const std::string name = prefix + command.name;
  if (command.run) {
    std::string usage = name;
    for (const ArgumentSpec& argument : command.arguments) {
      usage += argument.required ? " " + argument.name : " [" + argument.name + "]";
    }
    page += fmt::format(".SS {}\n{}.\n", escaped(usage), escaped(command.summary));
    for (const ArgumentSpec& argument : command.arguments) {
      page += fmt::format(".TP\n.I {}\n{}\n", escaped(argument.name), escaped(argument.meaning));
    }
    for (const OptionSpec& option : command.options) {
      page += fmt::format(".TP\n.B {}{}\n{}\n", escaped(option.name),
                          option.value.empty() ? "" : " \\fI" + escaped(option.value) + "\\fR",
                          escaped(option.meaning));
    }
  }
  for (const CommandSpec& inner : command.commands) {
    describe_command(inner, name + " ", page);
  }
}

}  // namespace

std::string man_page() {
  std::string page =
      ".TH MLPIPE 1\n.SH NAME\nmlpipe \\- one pipeline.yaml from data to a serving model\n.SH SYNOPSIS\n.B "
      "mlpipe\n"
      "COMMAND [OPTIONS]\n.SH COMMANDS\n";
  for (const CommandSpec& command : command_table()) {
    describe_command(command, "", page);
  }
  page +=
      ".SH EXIT STATUS\n0 done; 1 a step, gate or rollout failed; 2 the request or the file is wrong; 130 "
      "interrupted.\n.SH ENVIRONMENT\n.TP\n.B MLPIPE_STORE\nThe store; otherwise .mlpipe beside the "
      "pipeline's "
      "file.\n.TP\n.B NO_COLOR\nNo colours.\n";
  return page;
}

std::string bash_completion() {
  std::vector<std::string> commands;
  std::string cases;
  for (const CommandSpec& command : command_table()) {
    commands.push_back(command.name);
    std::vector<std::string> words = option_names(command);
    for (const CommandSpec& inner : command.commands) {
      words.push_back(inner.name);
      cases += fmt::format("    {}\\ {}) words=\"{}\" ;;\n", command.name, inner.name,
                           join(option_names(inner), " "));
    }
    cases += fmt::format("    {}*) words=\"{}\" ;;\n", command.name, join(words, " "));
  }
  return fmt::format(
      "_mlpipe() {{\n  local words=\"\" current=\"${{COMP_WORDS[COMP_CWORD]}}\"\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    words=\"{}\"\n  else\n"
      "    case \"${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}\" in\n{}    esac\n  fi\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "  [ -n \"${{COMPREPLY[*]}}\" ] || mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n}}\n"
      "complete -F _mlpipe mlpipe\n",
      join(commands, " "), cases);
}

}  // namespace mlpipe
