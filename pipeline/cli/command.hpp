#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace mlpipe {

// One option of a command, such as "--set NAME=VALUE".
struct OptionSpec {
  std::string name;     // "--set"; with a short form: "-f,--file"
  std::string value;    // what it takes, for the help; empty: a flag
  std::string meaning;  // one line
  bool repeated = false;
};

struct ArgumentSpec {
  std::string name;
  std::string meaning;
  bool required = false;
};

// What the user asked for.
class Invocation {
 public:
  bool has(const std::string& name) const { return values_.contains(name); }
  std::optional<std::string> value(const std::string& name) const;
  std::string value_or(const std::string& name, const std::string& otherwise) const;
  std::vector<std::string> all(const std::string& name) const;
  bool json() const { return has("--json"); }

  void set(const std::string& name, std::vector<std::string> values) { values_[name] = std::move(values); }

 private:
  std::map<std::string, std::vector<std::string>> values_;  // by "--name" or the argument's name
};

// One command, or a group of them. The command line's parser, its help, the man page and the completion all
// come from a list of these.
struct CommandSpec {
  std::string name;
  std::string summary;  // one line
  std::vector<ArgumentSpec> arguments;
  std::vector<OptionSpec> options;
  std::function<int(const Invocation&)> run;  // returns the exit status; empty for a group
  std::vector<CommandSpec> commands;          // of a group
};

// Every command of mlpipe.
const std::vector<CommandSpec>& command_table();

// Parses the command line and runs the command; prints help; translates errors into messages and exit
// statuses.
int run_command_line(int argc, char** argv);

// From the same table.
std::string man_page();
std::string bash_completion();

}  // namespace mlpipe
