#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mlpipe {

// Runs one of mlpipe's own helper programs to its end and returns what it wrote to standard output. They
// agree on how they say what went wrong: on standard error first lines of progress, which begin with the
// program's name and a colon, then the message, then what can be done about it; exit status 2 for what was
// asked wrongly. Throws that as UsageError or Error. Progress goes to this process's standard error at once,
// without the program's name.
std::string output_of_program(const std::vector<std::string>& arguments, std::string_view input = "");

}  // namespace mlpipe
