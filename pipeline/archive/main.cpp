// mlpipe-archive: the only one of mlpipe's programs that links libarchive, so that the others start without
// it.
//   mlpipe-archive pack FILE      writes FILE from the list of files on standard input
//   mlpipe-archive unpack FILE DIR
#include <fmt/format.h>

#include <cstdio>
#include <span>

#include "pipeline/archive/pack.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace {

void run(std::span<char* const> arguments) {
  const std::string command = arguments.size() > 1 ? arguments[1] : "";
  if (command == "pack" && arguments.size() == 3) {
    mlpipe::pack(arguments[2], mlpipe::parse_packed_files(mlpipe::read_file("/dev/stdin")));
  } else if (command == "unpack" && arguments.size() == 4) {
    mlpipe::unpack(arguments[2], arguments[3]);
  } else {
    throw mlpipe::UsageError("usage: mlpipe-archive pack FILE < LIST, or mlpipe-archive unpack FILE DIR");
  }
}

// The message, and on lines of their own what can be done about it.
void print(const mlpipe::Error& error) {
  fmt::print(stderr, "{}\n{}", error.what(), error.hint().empty() ? "" : error.hint() + "\n");
}

}  // namespace

int main(int count, char** arguments) {
  try {
    run({arguments, static_cast<std::size_t>(count)});
    return 0;
  } catch (const mlpipe::UsageError& error) {
    print(error);
    return 2;
  } catch (const mlpipe::Error& error) {
    print(error);
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
