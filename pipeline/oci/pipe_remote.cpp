#include "pipeline/oci/pipe_remote.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/http.hpp"
#include "pipeline/oci/reference.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t largest_record = std::uint64_t{64} << 20U;

std::string text_behind(FrameStream& stream, const json& header) {
  const auto size = header.at("size").get<std::uint64_t>();
  if (size > largest_record) {
    throw Error("a record is larger than any is");
  }
  std::string text;
  stream.read_bytes(size, [&](std::string_view bytes) { text += bytes; });
  return text;
}

}  // namespace

struct PipeRemote::Connection {
  FileDescriptor socket;
  FileDescriptor errors;
  Process process;
  FrameStream stream;

  ~Connection() {
    socket.close();
    process.send_signal(SIGTERM);
    process.wait();
  }
  std::string last_words() const {
    const std::string text = read_file(fmt::format("/proc/self/fd/{}", errors.get()));
    return printable(last_lines(trim(text), 1));
  }
};

PipeRemote::PipeRemote(std::string name, std::function<Command()> connect)
    : name_(std::move(name)), connect_(std::move(connect)) {}

PipeRemote::~PipeRemote() = default;

PipeRemote::Connection& PipeRemote::connection() {
  if (connection_) {
    return *connection_;
  }
  Command command = connect_();
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw_errno("making a socket");
  }
  FileDescriptor own(ends[0]);
  FileDescriptor theirs(ends[1]);
  FileDescriptor errors = memory_file("");
  command.standard_input = command.standard_output = theirs.get();
  command.standard_error = errors.get();
  command.signal_when_parent_ends = SIGTERM;
  const int socket = own.get();
  Process process = Process::start(command);
  theirs.close();  // so that its end is seen
  std::unique_ptr<Connection> made(
      new Connection{std::move(own), std::move(errors), std::move(process), FrameStream(socket, socket)});
  const auto hello = made->stream.read();
  if (!hello || hello->value("mlpipe-pipe", json()) != 1) {
    const std::string words = made->last_words();
    throw Unavailable(
        fmt::format("{}: its other end does not answer{}", name_, words.empty() ? "" : ": " + words));
  }
  connection_ = std::move(made);
  return *connection_;
}

json PipeRemote::ask(const json& request, const std::function<void(FrameStream&)>& send,
                     const std::function<void(FrameStream&, const json&)>& receive) {
  FrameStream& stream = connection().stream;
  std::optional<json> answer;
  try {
    stream.write(request);
    if (send) {
      send(stream);
    }
    answer = stream.read();
    if (!answer) {
      throw Unavailable("the other end has gone");
    }
    if (!answer->contains("error") && receive) {
      receive(stream, *answer);
    }
  } catch (const Unavailable& error) {
    const std::string words = connection_->last_words();
    connection_.reset();
    throw Unavailable(fmt::format("{}: {}{}", name_, error.what(), words.empty() ? "" : ": " + words));
  } catch (...) {  // what follows would not be understood
    connection_.reset();
    throw;
  }
  if (answer->contains("error")) {
    throw Error(fmt::format("{}: {}", name_, printable(answer->at("error").get<std::string>())),
                answer->value("hint", ""));
  }
  return *answer;
}

Remote::Keys PipeRemote::keys(std::size_t most) {
  const json answer = ask({{"do", "keys"}, {"most", most}});
  Keys keys;
  for (const json& key : answer.at("keys")) {
    keys.keys.push_back(Digest::from_hex(key.get<std::string>()));
  }
  keys.complete = answer.at("complete").get<bool>();
  return keys;
}

std::optional<RemoteRecord> PipeRemote::get_record(const std::string& name) {
  require_record_name(name);
  std::string text;
  const json answer =
      ask({{"do", "get-record"}, {"name", name}}, {}, [&](FrameStream& stream, const json& header) {
        text = header.at("found").get<bool>() ? text_behind(stream, header) : "";
      });
  return answer.at("found").get<bool>() ? std::optional(parse_record(text)) : std::nullopt;
}

void PipeRemote::put_record(const std::string& name, const RemoteRecord& record) {
  require_record_name(name);
  const std::string text = to_text(record);
  ask({{"do", "put-record"}, {"name", name}, {"size", text.size()}},
      [&](FrameStream& stream) { stream.write_bytes(text); });
}

void PipeRemote::get_blob(const RemoteBlob& blob, const fs::path& to) {
  const FileDescriptor file = open_file(to, O_WRONLY | O_CREAT | O_EXCL, 0644);
  try {
    Hasher hasher;
    ask({{"do", "get-blob"}, {"digest", digest_text(blob.digest)}}, {},
        [&](FrameStream& stream, const json& header) {
          if (header.at("size") != blob.bytes) {
            throw Error(fmt::format("{}: there are other bytes for {}", name_, digest_text(blob.digest)));
          }
          stream.read_bytes(blob.bytes, [&](std::string_view bytes) {
            hasher.update(bytes);
            write_all(file.get(), bytes, to.string());
          });
        });
    if (hasher.finish() != blob.digest) {
      throw Error(fmt::format("{}: there are other bytes for {}", name_, digest_text(blob.digest)));
    }
  } catch (...) {
    ::unlink(to.c_str());
    throw;
  }
}

