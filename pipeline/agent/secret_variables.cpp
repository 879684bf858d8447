#include "pipeline/agent/secret_variables.hpp"

#include <unistd.h>

#include <cerrno>

#include "pipeline/base/error.hpp"

namespace mlpipe {

std::string join_variables(const std::map<std::string, std::string>& variables) {
  std::string text;
  for (const auto& [name, value] : variables) {
    if (value.find('\0') != std::string::npos) {
      throw Error("the secret for " + name + " holds a zero byte, which no variable can");
    }
    text += name + "=" + value;
    text += '\0';
  }
  return text;
}

std::map<std::string, std::string> split_variables(std::string_view text) {
  std::map<std::string, std::string> variables;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('\0'));
    const std::size_t equals = one.find('=');
    if (equals != std::string_view::npos) {
      variables.emplace(one.substr(0, equals), one.substr(equals + 1));
    }
    text.remove_prefix(std::min(one.size() + 1, text.size()));
  }
  return variables;
}

std::map<std::string, std::string> read_variables(int stream) {
  std::string text;
  std::size_t begin = 0;  // of the variable that is being read
  while (true) {
    char byte = 0;
    const ssize_t count = ::read(stream, &byte, 1);
    if (count == 0 || (count < 0 && errno != EINTR)) {
      throw Error("the secrets of the job did not arrive");
    }
    if (count < 0) {
      continue;
    }
    if (byte == '\0' && text.size() == begin) {
      return split_variables(text);
    }
    text += byte;
    begin = byte == '\0' ? text.size() : begin;
  }
}

}  // namespace mlpipe
