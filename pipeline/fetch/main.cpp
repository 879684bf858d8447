// mlpipe-fetch --url URL --sha256 HEX --output FILE [--timeout SECONDS]: downloads a file whose digest is
// known. Exit status: 0 done, 1 failed, 2 wrong arguments, 143 asked to end.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/fetch/download.hpp"
#include "pipeline/fetch/fetch.hpp"

namespace {

constexpr int exit_asked_to_end = 128 + SIGTERM;

// True when SIGTERM or SIGINT, which are blocked, has arrived within that time.
bool wait_for_end(std::chrono::milliseconds patience) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const timespec time{patience.count() / 1000, patience.count() % 1000 * 1'000'000};
  return ::sigtimedwait(&signals, nullptr, &time) > 0;
}

int run(const mlpipe::FetchRequest& request) {
  if (wait_for_end(std::chrono::milliseconds(0))) {
    return exit_asked_to_end;
  }
  const auto fetched = mlpipe::fetch(request, wait_for_end);
  if (!fetched) {
    fmt::print(stderr, "mlpipe-fetch: asked to end; nothing was kept\n");
    return exit_asked_to_end;
  }
  fmt::print("fetched {}: {} in {}, SHA-256 as expected\n", mlpipe::url_for_messages(request.url),
             mlpipe::format_bytes(fetched->bytes), mlpipe::format_duration(fetched->duration));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Downloads a file whose SHA-256 is known, by http or https.", "mlpipe-fetch");
  std::string url, sha256, output;
  double timeout = 0;
  app.add_option("--url", url, "where it is: http or https")->required();
  app.add_option("--sha256", sha256, "the digest that the file must have, 64 hexadecimal digits")->required();
  app.add_option("--output", output, "where it is written, once its digest is right")->required();
  app.add_option("--timeout", timeout, "seconds for all attempts together; none: no limit")
      ->check(CLI::Range(0.001, 1e9));
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    mlpipe::check_url(url);
    if (!mlpipe::Digest::is_hex(sha256)) {
      throw mlpipe::UsageError(
          fmt::format("--sha256: '{}' is no SHA-256 (64 hexadecimal digits)", mlpipe::printable(sha256)));
    }
    mlpipe::FetchRequest request;
    request.url = url;
    request.sha256 = mlpipe::Digest::from_hex(sha256);
    request.output = output;
    if (timeout > 0) {
      request.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout * 1000));
    }
    const char* progress = std::getenv("MLPIPE_PROGRESS");
    request.progress = progress != nullptr ? progress : "";
    return run(request);
  } catch (const mlpipe::UsageError& error) {
    fmt::print(stderr, "mlpipe-fetch: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "mlpipe-fetch: {}\n", error.what());
    return 1;
  }
}