void PipeRemote::put_blob(const RemoteBlob& blob, const fs::path& from) {
  const std::string digest = digest_text(blob.digest);
  if (ask({{"do", "has-blob"}, {"digest", digest}}).at("found").get<bool>()) {
    return;
  }
  const FileDescriptor file = open_file(from, O_RDONLY);
  ask({{"do", "put-blob"}, {"digest", digest}, {"size", blob.bytes}},
      [&](FrameStream& stream) { stream.write_bytes(blob.bytes, source_of(file)); });
}

namespace {

// One end of serve_pipe(): a request, with what follows it read, whatever comes of it.
class PipeServer {
 public:
  PipeServer(DirectoryRemote& remote, FrameStream& stream) : remote_(remote), stream_(stream) {}

  void answer(const json& request) {
    const auto wanted = request.at("do").get<std::string>();
    if (wanted == "keys") {
      list(request.at("most").get<std::size_t>());
    } else if (wanted == "get-record") {
      get_record(request.at("name").get<std::string>());
    } else if (wanted == "put-record") {
      const std::string text = text_behind(stream_, request);
      answer_after([&] { remote_.put_record(request.at("name").get<std::string>(), parse_record(text)); });
    } else if (wanted == "has-blob") {
      std::error_code error;
      stream_.write({{"found", fs::exists(remote_.path_of(digest_in(request)), error)}});
    } else if (wanted == "get-blob") {
      get_blob(digest_in(request));
    } else if (wanted == "put-blob") {
      put_blob({digest_in(request), request.at("size").get<std::uint64_t>()});
    } else {
      throw Error("it is asked for something that it does not know");
    }
  }

 private:
  static Digest digest_in(const json& request) {
    const auto digest = parse_digest(request.at("digest").get<std::string>());
    if (!digest) {
      throw Error("a request names no SHA-256");
    }
    return *digest;
  }

  void refuse(const Error& error) { stream_.write({{"error", error.what()}, {"hint", error.hint()}}); }

  void answer_after(const std::function<void()>& work) {
    try {
      work();
    } catch (const Unavailable&) {
      throw;
    } catch (const Error& error) {
      refuse(error);
      return;
    }
    stream_.write(json::object());
  }

  void list(std::size_t most) {
    Remote::Keys found;
    try {
      found = remote_.keys(most);
    } catch (const Error& error) {
      refuse(error);
      return;
    }
    json keys = json::array();
    for (const Digest& key : found.keys) {
      keys.push_back(key.hex());
    }
    stream_.write({{"keys", std::move(keys)}, {"complete", found.complete}});
  }

  void get_record(const std::string& name) {
    std::optional<RemoteRecord> record;
    try {
      record = remote_.get_record(name);
    } catch (const Error& error) {
      refuse(error);
      return;
    }
    const std::string text = record ? to_text(*record) : "";
    stream_.write({{"found", record.has_value()}, {"size", text.size()}});
    stream_.write_bytes(text);
  }

  void get_blob(const Digest& digest) {
    FileDescriptor file;
    try {
      file = open_file(remote_.path_of(digest), O_RDONLY);
    } catch (const Error& error) {
      refuse(error);
      return;
    }
    const std::uint64_t size = fs::file_size(remote_.path_of(digest));
    stream_.write({{"size", size}});
    stream_.write_bytes(size, source_of(file));
  }

  void put_blob(const RemoteBlob& blob) {
    std::uint64_t left = blob.bytes;
    const auto source = [&](char* to, std::size_t most) {
      const auto count = std::min<std::uint64_t>(most, left);
      char* end = to;
      stream_.read_bytes(count,
                         [&](std::string_view bytes) { end = std::copy(bytes.begin(), bytes.end(), end); });
      left -= count;
      return static_cast<std::size_t>(count);
    };
    answer_after([&] {
      try {
        remote_.put_bytes(blob, source);
      } catch (const Unavailable&) {
        throw;
      } catch (const Error&) {
        stream_.read_bytes(left,
                           [](std::string_view) {});  // a full volume, say: what is sent comes all the same
        throw;
      }
    });
  }

  DirectoryRemote& remote_;
  FrameStream& stream_;
};

}  // namespace

void serve_pipe(DirectoryRemote& remote, int in, int out) {
  FrameStream stream(in, out);
  stream.write({{"mlpipe-pipe", 1}});
  PipeServer server(remote, stream);
  while (const auto request = stream.read(true)) {
    server.answer(*request);
  }
}

}  // namespace mlpipe
