#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <deque>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/cli/command.hpp"
#include "pipeline/cli/terminal.hpp"

namespace mlpipe {
namespace {

constexpr int exit_failed = 1;
constexpr int exit_wrong_request = 2;

// Where CLI11 puts what it parses, for one command.
struct Binding {
  const CommandSpec* command = nullptr;
  CLI::App* app = nullptr;
  std::deque<std::pair<std::string, std::vector<std::string>>> values;
  std::deque<std::pair<std::string, bool>> flags;
};

std::string long_name(const std::string& name) {
  return name.substr(name.find("--"));
}

void bind(CLI::App& parent, const CommandSpec& command, std::deque<Binding>& bindings) {
  CLI::App* app = parent.add_subcommand(command.name, command.summary);
  Binding& binding = bindings.emplace_back();
  binding.command = &command;
  binding.app = app;
  for (const ArgumentSpec& argument : command.arguments) {
    auto& [name, values] = binding.values.emplace_back(argument.name, std::vector<std::string>{});
    app->add_option(name, values, argument.meaning)
        ->expected(1)
        ->allow_extra_args(false)  // or CLI11 takes "[1,2]" apart
        ->required(argument.required)
        ->type_name("")
        ->option_text(argument.required ? "" : "(optional)");
  }
  for (const OptionSpec& option : command.options) {
    if (option.value.empty()) {
      auto& [name, set] = binding.flags.emplace_back(long_name(option.name), false);
      app->add_flag(option.name, set, option.meaning);
      continue;
    }
    auto& [name, values] = binding.values.emplace_back(long_name(option.name), std::vector<std::string>{});
    CLI::Option* added = app->add_option(option.name, values, option.meaning)->option_text(option.value);
    added->type_size(1)->expected(1)->allow_extra_args(false);
    if (option.repeated) {
      added->take_all();
      added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
  }
  if (!command.commands.empty()) {
    app->require_subcommand(1);
  }
  for (const CommandSpec& inner : command.commands) {
    bind(*app, inner, bindings);
  }
}

Invocation invocation_of(const Binding& binding) {
  Invocation invocation;
  for (const auto& [name, values] : binding.values) {
    if (!values.empty()) {
      invocation.set(name, values);
    }
  }
  for (const auto& [name, set] : binding.flags) {
    if (set) {
      invocation.set(name, {});
    }
  }
  return invocation;
}

void print_error(const Error& error) {
  const Terminal terminal = Terminal::standard_error();
  std::string text = fmt::format("{} {}", terminal.red("error:"), error.what());
  if (dynamic_cast<const SpecError*>(&error) != nullptr) {
    text = error.what();
  }
  if (!error.hint().empty()) {
    text += fmt::format("\n  {}", error.hint());
  }
  fmt::print(stderr, "{}\n", text);
}

// What is wrong with the words of a command line that CLI11 refused, and what to do about it.
std::pair<std::string, std::string> explain_refusal(int argc, char** argv, const std::string& reason) {
  const std::vector<CommandSpec>* commands = &command_table();
  std::string path = "mlpipe";
  for (int i = 1; i < argc && !commands->empty(); ++i) {
    const std::string word = argv[i];
    if (word.starts_with("-")) {
      break;
    }
    const CommandSpec* found = nullptr;
    std::vector<std::string> names;
    for (const CommandSpec& command : *commands) {
      names.push_back(command.name);
      found = command.name == word ? &command : found;
    }
    if (found == nullptr) {
      const auto near = closest_name(word, names);
      return {fmt::format("there is no command '{} {}'", path, printable(word)),
              near ? fmt::format("did you mean '{}'?", *near)
                   : fmt::format("`{} --help` lists the commands", path)};
    }
    path += " " + word;
    commands = &found->commands;
  }
  return {reason, fmt::format("`{} --help` says more", path)};
}

}  // namespace

std::optional<std::string> Invocation::value(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() || found->second.empty() ? std::nullopt : std::optional(found->second.back());
}

std::string Invocation::value_or(const std::string& name, const std::string& otherwise) const {
  return value(name).value_or(otherwise);
}

std::vector<std::string> Invocation::all(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>{} : found->second;
}

int run_command_line(int argc, char** argv) {
  CLI::App app("mlpipe: one pipeline.yaml from data to a serving model", "mlpipe");
  app.set_version_flag("--version", fmt::format("mlpipe {}", MLPIPE_VERSION));
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 done; 1 a step, gate or rollout failed; 2 the request or the file is wrong; "
      "130 interrupted.");
  std::deque<Binding> bindings;
  for (const CommandSpec& command : command_table()) {
    bind(app, command, bindings);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      return app.exit(error);
    }
    const auto [message, hint] = explain_refusal(argc, argv, error.what());
    print_error(UsageError(message, hint));
    return exit_wrong_request;
  }
  try {
    for (const Binding& binding : bindings) {
      if (binding.app->parsed() && binding.command->run) {
        return binding.command->run(invocation_of(binding));
      }
    }
  } catch (const UsageError& error) {
    print_error(error);
    return exit_wrong_request;
  } catch (const Error& error) {
    print_error(error);
    return exit_failed;
  } catch (const std::exception& error) {
    print_error(Error(error.what()));
    return exit_failed;
  }
  return exit_wrong_request;
}

}  // namespace mlpipe
