#pragma once

#include <functional>
#include <optional>

#include "pipeline/oci/directory_remote.hpp"
#include "pipeline/oci/frame_stream.hpp"

namespace mlpipe {

// A remote that another process has, which is spoken with by its standard streams: one in a pod, say, where a
// volume is. What breaks off is Unavailable, and begun anew at the next call.
class PipeRemote : public Remote {
 public:
  // `connect` says what to start; it may take its time, and throw Unavailable. `name` is for messages.
  PipeRemote(std::string name, std::function<Command()> connect);
  ~PipeRemote() override;

  Keys keys(std::size_t most) override;
  std::optional<RemoteRecord> get_record(const std::string& name) override;
  void put_record(const std::string& name, const RemoteRecord& record) override;
  void get_blob(const RemoteBlob& blob, const std::filesystem::path& to) override;
  void put_blob(const RemoteBlob& blob, const std::filesystem::path& from) override;

 private:
  struct Connection;
  Connection& connection();
  // The answer's header; `talk` may send what follows the request, and read what follows the answer.
  nlohmann::json ask(const nlohmann::json& request, const std::function<void(FrameStream&)>& send = {},
                     const std::function<void(FrameStream&, const nlohmann::json&)>& receive = {});

  std::string name_;
  std::function<Command()> connect_;
  std::unique_ptr<Connection> connection_;
};

// The other end: does what is asked for on `in` until that ends. First it says {"mlpipe-pipe": 1}.
//   {"do": "keys", "most": 9}                            → {"keys": ["3f…"], "complete": true}
//   {"do": "get-record", "name": "job-1"}                → {"found": true, "size": 12} and the record as text
//   {"do": "put-record", "name": "job-1", "size": 12} …  → {}
//   {"do": "has-blob", "digest": "sha256:…"}             → {"found": true}
//   {"do": "get-blob", "digest": "sha256:…"}             → {"size": 12} and the bytes
//   {"do": "put-blob", "digest": "sha256:…", "size": 12} and the bytes → {}
// What fails is answered with "error" and "hint".
void serve_pipe(DirectoryRemote& remote, int in, int out);

}  // namespace mlpipe
