#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mlpipe {

// What failed, doing what, and how to mend it. The command line turns it into exit status 1.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, std::string hint = "")
      : std::runtime_error(message), hint_(std::move(hint)) {}
  // What the reader can do about it; may be empty.
  const std::string& hint() const { return hint_; }

 private:
  std::string hint_;
};

// The request itself is wrong (an unknown name, a missing file). The command line turns it into exit
// status 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// One fault in a file, at a place in it.
struct Diagnostic {
  std::string file;
  std::size_t line = 0;    // from 1; 0: the file as a whole
  std::size_t column = 0;  // from 1, in bytes
  std::string source;      // the text of that line
  std::string message;
  std::string hint;  // may be empty

  friend bool operator==(const Diagnostic&, const Diagnostic&) = default;
};

// "file:line:col: message", the line, a caret, and the hint; ends without a newline.
std::string render(const Diagnostic& diagnostic);

// Everything that is wrong with a file, at once. The command line turns it into exit status 2.
class SpecError : public UsageError {
 public:
  explicit SpecError(std::vector<Diagnostic> diagnostics);
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace mlpipe
